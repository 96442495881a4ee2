"""What the demo promises about each scoring, and the result in the API and in the published CSV."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from rich.table import Table

from examples import local_cloud
from examples.digits import images
from examples.digits.arrivals import LATE, MONTHS, Arrivals
from examples.digits.service_api import FEED, ended_scoring

GOOD_ACCURACY, DARK_ACCURACY = 0.9, 0.8
_COLUMNS = ("scoring", "model", "files", "scored", "broken", "accuracy", "time")


@dataclass(frozen=True)
class Promise:
    """The result that a scoring must have. `measured` are the digits that no model was trained on."""

    scoring: str
    files: int
    broken: int
    lowest_accuracy: float
    measured: list[images.Digit]

    @property
    def text(self) -> str:
        accuracy = f", accuracy at least {self.lowest_accuracy}" if self.lowest_accuracy else ""
        return f"{self.scoring}: one row for each of {self.files} files, {self.broken} broken{accuracy}"

    def broken_by(self, outcome: "Outcome") -> str | None:
        """Return how the outcome differs from the promise, or None if the promise was kept."""
        if outcome.state != "scored":
            return f"{self.scoring} is {outcome.state}, not scored"
        if (outcome.files, outcome.rows, outcome.broken) != (self.files, self.files, self.broken):
            return (
                f"{self.scoring} has {outcome.rows} rows for {outcome.files} files, {outcome.broken} broken; "
                f"expected {self.files} rows and files, {self.broken} broken"
            )
        if outcome.accuracy < self.lowest_accuracy:
            return f"{self.scoring} has an accuracy of {outcome.accuracy:.3f}, below {self.lowest_accuracy}"
        return None


@dataclass(frozen=True)
class Outcome:
    """The outcome of a scoring. `seconds` is the time from the last upload, or the request, to the end."""

    scoring: str
    state: str
    files: int
    rows: int
    broken: int
    accuracy: float
    model: str
    seconds: float
    csv: str

    @classmethod
    def of(cls, promise: Promise, seconds: float) -> "Outcome":
        """Read an ended scoring from the API, and its rows from the CSV."""
        scoring = ended_scoring(promise.scoring)
        assert scoring is not None
        url, rows = predictions(promise.scoring) if scoring["state"] == "scored" else ("", [])
        names = {digit.name for digit in promise.measured}
        return cls(
            scoring=promise.scoring,
            state=scoring["state"],
            files=(scoring["outcome"] or {"files": 0})["files"],
            rows=len(rows),
            broken=sum(bool(row["error"]) for row in rows),
            accuracy=images.accuracy([row for row in rows if row["img"] in names], promise.measured),
            model=scoring["model"],
            seconds=seconds,
            csv=url,
        )


def promises() -> dict[str, Promise]:
    """Return the promises by scoring. The month with the late file and the dark month are scored twice."""
    made = [
        Promise(
            f"{arrival.month}-1-g1",
            arrival.count,
            arrival.broken,
            0.0 if arrival.light else GOOD_ACCURACY,
            arrival.measured,
        )
        for arrival in MONTHS
    ]
    first, dark = MONTHS[0], MONTHS[-1]
    late = [*first.measured, Arrivals.late_digit()]
    made.append(Promise(f"{LATE}-2-g1", first.count + 1, 0, GOOD_ACCURACY, late))
    made.append(Promise(f"{dark.month}-1-g2", dark.count, 0, DARK_ACCURACY, dark.measured))
    return {promise.scoring: promise for promise in made}


def outcome_table(outcomes: Iterable[Outcome]) -> Table:
    """Return a table with a row for each scoring. The column `scored` counts the rows without an error."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in _COLUMNS:
        table.add_column(heading, justify="left" if heading in {"scoring", "model"} else "right")
    for outcome in outcomes:
        if outcome.state == "scored":
            counts = (str(outcome.files), str(outcome.rows - outcome.broken), str(outcome.broken))
            figures = (*counts, f"{outcome.accuracy:.0%}", f"{outcome.seconds:.0f} s")
        else:
            figures = (str(outcome.files), f"[red]{outcome.state}[/]", "", "", f"{outcome.seconds:.0f} s")
        table.add_row(outcome.scoring, outcome.model, *figures)
    return table


def predictions(scoring: str) -> tuple[str, list[dict[str, str]]]:
    """Return URL and rows of a scoring's CSV, found through the Data asset of the predictions."""
    from azure.identity import DefaultAzureCredential
    from azure.storage.blob import BlobClient

    ml = _workspace()
    folder = str(ml.data.get(f"{FEED}-predictions", scoring).path).partition("/paths/")[2]
    store = ml.datastores.get("workspaceblobstore")
    url = (
        f"https://{store.account_name}.blob.core.windows.net/{store.container_name}"
        f"/{folder.rstrip('/')}/predictions.csv"
    )
    blob = BlobClient.from_blob_url(url, credential=DefaultAzureCredential())
    return url, list(csv.DictReader(io.StringIO(blob.download_blob().readall().decode())))


@cache
def _workspace() -> Any:
    return local_cloud.development()
