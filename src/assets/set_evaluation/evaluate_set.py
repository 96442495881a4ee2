"""The evaluation step of a model set. It measures the candidate and the champion on the same holdout.

It writes the set that goes on (`winners`), members.parquet with both errors of each key, and evidence.json,
which is written last. If this file is missing, the evaluation did not succeed.
"""

import argparse
import gc
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import step_log
from error_evidence import TooManySlicesError
from judging import Evaluation, UnfitDataError, UnfitSetError, judge
from measure import metrics_table
from member_rule import MemberRule, Then
from model_sets.errors import CorruptIndexError, CorruptShardError, SetError
from model_sets.format import open_set
from model_sets.key_errors import METRICS
from model_sets.limits import check_metrics
from model_sets.sources import ENDINGS, Source, read_manifest
from step_log import StepLog

NONE = "none"  # an input of a job cannot be an empty text

log = logging.getLogger(__name__)


def main() -> None:
    gc.set_threshold(50_000, 20, 20)  # fewer collections while MLflow is imported
    logging.basicConfig(level=logging.INFO)
    args = parse_arguments()
    sources = holdout_sources(args.holdout) if args.holdout else read_manifest(args.data, args.manifest)
    rule = MemberRule(args.rule_metric, args.rule_tolerance, args.rule_min_n, args.rule_then)
    subject = {key: getattr(args, key) for key in ("model", "version", "evaluation")}
    names = {
        "candidate": args.candidate_name,
        "champion": args.champion_name if args.champion else None,
        "data": args.data_name,
    }
    sets = {"candidate": args.candidate} | ({"champion": args.champion} if args.champion else {})
    slice_by = None if args.slice_by == NONE else args.slice_by
    evaluation = Evaluation(sets, sources, rule, not args.holdout, slice_by, args.confidence)
    judgement = judge(evaluation, args.winners)
    evidence = names | judgement.evidence
    args.verdict_evidence.mkdir(parents=True, exist_ok=True)
    keys = open_set(args.candidate).info.keys
    table = pa.table(metrics_table(judgement.errors, judgement.decisions, keys))
    pq.write_table(table, args.verdict_evidence / "members.parquet", compression="zstd")
    log_to_mlflow(evidence, subject | {"data": args.data_name}, table, args.verdict_evidence)
    text = json.dumps(evidence, indent=2, allow_nan=False, ensure_ascii=False)
    (args.verdict_evidence / "evidence.json").write_text(text, encoding="utf-8")
    log.info(
        "set_evaluated candidate=%s champion=%s n=%d", names["candidate"], names["champion"], evidence["n"]
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for key in ("--candidate", "--verdict-evidence", "--winners"):
        parser.add_argument(key, type=Path, required=True)
    for key in ("--champion", "--data", "--manifest", "--holdout"):
        parser.add_argument(key, type=Path)
    parser.add_argument("--champion-name", default=NONE)
    parser.add_argument("--slice-by", default=NONE)
    parser.add_argument("--confidence", type=float, default=0.95)
    parser.add_argument("--rule-metric", choices=METRICS, default="mae")
    parser.add_argument("--rule-tolerance", type=float, default=0.0)
    parser.add_argument("--rule-min-n", type=int, default=1)
    parser.add_argument("--rule-then", choices=get_args(Then), default="keep_champion")
    for key in ("--candidate-name", "--data-name", "--model", "--version", "--evaluation"):
        parser.add_argument(key, required=True)
    args = parser.parse_args()
    if not args.holdout and not (args.data and args.manifest):
        parser.error("give the input holdout, or the inputs data and manifest")
    return args


def holdout_sources(folder: Path) -> list[Source]:
    """Return the tables in the folder of a Data asset. Raise UnfitDataError if there are none."""
    files = sorted(path for path in folder.rglob("*") if path.name.lower().endswith(tuple(ENDINGS)))
    if not files:
        raise UnfitDataError(f"the holdout has no table: files end in {', '.join(ENDINGS)}")
    return [Source(file.relative_to(folder).as_posix(), file) for file in files]


def log_to_mlflow(
    evidence: Mapping[str, Any], subject: Mapping[str, str], members: pa.Table, folder: Path
) -> None:
    """Log totals, counts, distributions and the table of keys.

    A run takes 50 names of metrics, so there is none for a single key or slice.
    """
    import set_pictures

    metrics = numbers(evidence)
    check_metrics(metrics)
    drawn = {"members.png": set_pictures.distributions(members, evidence)}
    documents = {"evidence.json": evidence}
    step_log.log_to_mlflow(StepLog(subject, metrics, documents, drawn, (folder / "members.parquet",)))


def numbers(evidence: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that MLflow gets, such as `difference/mae/low` and `set/share_worse`."""
    found: dict[str, float] = {"n": evidence["n"]}
    for metric, cells in evidence["metrics"].items():
        for who, cell in cells.items():
            if cell and cell["value"] is not None:
                found[f"{who}/{metric}"] = cell["value"]
        difference = cells["difference"] or {}
        found |= {
            f"difference/{metric}/{bound}": difference[bound]
            for bound in ("low", "high")
            if difference.get(bound) is not None
        }
    counts = evidence["set"].items()
    return found | {f"set/{name}": value for name, value in counts if isinstance(value, int | float)}


if __name__ == "__main__":
    try:
        main()
    except (UnfitDataError, TooManySlicesError) as error:
        raise SystemExit(f"\nThe holdout does not fit: {error}") from None
    except (UnfitSetError, CorruptShardError, CorruptIndexError) as error:
        # The sentence is the last line of the log, after a blank line. The service reports this line.
        log.info("model_unfit", exc_info=error)
        raise SystemExit(f"\nThe model does not fit: {error}") from None
    except SetError as error:
        raise SystemExit(f"\nThe holdout does not fit: {error}") from None
