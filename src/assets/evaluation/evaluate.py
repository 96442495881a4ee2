"""The evaluation step. It measures the candidate and the champion on the same holdout.

It writes evidence.json, and logs metrics and pictures to MLflow.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from answers import Answers, answers_of
from decoding import DECODER
from evidence_file import evaluation_parser, models_of, publish, run, subject_of
from labelled import LabelledSet, UnfitDataError, read_labelled
from model_processes import ask_models
from preprocess_keys import UnfitModelError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def main() -> None:
    args = evaluation_parser().parse_args()
    by = args.slice_by
    holdout = read_labelled(args.holdout, slice_by=by)
    answers = ask_models(models_of(args), answers_of, holdout, UnfitModelError)

    # Import scikit-learn only here. It takes seconds, and the processes of the models import this module too.
    from evidence import weigh

    measured = weigh(
        holdout.labels,
        answers["candidate"],
        answers.get("champion"),
        slices=(by, holdout.columns[by]) if by else None,
        confidence=args.confidence,
    )
    evidence = subject_of(args) | {"decoder": DECODER, **measured}
    publish(args, evidence, draw(evidence, holdout, answers), {"decoder": DECODER})


def draw(
    evidence: dict[str, Any], holdout: LabelledSet, answers: Mapping[str, Answers]
) -> dict[str, "Figure"]:
    import pictures

    labels = {who: list(answer.labels) for who, answer in answers.items()}
    drawn = {
        "confusion_matrix.png": pictures.confusion(holdout.labels, labels),
        "metrics.png": pictures.comparison(evidence),
    }
    if shown := answers["candidate"].occlusions:
        drawn["occlusion.png"] = pictures.occlusions(shown, evidence["candidate"])
    return drawn


if __name__ == "__main__":
    run(main, UnfitDataError)
