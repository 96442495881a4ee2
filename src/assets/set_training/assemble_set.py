"""The last step of a training: it makes one model of the members of all buckets, and reports what happened.

Every key has one row in the index: those of the data, and those that are expected. If only some keys were
trained, all other keys keep the members and the shards of the previous set.
"""

import argparse
import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import step_log
import training_settings
from group_fallback import with_group_members
from model_sets.format import ModelSet, open_set, write_set
from model_sets.index import IndexRow, rows_to_table, schema, table_to_rows
from model_sets.limits import check_metrics
from model_sets.prepared import PREPARE
from model_sets.shards import FOLDER
from step_log import StepLog
from train_members import SUMS, read_bucket_rows
from training_settings import Settings

SHOWN_KEYS = 1000
NO_ROWS = "the data have no rows of this key"

log = logging.getLogger(__name__)


def main() -> None:
    started = time.monotonic()
    logging.basicConfig(level=logging.INFO)
    args = parse_arguments()
    settings, facts = training_settings.load(args.plan), training_settings.load_facts(args.plan)
    trained = read_rows(args.members, settings.buckets)
    previous = open_set(args.previous) if args.previous and facts["only"] is not None else None
    rows = complete(trained, settings, facts, previous)
    shards = {path.name: path for path in sorted(args.members.glob("*.zip"))}
    if previous:
        shards |= {path.name: path for path in sorted((previous.folder / FOLDER).glob("*.zip"))}
    if settings.group_by:
        name = f"{settings.base_shard + settings.buckets:02}.zip"
        shards[name] = args.model / FOLDER / name
        rows = with_group_members(rows, settings, args.rows, shards[name])
    sha256 = write_set(
        args.model, settings.info, rows_to_table(rows, settings.info.keys), shards, args.plan / PREPARE
    )

    report = summary(rows, settings, facts, read_counts(args.rows)) | {"holdout": totals(trained)}
    report |= {"index_sha256": sha256, "assemble_seconds": round(time.monotonic() - started, 1)}
    log_to_mlflow(report, rows)
    args.report.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
    (args.report / "training.json").write_text(text, encoding="utf-8")
    log.info("set_assembled members=%d states=%s", report["members"], report["states"])


def read_rows(members: Path, buckets: int) -> pa.Table:
    """Return the rows of all buckets, with the sums of their holdouts."""
    return pa.concat_tables([read_bucket_rows(members, bucket) for bucket in range(buckets)])


def complete(
    trained: pa.Table, settings: Settings, facts: Mapping[str, Any], previous: ModelSet | None
) -> list[IndexRow]:
    """Return one row for each key: trained, kept from the previous set, or missing."""
    keys = settings.info.keys
    rows = {row.key: row for row in table_to_rows(trained.select(schema(keys).names), keys)}
    asked = [tuple(key) for key in (*(facts["only"] or ()), *facts["expected"])]
    if previous:
        only = {tuple(key) for key in facts["only"]}
        for row in previous.rows():
            if row.key not in only:
                rows[row.key] = replace(row, state="kept") if row.state in KEPT else row
    for key in asked:
        if key not in rows:
            rows[key] = IndexRow(key, "missing", trained_in=settings.training, reason=NO_ROWS)
    return list(rows.values())


KEPT = ("candidate", "champion")


def read_counts(rows: Path) -> dict[str, int]:
    """Return the number of rows of each file, and under an empty name those without key or time."""
    counts: dict[str, int] = {}
    for path in sorted(rows.glob("part-*.json")):
        counts |= json.loads(path.read_text(encoding="utf-8"))
    rest = (rows / "bucket=none").glob("*.parquet")
    return counts | {"": sum(pq.read_metadata(path).num_rows for path in rest)}


def totals(trained: pa.Table) -> dict[str, float | None]:
    """Return the total error of the holdouts, and that of the seasonal baseline on the same rows."""
    own = trained.filter(pc.equal(trained["state"], "candidate"))
    error, baseline, actual = (pc.sum(own[name]).as_py() or 0.0 for name in SUMS)
    return {
        "keys": own.num_rows,
        "wape": error / actual if actual else None,
        "baseline_wape": baseline / actual if actual else None,
        "error_to_baseline": error / baseline if baseline else None,
    }


def summary(
    rows: Sequence[IndexRow], settings: Settings, facts: Mapping[str, Any], counts: Mapping[str, int]
) -> dict[str, Any]:
    keys = settings.info.keys
    failed = [row for row in rows if row.state == "failed"]
    return {
        "model": settings.model,
        "training": settings.training,
        "trainer": settings.trainer,
        "data": settings.data_names,
        "keys": len(rows),
        "members": sum(row.entry is not None for row in rows),
        "states": dict(sorted(Counter(row.state for row in rows).items())),
        "failed": [
            {"key": dict(zip(keys, row.key, strict=True)), "reason": row.reason}
            for row in sorted(failed, key=lambda row: row.key)[:SHOWN_KEYS]
        ],
        "files": len(counts) - 1,
        "rows": sum(count for name, count in counts.items() if name),
        "rows_without_key_or_time": counts.get("", 0),
        "unreadable_files": [{"name": name, "error": error} for name, error in facts["unreadable"]],
    }


def log_to_mlflow(report: Mapping[str, Any], rows: Sequence[IndexRow]) -> None:
    """Log counts, total errors and a picture.

    MLflow gets the distribution of the members' errors, and not a metric for each.
    """
    states = {f"keys_{state}": count for state, count in report["states"].items()}
    holdout = {name: value for name, value in report["holdout"].items() if value is not None}
    metrics = {"members": report["members"], "rows": report["rows"], **states, **holdout}
    check_metrics(metrics)
    tags = {"model": report["model"], "training": report["training"], "training_data": report["data"]}
    picture = {"errors_by_key.png": draw_errors(rows, report["model"])}
    step_log.log_to_mlflow(StepLog(tags, metrics, {"training.json": report}, picture))


def draw_errors(rows: Sequence[IndexRow], title: str) -> Any:
    """Draw how many members have which error, as a share of the actual values."""
    from matplotlib.figure import Figure

    errors = [min(row.wape, 2.0) for row in rows if row.wape is not None]
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.hist(errors, bins=40, range=(0, max(errors, default=1.0) or 1.0))
    axes.set(title=title, xlabel="error on the holdout (WAPE, at most 2)", ylabel="members")
    return figure


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for key in ("--plan", "--rows", "--members", "--model", "--report"):
        parser.add_argument(key, type=Path, required=True)
    parser.add_argument("--previous", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
