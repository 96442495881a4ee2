"""The predictions of a table model for a holdout, and what they depend on."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from permutation import growth_of_error
from table_holdout import Array, TableHoldout, as_labels
from table_model import TableModel, UnfitModelError

PROBABILITY = "probability_"  # before the label in the name of a column
MOST_ROWS = 2_000  # of the holdout, for importance
Task = Literal["regression", "classification"]


@dataclass(frozen=True)
class Question:
    """What is asked of a model: the holdout, the kind of target, and which share of rows may not fit it."""

    holdout: TableHoldout
    task: Task
    max_error_rate: float


@dataclass(frozen=True)
class TableAnswers:
    """The prediction for each row of the holdout.

    A row that does not fit the model has NaN or an empty label. `of_truth` is the probability of the true
    label, or None if the model gives no probabilities.
    """

    values: Array
    refused: int
    importance: dict[str, Any]
    of_truth: list[float] | None = None

    @property
    def labels(self) -> list[str]:
        return list(self.values)


def answers_of(folder: Path, question: Question) -> TableAnswers:
    """Return the predictions of one model. Raise UnfitModelError if it cannot be evaluated."""
    model, holdout = TableModel(folder), question.holdout
    frames, errors = zip(*(model.fitting(part) for part in holdout.parts), strict=True)
    problems = np.concatenate(errors)
    fits = problems == ""
    _check(problems[~fits].tolist(), len(holdout), question.max_error_rate)
    rows = pd.concat(frames, ignore_index=True)
    output = model.answer(rows)
    values = np.full(len(holdout), "" if question.task == "classification" else np.nan, holdout.truth.dtype)
    values[fits] = _predicted(output, question.task)
    importance = _importance(model, rows, holdout.truth[fits], question.task)
    of_truth = _of_truth(output, holdout.truth, fits) if question.task == "classification" else None
    return TableAnswers(values, int((~fits).sum()), importance, of_truth)


def _check(problems: list[str], rows: int, most: float) -> None:
    """Raise UnfitModelError if more rows do not fit than may."""
    if len(problems) == rows or len(problems) / rows > most:
        [(why, count)] = Counter(problems).most_common(1)
        raise UnfitModelError(
            f"{len(problems)} of {rows} rows of the holdout do not fit its signature, and at most "
            f"{most:.2%} may: {why} ({count} rows)"
        )


def _predicted(output: pd.DataFrame, task: Task) -> Array:
    """Return the predictions: the column `prediction` (or `label`), or the only one that can be meant."""
    if task == "classification":
        names, possible = ("label", "prediction"), [name for name in output if not _is_probability(name)]
    else:
        names, possible = ("prediction",), list(output.select_dtypes("number"))
    named = [name for name in names if name in possible] or possible
    if not named or (named is possible and len(possible) > 1):
        raise UnfitModelError(
            f"it returns the columns {', '.join(output)}, none of which is clearly the result of a {task}: "
            f"call one of them {names[0]}"
        )
    if task == "classification":
        return as_labels(pa.array(output[named[0]]))
    return output[named[0]].to_numpy(np.float64)


def _is_probability(column: str) -> bool:
    return column.startswith(PROBABILITY)


def _of_truth(output: pd.DataFrame, truth: Array, fits: Array) -> list[float] | None:
    """Return the probability of each true label from columns such as `probability_late`.

    It is 0 in rows that do not fit the model.
    """
    columns = {name.removeprefix(PROBABILITY): name for name in output if _is_probability(name)}
    if not columns:
        return None
    chances = np.zeros(len(truth))
    for label, name in columns.items():
        chosen = truth[fits] == label
        chances[np.flatnonzero(fits)[chosen]] = output[name].to_numpy(np.float64)[chosen]
    return [float(chance) for chance in chances]


def _importance(model: TableModel, rows: pd.DataFrame, truth: Array, task: Task) -> dict[str, Any]:
    """Return how the error of at most 2,000 rows grows if the values of a column are permuted."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(rows))[:MOST_ROWS])
    sample, actual = rows.iloc[chosen].reset_index(drop=True), truth[chosen]

    def error(column: str | None, rng: np.random.Generator) -> float:
        changed = sample
        if column is not None:
            changed = sample.assign(**{column: sample[column].to_numpy()[rng.permutation(len(sample))]})
            changed[column] = changed[column].astype(sample[column].dtype)
        predicted = _predicted(model.answer(changed), task)
        if task == "classification":
            return float((predicted != actual).mean())
        errors = np.abs(predicted - actual)
        return float(errors[np.isfinite(errors)].mean()) if np.isfinite(errors).any() else 0.0

    metric = "error_rate" if task == "classification" else "mae"
    return {"metric": metric, "rows": len(sample), **growth_of_error(list(rows.columns), error)}
