"""The entry script of the parallel step that scores a set. Each mini-batch is one bucket of rows.

Azure ML calls init() once in each process, and run() for each mini-batch. A member that fails is a reason in
the rows of its key. A damaged model fails the mini-batch, and with it the job: its error names the shard.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

# The code of this step is the folder above, because model_sets is in it.
sys.path[:0] = [str(folder) for folder in Path(__file__).absolute().parents[:2]]

from forecast_bucket import forecast_bucket, unusable_rows
from model_sets import boosting
from model_sets.bucket import read_bucket
from model_sets.format import ModelSet, open_set
from split_partition import NO_BUCKET

log = logging.getLogger(__name__)


class SetScorer:
    """An open set, with the folder of the buckets and that of the scored rows."""

    def __init__(self, members: ModelSet, buckets: Path, scored: Path) -> None:
        self._members = members
        self._buckets = buckets
        self._scored = scored

    def score(self, bucket: str) -> int:
        """Write the scored rows of a bucket to a file of its own, and return their number.

        The file gets its name when it is complete, so that a repeated mini-batch replaces it.
        """
        pa.set_cpu_count(1)  # Azure ML starts one process for each core
        info = self._members.info
        if bucket == NO_BUCKET:
            rows = unusable_rows(info, self._buckets / f"bucket={bucket}")
        else:
            rows = forecast_bucket(self._members, read_bucket(self._buckets, int(bucket), info))
        self._scored.mkdir(parents=True, exist_ok=True)
        partial = self._scored / f"{bucket:0>4}.partial"
        texts = [field.name for field in rows.schema if pa.types.is_string(field.type)]
        pq.write_table(rows, partial, compression="lz4", use_dictionary=texts, write_statistics=False)
        partial.replace(self._scored / f"{bucket:0>4}.parquet")
        return int(rows.num_rows)


_scorer: SetScorer


def init() -> None:
    """Open the set, once in each process."""
    global _scorer  # noqa: PLW0603  Azure ML calls module-level functions
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--buckets", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--scored", type=Path, required=True)
    args, _ = parser.parse_known_args()  # Azure ML adds arguments of its own
    members = open_set(args.model)
    boosting.import_for([members.index])
    _scorer = SetScorer(members, args.buckets, args.scored)


def run(mini_batch: Sequence[str]) -> list[str]:
    """Score the buckets of a mini-batch, and return a line for each of its files."""
    lines = []
    for file in mini_batch:
        bucket = Path(file).stem.partition("-")[2]
        rows = _scorer.score(bucket)
        log.info("bucket_scored bucket=%s rows=%d", bucket, rows)
        lines.append(json.dumps({"bucket": bucket, "rows": rows}))
    return lines
