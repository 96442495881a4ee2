"""The publishing step of a scored set.

It writes the partition's forecasts as CSV and Parquet, reconciled with the manifest and with the keys of the
set. The step fails only if it cannot read or write. Problems of the partition are recorded in
reconciliation.json, which is written last.
"""

import argparse
import gc
import json
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_sets.format import open_set
from scored_rows import ScoredRows
from step_log import StepLog, add_publishing_arguments, log_to_mlflow, subject_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)


def main() -> None:
    gc.set_threshold(50_000, 20, 20)  # fewer collections while MLflow is imported
    logging.basicConfig(level=logging.INFO)
    args = parse_arguments()
    members = open_set(args.model)
    subject = subject_of(args)
    with tempfile.TemporaryDirectory() as scratch:
        rows = ScoredRows(args.scored, members.info, Path(scratch))
        outcome = rows.reconcile(members.index, read_files(args.buckets), args.max_error_rate)
        rows.write(args.predictions, args.csv)
        totals = rows.totals()
    picture = draw_totals(totals, f"{subject['feed']} {subject['version']}")
    documents = {"summary.json": outcome.summary()}
    log_to_mlflow(StepLog(subject, outcome.metrics(), documents, {"forecast.png": picture}))
    summary = subject | {"set": {"index_sha256": members.index_sha256}} | outcome.summary()
    text = json.dumps(summary, indent=2, ensure_ascii=False)
    (args.predictions / "reconciliation.json").write_text(text, encoding="utf-8")
    log.info("partition_published verdict=%s %s", outcome.verdict, outcome.metrics())


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for key in ("--buckets", "--scored", "--model"):
        parser.add_argument(key, type=Path, required=True)
    add_publishing_arguments(parser)
    return parser.parse_args()


def read_files(buckets: Path) -> list[dict[str, Any]]:
    """Return the files of the manifest, with `name`, `rows` or `error`, as the split counted them."""
    files: list[dict[str, Any]] = json.loads((buckets / "files.json").read_text(encoding="utf-8"))
    return files


def draw_totals(totals: Sequence[tuple[Any, float]], title: str) -> "Figure":
    """Draw the sum of all forecasts over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([time for time, _ in totals], [total for _, total in totals])
    axes.set(title=title, ylabel="forecast of all keys")
    axes.tick_params(axis="x", rotation=30)
    return figure


if __name__ == "__main__":
    main()
