"""The comparison of the last forecasts with the actual values of a later partition, key by key.

It writes errors.parquet (each key and partition, with the earlier ones), retrain.jsonl (the keys to train
again) and comparison.json with the reason of each, which is written last.
"""

import argparse
import json
import logging
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import step_log
from key_history import PARTITION, Comparison, compare, with_earlier
from key_renewal import RenewalRule, decide_key
from model_sets.errors import SetError
from model_sets.format import ModelSet, open_set
from model_sets.key_errors import METRICS
from model_sets.sources import read_manifest
from model_sets.split import plan_split, split
from step_log import StepLog

ERRORS, RETRAIN, COMPARISON = "errors.parquet", "retrain.jsonl", "comparison.json"

log = logging.getLogger(__name__)


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    args = parse_arguments()
    rule = RenewalRule(
        metric=args.worse_metric,
        factor=1 + args.worse_by,
        breaches=args.worse_breaches,
        of_last=args.worse_of_last,
        min_n=args.worse_min_n,
        min_rows=args.min_rows,
    )
    members = open_set(args.model)
    with tempfile.TemporaryDirectory() as scratch:
        actuals = read_actuals(members, args.data, args.manifest, Path(scratch))
        comparison = compare(members, args.predictions / "predictions.parquet", actuals, args.partition, rule)
    earlier = args.earlier / ERRORS if args.earlier else None
    history = with_earlier(comparison.errors, earlier)
    summary = renewals(members, comparison, history, rule)
    subject = {key: getattr(args, key) for key in ("model_name", "partition", "comparison")}
    write(args.errors, history, subject | {"rule": asdict(rule)} | summary, members.info.keys)
    log_to_mlflow(subject, summary)
    log.info("actuals_compared partition=%s %s", args.partition, summary["counts"])


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for key in ("--predictions", "--data", "--manifest", "--model", "--errors"):
        parser.add_argument(key, type=Path, required=True)
    parser.add_argument("--earlier", type=Path)
    parser.add_argument("--worse-metric", choices=METRICS, default="mae")
    parser.add_argument("--worse-by", type=float, default=0.5)
    parser.add_argument("--worse-min-n", type=int, default=1)
    parser.add_argument("--worse-breaches", type=int, default=2)
    parser.add_argument("--worse-of-last", type=int, default=3)
    parser.add_argument("--min-rows", type=int, default=0)
    for key in ("--model-name", "--partition", "--comparison"):
        parser.add_argument(key, required=True)
    return parser.parse_args()


def read_actuals(members: ModelSet, data: Path, manifest: Path, scratch: Path) -> list[str]:
    """Split the files of the new partition, and return the Parquet files of its rows by key.

    The split makes keys and times comparable: text as spelled, and the number of the step.
    """
    sources = members.prepared_files(read_manifest(data, manifest), scratch / "prepared")
    plan = plan_split(sources, members.info, target=True, buckets=1)
    if plan.sources:
        split(plan, range(len(plan.sources)), scratch)
    return sorted(str(file) for file in scratch.glob("bucket=[0-9]*/*.parquet"))


def renewals(
    members: ModelSet, comparison: Comparison, history: pa.Table, rule: RenewalRule
) -> dict[str, Any]:
    """Return which keys are trained again, each with its reason, and the counts."""
    breaches = comparison.breaches(history)
    newest = {row["key"]: row for row in comparison.rows()}
    keys = []
    for key, now in comparison.keys.items():
        renewal = decide_key(rule, now, breaches.get(key, []))
        if renewal:
            measured = newest.get(key, {})
            cells = dict(zip(members.info.keys, key, strict=True))
            figures = {"error": measured.get(rule.metric), "reference": measured.get("reference")}
            keys.append(
                {"key": cells, "train": True, "why": renewal.kind, "reason": renewal.reason, **figures}
            )
    return {
        "keys": keys,
        "compared": len(newest),
        "rows": sum(row["rows"] for row in newest.values()),
        "worse_now": sum(row["breached"] is True for row in newest.values()),
        "doubled_actuals": comparison.doubled,
        "counts": {"keys": len(comparison.keys), **Counter(entry["why"] for entry in keys)},
    }


def write(folder: Path, history: pa.Table, summary: dict[str, Any], keys: Sequence[str]) -> None:
    """Write the three files. comparison.json is the last one."""
    folder.mkdir(parents=True, exist_ok=True)
    order = [(name, "ascending") for name in (*keys, PARTITION)]
    pq.write_table(history.sort_by(order), folder / ERRORS, compression="zstd")
    lines = (json.dumps(entry["key"], ensure_ascii=False) + "\n" for entry in summary["keys"])
    (folder / RETRAIN).write_text("".join(lines), encoding="utf-8")
    text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / COMPARISON).write_text(text, encoding="utf-8")


def log_to_mlflow(subject: dict[str, str], summary: dict[str, Any]) -> None:
    """Log the counts and the summary."""
    figures = {name: summary[name] for name in ("compared", "rows", "worse_now")}
    counts = summary["counts"].items()
    metrics = figures | {name if name == "keys" else f"keys_{name}": count for name, count in counts}
    step_log.log_to_mlflow(StepLog(subject, metrics, {COMPARISON: summary}))


if __name__ == "__main__":
    try:
        main()
    except SetError as error:
        # The sentence is the last line of the log, after a blank line. The service reports this line.
        log.info("comparison_unfit", exc_info=error)
        raise SystemExit(f"\nThe comparison is not possible: {error}") from None
