"""What the evaluations of images and of tables have in common: their arguments, and what becomes of evidence.

evidence.json is written last. If this file is missing, the evaluation did not succeed.
"""

import argparse
import gc
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_processes import UnfitCandidateError
from step_log import StepLog, log_to_mlflow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NONE = "none"  # an input of a job cannot be an empty text

log = logging.getLogger(__name__)


def evaluation_parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments that each evaluation has."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--candidate", type=Path, required=True)
    parser.add_argument("--champion", type=Path)
    parser.add_argument("--holdout", type=Path, required=True)
    parser.add_argument("--champion-name", default=NONE)
    parser.add_argument("--slice-by", type=lambda text: None if text == NONE else text)
    parser.add_argument("--confidence", type=float, default=0.95)
    parser.add_argument("--verdict-evidence", type=Path, required=True)
    for key in ("--candidate-name", "--data", "--model", "--version", "--evaluation"):
        parser.add_argument(key, required=True)
    return parser


def models_of(args: argparse.Namespace) -> dict[str, Path]:
    """Return the folders of the candidate and, if there is one, of the champion."""
    return {"candidate": args.candidate} | ({"champion": args.champion} if args.champion else {})


def subject_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of the evidence that say what was compared on which data."""
    champion = args.champion_name if args.champion else None
    return {"candidate": args.candidate_name, "champion": champion, "data": args.data}


def publish(
    args: argparse.Namespace,
    evidence: Mapping[str, Any],
    figures: Mapping[str, "Figure"],
    tags: Mapping[str, str],
) -> None:
    """Log the evidence to MLflow, and write it to evidence.json."""
    tags = {key: getattr(args, key) for key in ("model", "version", "evaluation", "data")} | dict(tags)
    log_to_mlflow(StepLog(tags, dict(numbers(evidence)), {"evidence.json": evidence}, figures))
    args.verdict_evidence.mkdir(parents=True, exist_ok=True)
    text = json.dumps(evidence, indent=2, allow_nan=False, ensure_ascii=False)
    (args.verdict_evidence / "evidence.json").write_text(text, encoding="utf-8")
    log.info(
        "model_evaluated candidate=%s champion=%s n=%d",
        evidence["candidate"],
        evidence["champion"],
        evidence["n"],
    )


def numbers(evidence: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield each number in the evidence with a name such as `champion/accuracy/low`."""
    yield "n", evidence["n"]
    yield from _of_metrics("", evidence["metrics"])
    for key in ("candidate_only", "champion_only", "p_value"):
        if evidence["comparison"]:
            yield f"mcnemar/{key}", evidence["comparison"][key]
    for value, part in (evidence["slices"] or {"values": {}})["values"].items():
        yield f"{_word(value)}/n", part["n"]
        yield from _of_metrics(f"{_word(value)}/", part["metrics"])


def _of_metrics(prefix: str, metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for metric, cells in metrics.items():
        for who, cell in cells.items():
            for bound, number in (cell or {}).items():
                if number is not None:
                    ending = "" if bound == "value" else f"/{bound}"
                    yield f"{prefix}{who}/{metric}{ending}", number


def _word(text: str) -> str:
    """Return a text with the letters that the name of a metric may have."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in text)


def run(main: Callable[[], None], unfit_data: type[Exception]) -> None:
    """Run the step. Of a holdout or a model that does not fit, the log ends with a sentence.

    The sentence is the last line of the log, after a blank line. The service reports this line.
    """
    gc.set_threshold(50_000, 20, 20)  # fewer collections while MLflow is imported
    logging.basicConfig(level=logging.INFO)
    try:
        main()
    except unfit_data as error:
        raise SystemExit(f"\nThe holdout does not fit: {error}") from None
    except UnfitCandidateError as error:
        log.info("model_unfit", exc_info=error)
        raise SystemExit(f"\nThe model does not fit: {error}") from None
