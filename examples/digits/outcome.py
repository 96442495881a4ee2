"""What became of a month version, as anybody can see it: in the API, and in the CSV."""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import requests
from rich.console import Console
from rich.table import Table

from examples.digits import images
from examples.digits.arrivals import LATE, MONTHS, Arrivals

FEED = "digits"
FINAL = {"scored", "incomplete", "superseded", "failed", "cancelled"}
LOWEST_ACCURACY = 0.9


@dataclass(frozen=True)
class Outcome:
    """One row of the table at the end."""

    version: str
    state: str
    files: int
    rows: int
    errors: int
    accuracy: float
    seconds: float
    job: str
    csv: str

    @staticmethod
    def is_final(version: str) -> bool:
        scoring = latest_scoring(version[:6], version)
        return scoring is not None and scoring["state"] in FINAL

    @classmethod
    def of(cls, version: str, digits: Sequence[images.Digit], seconds: float) -> "Outcome":
        scoring = latest_scoring(version[:6], version)
        assert scoring is not None
        path, rows = _predictions(scoring["name"]) if scoring["state"] == "scored" else ("", [])
        counts = scoring["outcome"] or {"files": 0, "errors": 0}
        return cls(
            version=version,
            state=scoring["state"],
            files=counts["files"],
            rows=len(rows),
            errors=sum(bool(row["error"]) for row in rows),
            accuracy=images.accuracy(rows, digits),
            seconds=seconds,
            job=scoring["job"] or "",
            csv=path,
        )


def broken_promises(outcomes: Sequence[Outcome]) -> list[str]:
    """What the demo promises and did not happen; nothing, if all is well."""
    files = {f"{arrival.month}-1": arrival.count for arrival in MONTHS} | {f"{LATE}-2": MONTHS[0].count + 1}
    errors = {f"{arrival.month}-1": arrival.broken for arrival in MONTHS} | {f"{LATE}-2": 0}
    there = {outcome.version: outcome for outcome in outcomes}
    broken = [f"{version} was not scored in time" for version in files if version not in there]
    for version, outcome in there.items():
        if outcome.state != "scored":
            broken.append(f"{version} is {outcome.state}, not scored")
        elif (outcome.files, outcome.rows, outcome.errors) != (files[version],) * 2 + (errors[version],):
            broken.append(
                f"{version}: {outcome.rows} rows of {outcome.files} files with {outcome.errors} errors; "
                f"{files[version]} rows and files with {errors[version]} errors were due"
            )
        elif outcome.accuracy < LOWEST_ACCURACY:
            broken.append(f"{version}: accuracy {outcome.accuracy:.3f} is below {LOWEST_ACCURACY}")
    return broken


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    table = Table(title="What came in, and what came out", title_justify="left")
    for heading in ("version", "state", "files", "rows", "errors", "accuracy", "seconds", "job"):
        right = heading in {"files", "rows", "errors", "accuracy", "seconds"}
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for one in outcomes:
        counts = (str(one.files), str(one.rows), str(one.errors), f"{one.accuracy:.3f}", f"{one.seconds:.1f}")
        table.add_row(one.version, one.state, *counts, one.job)
    console.print(table)
    for one in outcomes:
        console.print(f"{one.version}  {one.csv or 'no CSV'}")


def latest_scoring(month: str, version: str = "") -> dict[str, Any] | None:
    """The newest scoring of a month, or of one of its versions, from the API."""
    url = f"{os.environ['FUNCTIONS_URL']}/api/feeds/{FEED}/months/{month}/jobs"
    answer = requests.get(url, headers={"x-functions-key": os.environ["FUNCTIONS_KEY"]}, timeout=60)
    answer.raise_for_status()
    found = [one for one in answer.json() if one["name"].startswith(f"{version}-" if version else month)]
    return found[-1] if found else None


def _predictions(result: str) -> tuple[str, list[dict[str, str]]]:
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
