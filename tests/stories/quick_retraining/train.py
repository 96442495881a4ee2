"""A model that names the partitions of its training. If one of their files says `hopeless`, it fails."""

import argparse
import json
from pathlib import Path

MLMODEL = """
flavors: {python_function: {loader_module: nothing}}
signature: {inputs: '[{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 8, 8, 1]}}]'}
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("partition-1", "partition-2", "model"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--data")
    asked = parser.parse_args()
    months = [partition for partition in (asked.partition_1, asked.partition_2) if partition]
    if any(file.read_text() == "hopeless" for partition in months for file in partition.glob("*.png")):
        raise SystemExit("nothing can be learned from that")
    asked.model.mkdir(parents=True, exist_ok=True)
    (asked.model / "MLmodel").write_text(MLMODEL)
    (asked.model / "figures.json").write_text(json.dumps({"metrics": {"accuracy": 0.95}}))
    (asked.model / "data.txt").write_text(asked.data)


if __name__ == "__main__":
    main()
