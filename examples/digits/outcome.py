"""What became of a month version, as anybody can see it: in the API, and in the CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from rich.console import Console
from rich.table import Table

from examples.digits import images
from examples.digits.api import api
from examples.digits.arrivals import LATE, MONTHS, Arrivals

FEED = "digits"
FINAL = {"scored", "incomplete", "superseded", "failed", "cancelled"}
GOOD, IN_THE_DARK = 0.9, 0.8


@dataclass(frozen=True)
class Promise:
    """What the demo promises of a result; `measured` are the digits whose labels no model has learned."""

    result: str
    files: int
    errors: int
    lowest_accuracy: float
    measured: list[images.Digit]

    def broken_by(self, outcome: "Outcome") -> str | None:
        if outcome.state != "scored":
            return f"{self.result} is {outcome.state}, not scored"
        if (outcome.files, outcome.rows, outcome.errors) != (self.files, self.files, self.errors):
            due = f"{self.files} rows and files with {self.errors} errors were due"
            return (
                f"{self.result}: {outcome.rows} rows of {outcome.files} files, {outcome.errors} errors; {due}"
            )
        if outcome.accuracy < self.lowest_accuracy:
            return f"{self.result}: accuracy {outcome.accuracy:.3f} is below {self.lowest_accuracy}"
        return None


@dataclass(frozen=True)
class Outcome:
    """One row of the table at the end."""

    result: str
    state: str
    files: int
    rows: int
    errors: int
    accuracy: float
    model: str
    seconds: float
    job: str
    csv: str

    @classmethod
    def of(cls, promise: Promise, seconds: float) -> "Outcome":
        scoring = find_scoring(promise.result)
        assert scoring is not None
        path, rows = predictions(promise.result) if scoring["state"] == "scored" else ("", [])
        counts = scoring["outcome"] or {"files": 0, "errors": 0}
        names = {digit.name for digit in promise.measured}
        return cls(
            result=promise.result,
            state=scoring["state"],
            files=counts["files"],
            rows=len(rows),
            errors=sum(bool(row["error"]) for row in rows),
            accuracy=images.accuracy([row for row in rows if row["img"] in names], promise.measured),
            model=scoring["model"],
            seconds=seconds,
            job=scoring["job"] or "",
            csv=path,
        )


def promises() -> list[Promise]:
    """By month: each month once, the one with the late file and the dark one twice."""
    made = [
        Promise(
            f"{arrival.month}-1-g1",
            arrival.count,
            arrival.broken,
            0.0 if arrival.light else GOOD,
            arrival.measured,
        )
        for arrival in MONTHS
    ]
    first, dark = MONTHS[0], MONTHS[-1]
    late = [*first.measured, Arrivals.late_digit()]
    made.append(Promise(f"{LATE}-2-g1", first.count + 1, 0, GOOD, late))
    made.append(Promise(f"{dark.month}-1-g2", dark.count, 0, IN_THE_DARK, dark.measured))
    return sorted(made, key=lambda promise: promise.result)


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    table = Table(title="What came in, and what came out", title_justify="left")
    numbers = {"files", "rows", "errors", "accuracy", "seconds"}
    for heading in ("result", "state", "files", "rows", "errors", "accuracy", "model", "seconds", "job"):
        table.add_column(heading, justify="right" if heading in numbers else "left", no_wrap=True)
    for one in outcomes:
        counts = (str(one.files), str(one.rows), str(one.errors), f"{one.accuracy:.3f}")
        table.add_row(one.result, one.state, *counts, one.model, f"{one.seconds:.1f}", one.job)
    console.print(table)
    for one in outcomes:
        console.print(f"{one.result}  {one.csv or 'no CSV'}")


def find_scoring(result: str) -> dict[str, Any] | None:
    """A scoring by its name, `202611-1-g1`; None where it is not there, or has not ended."""
    found = next((one for one in scorings(result[:6]) if one["name"] == result), None)
    return found if found and found["state"] in FINAL else None


def latest_scoring(month: str) -> dict[str, Any] | None:
    """The newest scoring of a month."""
    return next(reversed(scorings(month)), None)


def scorings(month: str) -> list[dict[str, Any]]:
    """Every scoring of a month, oldest first, from the API."""
    return list(api().get(_jobs(month)))


def rerun(month: str, reason: str) -> None:
    """Ask for a new generation of the month's latest version."""
    api().post(_jobs(month), {"reason": reason})


def _jobs(month: str) -> str:
    return f"/api/feeds/{FEED}/months/{month}/jobs"


def predictions(result: str) -> tuple[str, list[dict[str, str]]]:
    """URL and rows of the CSV, found through the Data asset of the predictions."""
    from azure.identity import DefaultAzureCredential
    from azure.storage.blob import BlobClient

    ml = _workspace()
    folder = str(ml.data.get(f"{FEED}-predictions", result).path).partition("/paths/")[2]
    store = ml.datastores.get("workspaceblobstore")
    url = (
        f"https://{store.account_name}.blob.core.windows.net/{store.container_name}"
        f"/{folder.rstrip('/')}/predictions.csv"
    )
    text = (
        BlobClient.from_blob_url(url, credential=DefaultAzureCredential()).download_blob().readall().decode()
    )
    return url, list(csv.DictReader(io.StringIO(text)))


@cache
def _workspace() -> Any:
    return Arrivals.workspace()
