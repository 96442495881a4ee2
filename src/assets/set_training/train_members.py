"""The entry script of the parallel step that trains members. A mini-batch is a bucket.

A member that fails is a row with its reason. A mini-batch fails only if its bucket cannot be read, or its
members cannot be written.
"""

import argparse
import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The code of a parallel step is src/assets, because such steps cannot include other folders.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import pyarrow as pa
import pyarrow.parquet as pq
import training_settings
from member_worker import Outcome
from model_sets.index import IndexRow, rows_to_table
from model_sets.shards import ShardWriter, entry_name
from training_settings import Settings
from worker_process import MemberWorker

SUMS = ("error_sum", "baseline_error_sum", "actual_sum")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BucketTraining:
    """The training of buckets, with the folder to which shards and rows are written."""

    settings: Settings
    worker: MemberWorker
    members: Path

    def train(self, bucket: int) -> str:
        """Train the members of a bucket, and write its shard and its rows. Return its row of the step."""
        shard = ShardWriter(self.members / f"{self.settings.base_shard + bucket:02}.zip")
        rows, sums, states = [], [], Counter[str]()
        for outcome in self.worker.train(bucket):
            rows.append(self._row(outcome, shard, bucket))
            sums.append(outcome.sums)
            states[outcome.state] += 1
        path = shard.close()
        if not any(row.entry for row in rows):
            path.unlink()
        order = sorted(range(len(rows)), key=lambda place: rows[place].key)
        table = rows_to_table(rows, self.settings.info.keys)
        for place, name in enumerate(SUMS):
            table = table.append_column(name, pa.array([sums[one][place] for one in order], pa.float64()))
        pq.write_table(table, self.members / f"{bucket:04}.parquet")
        log.info("bucket_trained bucket=%d %s", bucket, dict(states))
        return json.dumps({"bucket": bucket, **states})

    def _row(self, outcome: Outcome, shard: ShardWriter, bucket: int) -> IndexRow:
        place: dict[str, Any] = dict(outcome.metrics or {})
        if outcome.content:
            entry = entry_name(outcome.key, outcome.loader)
            sha256 = shard.add(entry, outcome.content)
            name = f"{self.settings.base_shard + bucket:02}.zip"
            place |= {"shard": name, "entry": entry, "loader": outcome.loader, "sha256": sha256}
        return IndexRow(
            key=outcome.key,
            state=outcome.state,
            **place,
            fallback=outcome.fallback,
            trained_in=self.settings.training,
            trained_until=outcome.trained_until,
            rows=outcome.rows,
            reason=outcome.reason,
        )


def read_bucket_rows(members: Path, bucket: int) -> pa.Table:
    """Return the rows of a trained bucket, with the sums of their holdouts."""
    return pq.read_table(members / f"{bucket:04}.parquet")


_training: BucketTraining


def init() -> None:
    """Read the plan of the training, once in each process."""
    global _training  # noqa: PLW0603  Azure ML calls module-level functions
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for key in ("--plan", "--rows", "--members"):
        parser.add_argument(key, type=Path, required=True)
    args, _ = parser.parse_known_args()  # Azure ML adds arguments of its own
    settings = training_settings.load(args.plan)
    args.members.mkdir(parents=True, exist_ok=True)
    worker = MemberWorker(args.plan, args.rows, settings.member_time_limit_s)
    _training = BucketTraining(settings, worker, args.members)


def run(mini_batch: Sequence[str]) -> list[str]:
    """Train the members of one bucket."""
    buckets = [json.loads(Path(file).read_text(encoding="utf-8"))[0] for file in mini_batch]
    return [_training.train(bucket) for bucket in buckets]


def shutdown() -> None:
    _training.worker.close()
