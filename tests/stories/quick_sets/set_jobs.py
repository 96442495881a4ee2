"""The three jobs of a model set, without learning anything.

The files of a partition have a key a line: `store,product`. The winners of an evaluation with a champion keep
one key of the champion. A comparison finds that the first key of the partition got worse.
"""

import argparse
import json
import shutil
from pathlib import Path

from hand_made_sets import write_set_folder


def train(asked: argparse.Namespace) -> None:
    keys = sorted(set(rows(asked.data, asked.manifest)))
    only = lines(asked.only_keys) if asked.only_keys else None
    write_set_folder(
        asked.model,
        [
            {"store": store, "product": product, "state": "candidate", "trained_in": asked.name}
            for store, product in keys
            if only is None or {"store": store, "product": product} in only or asked.previous
        ],
        only=only,
    )


def evaluate(asked: argparse.Namespace) -> None:
    shutil.copytree(asked.candidate, asked.winners, dirs_exist_ok=True)
    (asked.winners / "winners.txt").write_text(asked.candidate_name)
    metric = {"candidate": {"value": 0.1}, "champion": {"value": 0.2} if asked.champion else None}
    evidence = {
        "candidate": asked.candidate_name,
        "champion": None if asked.champion_name == "none" else asked.champion_name,
        "data": asked.data_name,
        "n": len(rows(asked.data, asked.manifest)),
        "metrics": {"wape": metric},
        "set": {"members": 2, "coverage": 1.0, "share_failed": 0.0, "share_worse": 0.5, "dropped": 0}
        | {"kept": 1 if asked.champion else 0},
    }
    write(asked.output, {"evidence.json": json.dumps(evidence)})


def compare(asked: argparse.Namespace) -> None:
    store, product = rows(asked.data, asked.manifest)[0]
    key = {"store": store, "product": product}
    decision = {"key": key, "train": True, "why": "worse", "reason": "mae rose from 1 to 2"}
    found = {"keys": [decision], "compared": 2, "earlier": asked.earlier is not None}
    write(asked.output, {"retrain.jsonl": json.dumps(key) + "\n", "comparison.json": json.dumps(found)})


def rows(data: Path, manifest: Path) -> list[tuple[str, str]]:
    texts = [(data / str(entry["name"])).read_text() for entry in lines(manifest)]
    keys = [line.partition(",") for text in texts for line in text.splitlines()]
    return [(store, product) for store, _, product in keys]


def lines(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("job", choices=["train", "evaluate", "compare"])
    for name in ("data", "manifest", "expected", "previous", "only-keys", "candidate", "champion", "earlier"):
        parser.add_argument(f"--{name}", type=Path)
    for name in ("model", "winners", "output"):
        parser.add_argument(f"--{name}", type=Path)
    for name in ("name", "candidate-name", "champion-name", "data-name"):
        parser.add_argument(f"--{name}")
    asked = parser.parse_args()
    {"train": train, "evaluate": evaluate, "compare": compare}[asked.job](asked)


if __name__ == "__main__":
    main()
