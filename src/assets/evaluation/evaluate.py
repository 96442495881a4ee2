"""The evaluation step. It measures the candidate and the champion on the same holdout.

It writes evidence.json, and it writes metrics and pictures to MLflow. evidence.json is written last. If this
file is missing, the evaluation did not succeed.
"""

import argparse
import gc
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from answers import Answers, ask
from decoding import DECODER
from labelled import LabelledSet, UnfitDataError, read_labelled
from preprocess_keys import UnfitModelError

NONE = "none"  # an input of a job cannot be an empty text
METRICS_AT_ONCE = 500

log = logging.getLogger(__name__)


def main() -> None:
    gc.set_threshold(50_000, 20, 20)  # fewer collections while MLflow is imported
    logging.basicConfig(level=logging.INFO)
    args = parse_arguments()
    slice_by = None if args.slice_by == NONE else args.slice_by
    holdout = read_labelled(args.holdout, slice_by=slice_by)
    models = {"candidate": args.candidate} | ({"champion": args.champion} if args.champion else {})
    answers = ask(models, holdout)

    # Import scikit-learn only here. It takes seconds, and the processes of the models import this module too.
    from evidence import weigh

    measured = weigh(
        holdout.labels,
        answers["candidate"],
        answers.get("champion"),
        slices=(slice_by, holdout.columns[slice_by]) if slice_by else None,
        confidence=args.confidence,
    )
    champion_name = args.champion_name if args.champion else None
    evidence = {"candidate": args.candidate_name, "champion": champion_name, "data": args.data}
    evidence |= {"decoder": DECODER, **measured}
    subject = {key: getattr(args, key) for key in ("model", "version", "evaluation", "data")}
    subject["decoder"] = DECODER
    log_to_mlflow(evidence, subject, holdout, answers)
    args.verdict_evidence.mkdir(parents=True, exist_ok=True)
    text = json.dumps(evidence, indent=2, allow_nan=False)
    (args.verdict_evidence / "evidence.json").write_text(text, encoding="utf-8")
    log.info(
        "model_evaluated candidate=%s champion=%s n=%d", args.candidate_name, champion_name, len(holdout)
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--candidate", type=Path, required=True)
    parser.add_argument("--champion", type=Path)
    parser.add_argument("--holdout", type=Path, required=True)
    parser.add_argument("--champion-name", default=NONE)
    parser.add_argument("--slice-by", default=NONE)
    parser.add_argument("--confidence", type=float, default=0.95)
    parser.add_argument("--verdict-evidence", type=Path, required=True)
    for key in ("--candidate-name", "--data", "--model", "--version", "--evaluation"):
        parser.add_argument(key, required=True)
    return parser.parse_args()


def log_to_mlflow(
    evidence: dict[str, Any], subject: dict[str, str], holdout: LabelledSet, answers: Mapping[str, Answers]
) -> None:
    """Log metrics, evidence and pictures to the step's run and to the pipeline's run.

    People look at the pipeline's run first.
    """
    import mlflow
    import pictures

    metrics = dict(numbers(evidence))
    labels = {who: list(answer.labels) for who, answer in answers.items()}
    drawn = {
        "confusion_matrix.png": pictures.confusion(holdout.labels, labels),
        "metrics.png": pictures.comparison(evidence),
    }
    if shown := answers["candidate"].occlusions:
        drawn["occlusion.png"] = pictures.occlusions(shown, evidence["candidate"])
    with mlflow.start_run() as run:
        mlflow.set_tags({f"tidegate_{key}": value for key, value in subject.items()})
    client = mlflow.MlflowClient()
    for run_id in filter(None, (run.info.run_id, run.data.tags.get("mlflow.parentRunId"))):
        log_metrics(metrics, run_id)
        client.log_dict(run_id, evidence, "evidence.json")
        for name, picture in drawn.items():
            client.log_figure(run_id, picture, name)


def log_metrics(metrics: Mapping[str, float], run: str) -> None:
    """Log metrics in several requests, because MLflow accepts at most 1,000 metrics in one request."""
    import mlflow

    for part in batched(metrics.items(), METRICS_AT_ONCE):
        mlflow.log_metrics(dict(part), run_id=run)


def batched(items: Iterable[tuple[str, float]], size: int) -> Iterator[list[tuple[str, float]]]:
    """Yield the items in lists of at most `size`."""
    remaining = iter(items)
    while part := list(islice(remaining, size)):
        yield part


def numbers(evidence: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield each number in the evidence with a name such as `champion/accuracy/low`."""
    yield "n", evidence["n"]
    yield from _of_metrics("", evidence["metrics"])
    for key in ("candidate_only", "champion_only", "p_value"):
        if evidence["comparison"]:
            yield f"mcnemar/{key}", evidence["comparison"][key]
    for value, part in (evidence["slices"] or {"values": {}})["values"].items():
        name = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in value)
        yield f"{name}/n", part["n"]
        yield from _of_metrics(f"{name}/", part["metrics"])


def _of_metrics(prefix: str, metrics: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for metric, cells in metrics.items():
        for who, cell in cells.items():
            for bound, number in (cell or {}).items():
                if number is not None:
                    ending = "" if bound == "value" else f"/{bound}"
                    yield f"{prefix}{who}/{metric}{ending}", number


if __name__ == "__main__":
    try:
        main()
    except UnfitDataError as error:
        raise SystemExit(f"The holdout does not fit: {error}") from None
    except UnfitModelError as error:
        # The sentence is the last line of the log, after a blank line. The service reports this line.
        log.info("model_unfit", exc_info=error)
        raise SystemExit(f"\nThe model does not fit: {error}") from None
