"""A model that names the partitions of its training.

If one of their files says `hopeless`, it fails. If one says `endless`, the step does not end by itself.
"""

import argparse
import json
import time
from pathlib import Path

MLMODEL = """
flavors: {python_function: {loader_module: nothing}}
signature: {inputs: '[{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 8, 8, 1]}}]'}
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--partition", type=Path, action="append", default=[])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data")
    asked = parser.parse_args()
    files = [file for partition in asked.partition for file in partition.glob("*.png")]
    said = {file.read_text() for file in files}
    if "endless" in said:
        time.sleep(600)
    if "hopeless" in said:
        raise SystemExit("nothing can be learned from that")
    asked.model.mkdir(parents=True, exist_ok=True)
    (asked.model / "MLmodel").write_text(MLMODEL)
    (asked.model / "figures.json").write_text(json.dumps({"metrics": {"accuracy": 0.95}}))
    (asked.model / "data.txt").write_text(asked.data)


if __name__ == "__main__":
    main()
