"""The entry script of the parallel step that splits files into buckets. A mini-batch is a list of files."""

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

# The code of a parallel step is src/assets, because such steps cannot include other folders.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import training_settings
from model_sets.prepared import PREPARE, load_prepare, prepare_files
from model_sets.split import Plan, split, with_files

log = logging.getLogger(__name__)


class Splitter:
    """The files of a training, and the folder of its buckets."""

    def __init__(self, folder: Path, data: Path, rows: Path) -> None:
        self._plan: Plan = training_settings.load_plan(folder, data)
        self._only = training_settings.load_facts(folder)["only"]
        self._prepare = load_prepare(folder / PREPARE) if self._plan.info.prepare else None
        self._rows = rows

    def split(self, part: Path) -> str:
        """Split the files of a part. Return its row of the step: the number of rows of each file."""
        numbers = json.loads(part.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory() as scratch:
            plan = self._prepared(numbers, Path(scratch))
            counts = split(plan, numbers, self._rows, part=part.stem, only=self._only)
        log.info("files_split part=%s files=%d rows=%d", part.stem, len(counts), sum(counts.values()))
        named = {self._plan.sources[place].name: count for place, count in counts.items()}
        (self._rows / f"part-{part.stem}.json").write_text(json.dumps(named), encoding="utf-8")
        return json.dumps({"part": part.stem, "rows": sum(counts.values())})

    def _prepared(self, numbers: Sequence[int], scratch: Path) -> Plan:
        """Return the plan with the files of a part as prepare.py changes them."""
        if self._prepare is None:
            return self._plan
        chosen = prepare_files([self._plan.sources[number] for number in numbers], self._prepare, scratch)
        return with_files(self._plan, dict(zip(numbers, chosen, strict=True)))


_splitter: Splitter


def init() -> None:
    """Read the plan of the training, once in each process."""
    global _splitter  # noqa: PLW0603  Azure ML calls module-level functions
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for key in ("--plan", "--data", "--rows"):
        parser.add_argument(key, type=Path, required=True)
    args, _ = parser.parse_known_args()  # Azure ML adds arguments of its own
    _splitter = Splitter(args.plan, args.data, args.rows)


def run(mini_batch: Sequence[str]) -> list[str]:
    """Split the files of one part."""
    return [_splitter.split(Path(file)) for file in mini_batch]
