"""The training step: the example's first model, from the digits that ship with scikit-learn.

Azure ML registers the output folder as `digit-classifier`.
"""

import argparse
from pathlib import Path

from images import TRAINING_DATA, training_set
from trainer import Settings, log_to_mlflow, save, train


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--iterations", type=int, default=1_000)
    args = parser.parse_args()

    settings = Settings(args.hidden, args.iterations)
    images, labels = training_set()
    trained = train(images, labels.tolist(), settings, data=TRAINING_DATA)
    lineage = {"model": "digit-classifier", "training_data": TRAINING_DATA}
    log_to_mlflow(trained, settings, lineage)
    save(trained, args.model, lineage)


if __name__ == "__main__":
    main()
