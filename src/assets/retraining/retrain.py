"""The training step.

It trains a model on a training set and on partitions with labelled images. It uses only the Data asset
versions that are its inputs.
"""

import argparse
import gc
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from decoding import DECODER
from image_input import ImageInput, image_input
from labelled import LABELS, LabelledSet, UnfitDataError, read_labelled
from preprocess_keys import UnfitModelError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A Data asset version (`name:version`) and the local folder with its files."""

    name: str
    folder: Path


def main() -> None:
    gc.set_threshold(50_000, 20, 20)  # fewer collections while MLflow is imported
    logging.basicConfig(level=logging.INFO)
    args = parse_arguments()
    sets = dict(labelled(sources(args.data, [*args.training, *args.partition])))
    shape = [int(part) for part in args.image_shape.split("x")]
    metadata = {"preprocess": args.preprocess} if args.preprocess else {}
    frame = taken(shape, metadata).frame

    from trainer import Settings, log_to_mlflow, save, train  # scikit-learn takes seconds to load

    images = np.concatenate(
        [batch for labelled_set in sets.values() for batch in labelled_set.batches(frame)]
    )
    labels = [label for labelled_set in sets.values() for label in labelled_set.labels]
    data = ", ".join(sets)
    settings = Settings(args.hidden, args.iterations)
    trained = train(images, labels, settings, data=data)
    lineage = {"model": args.model_name, "signal": args.signal, "training_data": data, "decoder": DECODER}
    log_to_mlflow(trained, settings, lineage)
    save(trained, args.model, {**metadata, "tidegate": lineage})
    log.info("model_trained images=%d data=%s %s", len(images), data, trained.metrics)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--training", type=Path, action="append", default=[])
    parser.add_argument("--partition", type=Path, action="append", default=[])
    for key in ("--data", "--model-name", "--signal", "--image-shape"):
        parser.add_argument(key, required=True)
    parser.add_argument("--preprocess", type=yaml.safe_load, default={})
    parser.add_argument("--hidden", type=int, required=True)
    parser.add_argument("--iterations", type=int, required=True)
    parser.add_argument("--model", type=Path, required=True)
    return parser.parse_args()


def taken(shape: Sequence[int], metadata: Mapping[str, Any]) -> ImageInput:
    """Return what the new model will take, as scoring will read it from its MLmodel file."""
    tensor = {"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, *shape]}}
    try:
        return image_input({"signature": {"inputs": json.dumps([tensor])}, "metadata": metadata})
    except UnfitModelError as error:
        raise UnfitDataError(f"the model would not fit scoring: {error}") from error


def sources(data: str, folders: Sequence[Path]) -> list[Source]:
    """Return the folders with their names. `data` lists the names in the order of the folders."""
    names = [name.strip() for name in data.split(",")]
    if len(names) != len(folders):
        raise UnfitDataError(f"data names {len(names)} sets ({data}), and {len(folders)} are given")
    return [Source(name, folder) for name, folder in zip(names, folders, strict=True)]


def labelled(given: Sequence[Source]) -> Iterator[tuple[str, LabelledSet]]:
    """Yield the name and the labelled set of each source that has labels.

    Predictions are never used as labels, because a model would learn its own mistakes.
    """
    with_labels = [source for source in given if (source.folder / LABELS).is_file()]
    for source in given:
        if source not in with_labels:
            log.warning("data_without_labels data=%s", source.name)
    if not with_labels:
        names = ", ".join(source.name for source in given)
        raise UnfitDataError(f"none of the inputs has a {LABELS}: {names}")
    for source in with_labels:
        yield source.name, read_labelled(source.folder)


if __name__ == "__main__":
    try:
        main()
    except UnfitDataError as error:
        raise SystemExit(f"The data does not fit: {error}") from None
