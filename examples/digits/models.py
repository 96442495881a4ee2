"""The demo's models, for the data scientist who trains them and the person who approves."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from examples.digits.api import api
from examples.digits.screen import console, silent

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

MODEL = "digit-classifier"
_PATH = f"/api/models/{MODEL}"
FINAL = {"champion", "refused", "observed", "expired", "retired", "rolled_back", "failed"}
TRAINING_JOB = Path(__file__).parent / "training.yml"
PATIENCE_S = 180


class DemoError(Exception):
    """Something that the demo waited for did not happen."""


def begin_training(ml: "MLClient", *, iterations: int = 1000) -> str:
    """Submit the training job; returns its name. Few iterations make a bad model.

    The SDK's bar and its warnings about classes of its own are no part of the demo.
    """
    from azure.ai.ml import load_job

    logging.getLogger("azure.ai.ml._utils._experimental").setLevel(logging.ERROR)
    job = load_job(TRAINING_JOB, params_override=[{"inputs.iterations": iterations}])
    with silent():
        return str(ml.jobs.create_or_update(job).name)


def crown(version: str, show: Callable[[], None]) -> dict[str, Any]:
    """Wait for the verdict, approve it, wait for the end of the rollout; returns the version."""
    judged = wait_for(version, {"passed"} | FINAL, show)
    print_verdict(judged)
    if judged["state"] != "passed":
        return judged
    decision = {
        "approved": True,
        "by": "the demo",
        "reason": "the verdict says why",
        "verdict": judged["verdict_id"],
    }
    api().post(f"{_PATH}/versions/{version}/approval", decision)
    console.print(f"  [bold]{MODEL}:{version} is approved[/] by the demo")
    ended = wait_for(version, FINAL, show)
    for step in (ended["rollout"] or {"steps": []})["steps"]:
        health = step["health"] or {"source": "nothing", "requests": 0, "errors": 0}
        seen = f"{health['errors']} errors in {health['requests']} requests, by {health['source']}"
        console.print(f"  {step['percent']} % of the traffic: {seen}")
    return ended


def wait_for(version: str, states: set[str], show: Callable[[], None]) -> dict[str, Any]:
    """The version when it is in one of the states."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        show()
        found = find(version)
        if found and found["state"] in states:
            return found
        time.sleep(0.5)
    state = found["state"] if found else "not registered"
    raise DemoError(f"{MODEL}:{version} is {state} after {PATIENCE_S} s, not {' or '.join(sorted(states))}")


def print_verdict(version: dict[str, Any]) -> None:
    """Each rule with its number: why a version passed, or did not."""
    verdict = version["verdict"]
    word = "[green]passes[/]" if verdict["passed"] else "[red]is refused[/]"
    against = f" against {verdict['champion']}" if verdict["champion"] else ", the first of its name"
    console.print(f"  [bold]{MODEL}:{version['version']}[/] {word}{against}:")
    for rule in verdict["rules"]:
        mark = "[green]✓[/]" if rule["passed"] else "[red]✗[/]"
        of = f" ({rule['slice']})" if rule["slice"] else ""
        console.print(f"    {mark} {rule['metric']}{of} {rule['rule']}: {rule['why']}")


def champion() -> str | None:
    """The version in production, if there is one."""
    found = api().get(_PATH)["champion"]
    return str(found["version"]) if found else None


def find(version: str) -> dict[str, Any] | None:
    """None where it is not registered yet."""
    known = {one["version"] for one in api().get(_PATH)["versions"]}
    return dict(api().get(f"{_PATH}/versions/{version}")) if version in known else None
