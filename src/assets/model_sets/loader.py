"""The loader that MLflow calls: the set as a model that forecasts the rows of a table."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from model_sets.format import ModelSet, open_set


class SetModel:
    """A model set as MLflow's pyfunc. It answers one row for each row, in their order."""

    def __init__(self, members: ModelSet) -> None:
        self.members = members

    def predict(self, table: Any, params: dict[str, Any] | None = None) -> Any:  # noqa: ARG002  MLflow's contract
        """Return forecast, trained_in, state and reason for each row of a pandas table.

        A row without a forecast has None, which becomes null in the answer of an endpoint: JSON has no NaN.
        """
        given = pa.Table.from_pandas(table, preserve_index=False)
        answers = self.members.forecast(given).to_pandas()
        known = answers["forecast"].notna()
        if not known.all():
            answers["forecast"] = answers["forecast"].astype(object).where(known, None)
        answers.index = table.index
        return answers


def _load_pyfunc(path: str) -> SetModel:
    """Load the set from the model's folder. MLflow calls this function by its name."""
    return SetModel(open_set(Path(path)))
