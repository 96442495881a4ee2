"""The evaluation step of table models. It measures the candidate and the champion on the same holdout.

It writes evidence.json, and logs metrics and pictures to MLflow.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from evidence_file import evaluation_parser, models_of, publish, run, subject_of
from model_processes import ask_models
from model_sets.key_errors import sums_of_rows
from table_answers import Question, TableAnswers, Task, answers_of
from table_holdout import TableHoldout, UnfitDataError, read_holdout
from table_model import UnfitModelError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def main() -> None:
    parser = evaluation_parser()
    parser.add_argument("--target", required=True)
    parser.add_argument("--task", choices=get_args(Task), default="regression")
    parser.add_argument("--max-error-rate", type=float, default=0.01)
    args = parser.parse_args()
    is_label = args.task == "classification"
    holdout = read_holdout(args.holdout, args.target, labels=is_label, slice_by=args.slice_by)
    question = Question(holdout, args.task, args.max_error_rate)
    answers = ask_models(models_of(args), answers_of, question, UnfitModelError)
    weigh = label_evidence if is_label else number_evidence
    evidence = subject_of(args) | weigh(holdout, answers, args.slice_by, args.confidence)
    evidence |= {
        "holdout": {"rows": len(holdout), "without_target": holdout.without_target},
        "unfit_rows": {who: answer.refused for who, answer in answers.items()},
        "importance": answers["candidate"].importance,
    }
    publish(args, evidence, draw(evidence, holdout, answers), {})


def label_evidence(
    holdout: TableHoldout, answers: Mapping[str, TableAnswers], by: str | None, confidence: float
) -> dict[str, Any]:
    """Return the evidence about predicted labels. A row that does not fit a model counts as wrong."""
    # Import scikit-learn only here. It takes seconds, and the processes of the models import this module too.
    from evidence import weigh

    return weigh(
        holdout.truth.tolist(),
        answers["candidate"],
        answers.get("champion"),
        slices=(by, holdout.slices) if by and holdout.slices else None,
        confidence=confidence,
    )


def number_evidence(
    holdout: TableHoldout, answers: Mapping[str, TableAnswers], by: str | None, confidence: float
) -> dict[str, Any]:
    """Return the evidence about predicted numbers, on the rows that both models predict."""
    # Import SciPy only here, for the same reason.
    from error_evidence import ErrorSums, TooManySlicesError, measured, sliced

    sums = {who: sums_of_rows(holdout.truth, answer.values) for who, answer in answers.items()}
    both = None
    if "champion" in sums:
        common = (sums["candidate"][:, :1] > 0) & (sums["champion"][:, :1] > 0)
        both = (np.where(common, sums["candidate"], 0.0), np.where(common, sums["champion"], 0.0))
    rows = ErrorSums(sums["candidate"], both)
    try:
        slices = sliced(rows, by, holdout.slices, confidence) if by and holdout.slices else None
    except TooManySlicesError as error:
        raise UnfitDataError(str(error)) from error
    return measured(rows, confidence) | {"confidence": confidence, "comparison": None, "slices": slices}


def draw(
    evidence: Mapping[str, Any], holdout: TableHoldout, answers: Mapping[str, TableAnswers]
) -> dict[str, "Figure"]:
    import pictures
    import table_pictures

    drawn = {"importance.png": table_pictures.importance(evidence)}
    if evidence["comparison"] is None and holdout.truth.dtype != object:
        return drawn | {"predictions.png": table_pictures.predictions(evidence, holdout.truth, answers)}
    labels = {who: answer.labels for who, answer in answers.items()}
    return drawn | {
        "confusion_matrix.png": pictures.confusion(holdout.truth.tolist(), labels),
        "metrics.png": pictures.comparison(evidence),
    }


if __name__ == "__main__":
    run(main, UnfitDataError)
