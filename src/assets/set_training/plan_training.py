"""The first step of a training: it checks the files, and lists the parts and buckets for the parallel steps.

Nothing is trained if a file does not fit: the step fails, and names the file and the column.
"""

import argparse
import json
import logging
import math
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import training_settings
from member_trainers import trainer_of
from model_sets.errors import SetError, TableError
from model_sets.expected_keys import read_expected, read_key_lines
from model_sets.format import ModelSet, open_set
from model_sets.limits import check_files
from model_sets.prepared import PREPARE, file_hash, load_prepare, prepare_files
from model_sets.sources import Source, read_manifest
from model_sets.split import plan_split
from training_settings import Settings, set_info

NONE = "none"  # an input of a job cannot be an empty text
FIRST_ROWS = 1000  # of each file, to see which columns prepare makes
KEYS_OF_A_SHARD = 200  # at least, if only some keys are trained

log = logging.getLogger(__name__)


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    args = parse_arguments()
    folder = Path(__file__).parent
    prepare = None if args.prepare == NONE else folder / args.prepare
    info = set_info(args, hash_of(prepare) if prepare else "")
    previous = open_set(args.previous) if args.previous else None
    if previous and previous.info != info:
        what = "columns, horizon, frequency or prepare.py"
        raise SetError(f"the previous set has other {what}: train all keys anew")
    only = read_key_lines(args.only_keys, info.keys) if args.only_keys else None
    if only is not None and previous is None:
        raise SetError("only_keys needs the previous set, which has the members of all other keys")
    sources = read_manifest(args.data, args.manifest)
    buckets = bucket_count(args.bucket_count, only, previous)
    with tempfile.TemporaryDirectory() as scratch:
        raw = sources
        if prepare:  # the columns are those of the prepared files, of which the first rows are enough
            raw = prepare_files(sources, load_prepare(prepare), Path(scratch), FIRST_ROWS)
        plan = plan_split(raw, info, target=True, buckets=buckets)
    settings = Settings(
        info=info,
        model=args.model_name,
        training=args.training,
        trainer=args.trainer,
        min_rows=args.min_rows,
        member_time_limit_s=args.member_time_limit_s,
        buckets=plan.buckets,
        data_names=args.data_names,
        base_shard=next_shard(previous) if previous and only is not None else 0,
        group_by=group_columns(json.loads(args.group_by), info.keys),
        parameters=json.loads(args.parameters),
    )
    trainer_of(settings, folder)
    facts = {
        "unreadable": [[source.name, source.error] for source in sources if source.error],
        "only": None if only is None else [list(key) for key in only],
        "expected": [list(key) for key in read_expected(args.expected, info.keys)] if args.expected else [],
    }
    training_settings.save(args.plan, settings, plan, facts)
    if prepare:
        shutil.copyfile(prepare, args.plan / PREPARE)
    readable = [source for source in sources if not source.error]
    write_lists(args.parts_list, parts_of(readable, args.part_count))
    write_lists(args.buckets_list, [[bucket] for bucket in range(plan.buckets)])
    log.info("training_planned files=%d buckets=%d", len(plan.sources), plan.buckets)


def group_columns(names: Sequence[str], keys: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a group. Raise ValueError unless they are some, but not all, key columns."""
    others = [name for name in names if name not in keys]
    if others or (names and set(names) == set(keys)):
        what = f"{others[0]!r} is no key column" if others else "a group needs more than one key"
        raise ValueError(f"group_by: {what}; name some of {', '.join(keys)}")
    return tuple(names)


def hash_of(prepare: Path) -> str:
    """Return the hash of a prepare file. Raise ValueError if there is no such file with this function."""
    if not prepare.is_file():
        raise ValueError(f"prepare {prepare.name!r} is no Python file of the component's folder")
    load_prepare(prepare)
    return file_hash(prepare)


def bucket_count(buckets: int, only: Sequence[Any] | None, previous: ModelSet | None) -> int:
    """Return the number of buckets, each of which becomes a shard. Few keys need one only.

    Raise SetError if the set would have too many files, together with the shards that are kept.
    """
    kept = 0
    if only is not None and previous is not None:
        buckets = max(1, min(buckets, math.ceil(len(only) / KEYS_OF_A_SHARD)))
        kept = len(shard_names(previous))
    check_files(buckets + kept)
    return buckets


def next_shard(previous: ModelSet) -> int:
    """Return the number after those of the shards of a set."""
    stems = [Path(name).stem for name in shard_names(previous)]
    return max((int(stem) for stem in stems if stem.isdigit()), default=-1) + 1


def shard_names(previous: ModelSet) -> set[str]:
    return {str(name) for name in previous.index["shard"].unique().to_pylist() if name}


def parts_of(sources: Sequence[Source], count: int) -> list[list[int]]:
    """Return the numbers of the files that each node splits, such that the parts have similar sizes."""
    count = max(1, min(count, len(sources)))
    parts: list[list[int]] = [[] for _ in range(count)]
    sizes = [0] * count
    order = sorted(range(len(sources)), key=lambda place: -sources[place].path.stat().st_size)
    for place in order:
        smallest = sizes.index(min(sizes))
        parts[smallest].append(place)
        sizes[smallest] += sources[place].path.stat().st_size
    return [sorted(part) for part in parts]


def write_lists(folder: Path, lists: Iterable[Sequence[int]]) -> None:
    """Write a file for each mini-batch of a parallel step."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, numbers in enumerate(lists):
        (folder / f"{number:04}.json").write_text(json.dumps(list(numbers)), encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for key in ("--data", "--manifest", "--plan", "--parts-list", "--buckets-list"):
        parser.add_argument(key, type=Path, required=True)
    for key in ("--expected", "--previous", "--only-keys"):
        parser.add_argument(key, type=Path)
    for key in ("--model-name", "--training", "--keys", "--target", "--time", "--frequency", "--covariates"):
        parser.add_argument(key, required=True)
    for key in ("--horizon", "--min-rows", "--bucket-count", "--part-count"):
        parser.add_argument(key, type=int, required=True)
    parser.add_argument("--trainer", required=True)
    parser.add_argument("--member-time-limit-s", type=float, required=True)
    parser.add_argument("--data-names", default="")
    parser.add_argument("--prepare", default=NONE)
    parser.add_argument("--group-by", default="[]")
    parser.add_argument("--parameters", default="{}")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except TableError as error:
        raise SystemExit(f"The data does not fit: {error}") from None
    except (SetError, ValueError) as error:
        raise SystemExit(f"The training cannot start: {error}") from None
