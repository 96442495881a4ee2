"""Requests and events for the sample app in a running Tidepool."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tidepool.cloud import Site, Tidepool

SAMPLE = Path(__file__).parent / "sample_app"
Notes = Callable[[str], list[dict[str, Any]]]
SETTINGS = {"WORK_QUEUE": "work", "SCHEDULE": "0 0 3 * * *"}


def ask(site: Site, method: str, path: str, **arguments: Any) -> httpx.Response:
    return httpx.request(method, site.url + path, **arguments)


def described(tidepool: Tidepool, site: Site) -> dict[str, Any]:
    return next(status for status in tidepool.status()["sites"] if status["name"] == site.name)


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
