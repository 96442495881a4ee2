"""An MLflow model whose signature names columns: its predictions, and the errors of rows that do not fit."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from row_types import Errors, ModelColumn, convert

RESERVED = ("file", "row", "error")
MOST_MESSAGE = 1000  # characters of the message of an exception


class UnfitModelError(ValueError):
    """A model that cannot score tables. The message is one sentence; its cause has the traceback."""


class TableModel:
    """A loaded model. `columns` are those of its signature."""

    def __init__(self, folder: Path) -> None:
        import mlflow.pyfunc
        from mlflow.models.utils import _enforce_schema

        try:
            self._model = mlflow.pyfunc.load_model(str(folder))
        except Exception as error:  # the model's own code may raise anything
            raise UnfitModelError(f"loading the model raised {_one_line(error)}") from error
        schema = self._model.metadata.get_input_schema()
        if schema is None or not schema.has_input_names() or schema.is_tensor_spec():
            raise UnfitModelError(
                "its signature has no named columns: log it again with a signature of a table"
            )
        self._enforce = lambda frame: _enforce_schema(frame, schema)
        self.columns = [
            ModelColumn(str(spec.name), str(getattr(spec.type, "name", "")), bool(spec.required))
            for spec in schema.inputs
        ]

    def predict(self, table: pa.Table) -> tuple[pa.Table, Errors]:
        """Return the predictions for the rows of a table, null for those with an error, and the errors."""
        frame, errors = self.fitting(table)
        fits = np.flatnonzero(errors == "")
        if not len(fits):
            return pa.table({}), errors
        output = self.answer(frame)
        errors[fits] = _not_finite(output)
        return pa.Table.from_pandas(_spread(output, fits, errors), preserve_index=False), errors

    def answer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the predictions for rows that fit, as columns."""
        try:
            output = self._model.predict(frame)
        except Exception as error:  # the model's own code may raise anything
            raise UnfitModelError(f"the model's predict raised {_one_line(error)}") from error
        predictions = as_columns(output)
        if len(predictions) != len(frame):
            raise UnfitModelError(f"the model returned {len(predictions)} rows for {len(frame)} rows")
        return predictions

    def fitting(self, table: pa.Table) -> tuple[pd.DataFrame, Errors]:
        """Return the rows that fit the signature, as the model takes them, and the errors of all rows."""
        frame, errors = self._enforced(*convert(table, self.columns))
        return frame.iloc[np.flatnonzero(errors == "")].reset_index(drop=True), errors

    def _enforced(self, frame: pd.DataFrame, errors: Errors) -> tuple[pd.DataFrame, Errors]:
        """Have MLflow enforce the signature on the rows without an error, and add what it finds."""
        errors = errors.copy()
        fits = np.flatnonzero(errors == "")
        if len(fits) and (why := self._refusal(frame.iloc[fits[:0]])):  # of a type, whatever the values are
            errors[fits] = why
            return frame, errors
        for row, why in self._refusals(frame, fits):
            errors[row] = why
        return frame, errors

    def _refusals(self, frame: pd.DataFrame, rows: np.ndarray[Any, Any]) -> Iterator[tuple[int, str]]:
        """Yield the rows that MLflow refuses, found by halves."""
        why = self._refusal(frame.iloc[rows]) if len(rows) else None
        if why and len(rows) == 1:
            yield int(rows[0]), why
        elif why:
            middle = len(rows) // 2
            yield from self._refusals(frame, rows[:middle])
            yield from self._refusals(frame, rows[middle:])

    def _refusal(self, frame: pd.DataFrame) -> str | None:
        """Return why MLflow refuses a table, or None if its signature fits."""
        from mlflow.exceptions import MlflowException

        try:
            self._enforce(frame)
        except MlflowException as error:
            return " ".join(str(error.message).split())[:MOST_MESSAGE]
        except (TypeError, ValueError) as error:
            return _one_line(error)
        return None


def as_columns(output: Any) -> pd.DataFrame:
    """Return the output of a model as columns: `prediction`, `prediction_0` ..., or the names of the model.

    Raise UnfitModelError if it is no table, or if it has a column with the name of one of ours.
    """
    if isinstance(output, pd.DataFrame):
        table = output.reset_index(drop=True)
    elif isinstance(output, Mapping) or (
        isinstance(output, list) and output and isinstance(output[0], Mapping)
    ):
        table = pd.DataFrame(output)
    else:
        values = np.asarray(output)
        if values.ndim == 2 and values.shape[1] != 1:
            table = pd.DataFrame(
                values, columns=[f"prediction_{number}" for number in range(values.shape[1])]
            )
        elif values.ndim in (1, 2):
            table = pd.DataFrame({"prediction": values.reshape(len(values))})
        else:
            raise UnfitModelError(
                f"the model returned an array of shape {values.shape}, expected a row for each row"
            )
    table.columns = [str(name) for name in table.columns]
    taken = [name for name in RESERVED if name in table.columns]
    if taken:
        raise UnfitModelError(f"the model returned a column {taken[0]}: call it something else")
    return table


def _not_finite(output: pd.DataFrame) -> Errors:
    """Return an error for each row with a number that is not finite."""
    errors: Errors = np.full(len(output), "", dtype=object)
    for name in output.select_dtypes("floating"):
        values = output[name].to_numpy()
        broken = ~np.isfinite(values) & (errors == "")
        errors[broken] = [f"the model's {name} is {value}" for value in values[broken]]
    return errors


def _spread(output: pd.DataFrame, fits: Sequence[int] | np.ndarray[Any, Any], errors: Errors) -> pd.DataFrame:
    """Return the predictions at their rows, and null for each row with an error."""
    scored = errors[fits] == ""
    spread = output[scored].set_index(np.asarray(fits)[scored]).reindex(range(len(errors)))
    kinds = dict.fromkeys(output.select_dtypes("integer"), "Int64")
    return spread.astype(kinds)


def _one_line(error: Exception) -> str:
    """Return the class and the message of an exception in one line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message[:MOST_MESSAGE]}" if message else type(error).__name__
