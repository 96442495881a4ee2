"""The first step of scoring a set: the rows of the partition's files by key into buckets.

It writes `bucket=<n>/*.parquet`, `files.json` with the rows of each file, and for each bucket one small file
into the folder of batches, so that a mini-batch of the next step is one bucket.
"""

import argparse
import logging
import tempfile
from pathlib import Path

from model_sets.errors import SetError
from model_sets.format import open_set
from model_sets.sources import read_manifest
from model_sets.split import plan_split, split, write_files

NO_BUCKET = "none"  # the rows without a key or a time

log = logging.getLogger(__name__)


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    parser = argparse.ArgumentParser()
    for key in ("--data", "--manifest", "--model", "--buckets", "--batches"):
        parser.add_argument(key, type=Path, required=True)
    parser.add_argument("--bucket-count", type=int, default=64)
    args = parser.parse_args()
    rows = split_partition(args.data, args.manifest, args.model, args.buckets, args.bucket_count)
    buckets = write_batches(args.buckets, args.batches)
    log.info("partition_split rows=%d buckets=%d", rows, buckets)


def split_partition(data: Path, manifest: Path, model: Path, buckets: Path, bucket_count: int = 64) -> int:
    """Split the files of a manifest, and return the number of their rows.

    Raise TableError, which names the file and the column, if a file cannot be read or does not fit the set.
    """
    sources, members = read_manifest(data, manifest), open_set(model)
    buckets.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        files = members.prepared_files(sources, Path(scratch))
        plan = plan_split(files, members.info, target=False, buckets=bucket_count)
        counts = split(plan, range(len(plan.sources)), buckets) if plan.sources else {}
    rows = {plan.sources[place].name: count for place, count in counts.items()}
    write_files(buckets, sources, rows)
    return sum(rows.values())


def write_batches(buckets: Path, batches: Path) -> int:
    """Write one file for each bucket, and return their number. Without any row there is one empty bucket."""
    names = sorted(folder.name.partition("=")[2] for folder in buckets.glob("bucket=*")) or ["0"]
    batches.mkdir(parents=True, exist_ok=True)
    for name in names:
        (batches / f"bucket-{name}.txt").write_text(f"{name}\n", encoding="utf-8")
    return len(names)


if __name__ == "__main__":
    try:
        main()
    except SetError as error:
        # The sentence is the last line of the log, after a blank line. The service reports this line.
        log.info("data_unfit", exc_info=error)
        raise SystemExit(f"\nThe data does not fit: {error}") from None
