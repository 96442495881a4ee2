"""A training of a model set without Azure ML: the functions of its steps on real files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import training_settings
from assemble_set import complete, read_rows
from group_fallback import with_group_members
from model_sets.format import ModelSet, open_set, write_set
from model_sets.index import IndexRow, rows_to_table
from model_sets.info import SetInfo
from model_sets.shards import FOLDER
from model_sets.sources import Source
from model_sets.split import plan_split, split
from plan_training import bucket_count, next_shard
from train_members import BucketTraining
from training_settings import Settings
from worker_process import MemberWorker

INFO = SetInfo(("store", "product"), "sold", "day", horizon=7)


@dataclass
class SetTraining:
    """Files in a folder, and the trainings on them."""

    folder: Path
    info: SetInfo = INFO
    names: list[str] = field(default_factory=list)

    def add(self, name: str, table: pa.Table) -> None:
        """Add a Parquet or CSV file to the history."""
        path = self.folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pa.csv.write_csv(table, path) if name.endswith(".csv") else pq.write_table(table, path)
        self.names.append(name)

    def train(
        self,
        *,
        trainer: str = "seasonal-naive",
        limit_s: float = 60,
        parts: int = 1,
        buckets: int = 2,
        previous: ModelSet | None = None,
        only: Sequence[tuple[str, ...]] | None = None,
        expected: Sequence[tuple[str, ...]] = (),
        group_by: tuple[str, ...] = (),
        parameters: Mapping[str, float] | None = None,
    ) -> ModelSet:
        """Train a set and return it."""
        run = self.folder / f"run-{len(list(self.folder.glob('run-*')))}"
        sources = [Source(name, self.folder / "data" / name) for name in self.names]
        plan = plan_split(sources, self.info, target=True, buckets=bucket_count(buckets, only, previous))
        base = next_shard(previous) if previous else 0
        settings = Settings(self.info, "m", run.name, trainer, 20, limit_s, plan.buckets, base_shard=base)
        settings = replace(settings, group_by=group_by, parameters=parameters or {})
        facts: Mapping[str, Any] = {"only": only, "expected": list(expected), "unreadable": []}
        training_settings.save(run, settings, plan, facts)
        for part in range(parts):
            split(plan, range(part, len(sources), parts), run / "rows", part=str(part), only=only)
        worker = MemberWorker(run, run / "rows", limit_s)
        (run / "members").mkdir()
        training = BucketTraining(settings, worker, run / "members")
        try:
            for bucket in range(plan.buckets):
                training.train(bucket)
        finally:
            worker.close()
        rows = complete(read_rows(run / "members", plan.buckets), settings, facts, previous)
        shards = {path.name: path for path in (run / "members").glob("*.zip")}
        if previous:
            shards |= {path.name: path for path in (previous.folder / FOLDER).glob("*.zip")}
        if group_by:
            shards["99.zip"] = run / "99.zip"
            rows = with_group_members(rows, settings, run / "rows", shards["99.zip"])
        write_set(run / "model", self.info, rows_to_table(rows, self.info.keys), shards)
        return open_set(run / "model")


def row_of(members: ModelSet, *key: str) -> IndexRow:
    row = members.find(key)
    assert row is not None, f"no row for {key}"
    return row
