"""The sample app in a running Tidepool: fixtures and questions that several test modules share."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tidepool.cloud import Site, StorageAccount, Tidepool

SAMPLE = Path(__file__).parent / "sample_app"
Notes = Callable[[str], list[dict[str, Any]]]
SETTINGS = {"WORK_QUEUE": "work", "SCHEDULE": "0 0 3 * * *"}


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    """What a function of the sample app noted."""
    file = tmp_path / "notes"

    def read(function: str) -> list[dict[str, Any]]:
        lines = file.read_text().splitlines() if file.exists() else []
        return [note for note in map(json.loads, lines) if note["function"] == function]

    return read


@pytest.fixture
def site(tidepool: Tidepool, storage_account: StorageAccount, tmp_path: Path) -> Iterator[Site]:
    settings = {**SETTINGS, "NOTES": str(tmp_path / "notes")}
    with tidepool.functions_app(SAMPLE, settings, {"storage": storage_account.id}) as started:
        yield started


def ask(site: Site, method: str, path: str, **arguments: Any) -> httpx.Response:
    return httpx.request(method, site.url + path, **arguments)


def described(tidepool: Tidepool, site: Site) -> dict[str, Any]:
    return next(one for one in tidepool.status()["sites"] if one["name"] == site.name)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def event(subject: str = "/a") -> dict[str, Any]:
    return {
        "id": subject,
        "topic": "/t",
        "subject": subject,
        "eventType": "T",
        "eventTime": "2026-11-20T12:00:00.1234567Z",
        "data": {},
        "dataVersion": "",
    }
