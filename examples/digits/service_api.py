"""Requests of the example to the API of the service, as the command line sends them."""

import os
from typing import Any

from tidegate.api_client import ApiClient

FEED = "digits"
MODEL = "digit-classifier"
FINAL = {"scored", "incomplete", "superseded", "failed", "cancelled"}

_MODEL_PATH = f"/api/models/{MODEL}"


def latest_scoring(month: str) -> dict[str, Any] | None:
    """Return the newest scoring of a month, or None if it has none."""
    return next(reversed(_scorings(month)), None)


def ended_scoring(result: str) -> dict[str, Any] | None:
    """Return the scoring of a name such as `202611-1-g1`, or None if it does not exist or has not ended."""
    scorings = {scoring["name"]: scoring for scoring in _scorings(result[:6])}
    scoring = scorings.get(result)
    return scoring if scoring and scoring["state"] in FINAL else None


def rerun(month: str, reason: str) -> None:
    """Request a new generation of the month's latest version."""
    _client().post(_jobs_path(month), {"reason": reason})


def champion() -> str | None:
    """Return the model version in production, or None if there is none."""
    record = _client().get(_MODEL_PATH)["champion"]
    return str(record["version"]) if record else None


def model_version(version: str) -> dict[str, Any] | None:
    """Return a model version with its verdict and rollout, or None if it is not registered yet."""
    registered = {summary["version"] for summary in _client().get(_MODEL_PATH)["versions"]}
    return dict(_client().get(f"{_MODEL_PATH}/versions/{version}")) if version in registered else None


def drift_signals() -> list[dict[str, Any]]:
    """Return the recorded drift signals of the model."""
    return list(_client().get(_MODEL_PATH)["signals"])


def approve(version: dict[str, Any]) -> None:
    """Approve the verdict of a model version in the name of the demo."""
    decision = {
        "approved": True,
        "by": "the demo",
        "reason": "the verdict passed",
        "verdict": version["verdict_id"],
    }
    _client().post(f"{_MODEL_PATH}/versions/{version['version']}/approval", decision)


def _scorings(month: str) -> list[dict[str, Any]]:
    """Return every scoring of a month, oldest first."""
    return list(_client().get(_jobs_path(month)))


def _jobs_path(month: str) -> str:
    return f"/api/feeds/{FEED}/partitions/{month}/jobs"


def _client() -> ApiClient:
    """Return a client of the service that the environment names."""
    return ApiClient(
        os.environ["FUNCTIONS_URL"], os.environ["FUNCTIONS_KEY"], token=os.environ.get("FUNCTIONS_TOKEN", "")
    )
