"""The example's models: their training, the verdict on a version, and its approval as champion."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from examples import local_cloud
from examples.digits import labelled_sets, service_api
from examples.digits.arrivals import Arrivals
from examples.digits.service_api import MODEL
from examples.screen import DemoError, Screen
from tidegate.cli.model_tables import rules_table
from tidegate.folders import FOLDERS
from tidegate.log import quiet_uploads

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

TRAINING_JOB = Path(__file__).parent / "training.yml"
PATIENCE_S = 300

_ENDED = {"champion", "refused", "observed", "expired", "retired", "rolled_back", "failed"}
_JUDGED = _ENDED | {"passed"}


def prepare(ml: "MLClient", screen: Screen) -> None:
    """Make the images' container, the labelled data sets, and the cluster that trains models."""
    with screen.step("Labelled images to train and to judge models, and a cluster"):
        Arrivals().make_container()
        with quiet_uploads():
            labelled_sets.register(ml)
        local_cloud.make_cluster(ml)


def begin_training(ml: "MLClient", *, iterations: int = 1000) -> str:
    """Submit the training job and return its name. A training with few iterations gives a bad model.

    The SDK's warnings about its own classes are hidden.
    """
    from azure.ai.ml import load_job

    logging.getLogger("azure.ai.ml._utils._experimental").setLevel(logging.ERROR)
    # In a user's own repository, the component is not where the file says, but in the wheel.
    component = str(FOLDERS.assets / "retraining/train_classifier.yml")
    values = [{"inputs.iterations": iterations}, {"jobs.train.component": component}]
    job = load_job(TRAINING_JOB, params_override=values)
    with quiet_uploads():
        return str(ml.jobs.create_or_update(job).name)


def wait_until_judged(version: str, screen: Screen) -> dict[str, Any]:
    """Wait for the verdict on a version, and return the version."""
    return _wait_for(version, _JUDGED, screen, "was not judged")


def show_verdict(version: dict[str, Any], screen: Screen) -> None:
    """Print the verdict in a sentence, and print each rule with its value and its limit."""
    verdict = version["verdict"]
    decision = "[green]passes[/] the gate" if verdict["passed"] else "[red]is refused[/] by the gate"
    comparison = (
        f"compared with {MODEL}:{verdict['champion']}" if verdict["champion"] else "the first version"
    )
    screen.say(f"[bold]{MODEL}:{version['version']}[/] {decision} ({comparison}):")
    screen.show(rules_table(verdict["rules"]))


def make_champion(version: dict[str, Any], screen: Screen) -> None:
    """Approve a version that passed, and wait until it is champion.

    Raise DemoError if it does not become champion.
    """
    name, ended = f"{MODEL}:{version['version']}", version
    if version["state"] == "passed":
        service_api.approve(version)
        with screen.step(f"{name} is approved, copied to production, rolled out"):
            ended = _wait_for(version["version"], _ENDED, screen, "did not become champion")
    if ended["state"] != "champion":
        raise DemoError(f"{name} is {ended['state']}, not champion: {ended['error']}")
    screen.show(_rollout_table((ended["rollout"] or {"steps": []})["steps"]))
    screen.say(f"[bold]{name} is the champion now[/]: it serves the endpoint {MODEL} and scores the months.")


def _wait_for(version: str, states: set[str], screen: Screen, problem: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        record = service_api.model_version(version)
        return record if record and record["state"] in states else None

    return screen.wait(look, PATIENCE_S, f"{MODEL}:{version} {problem}")


def _rollout_table(steps: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("traffic", "requests", "errors", "measured by"):
        table.add_column(heading, justify="left" if heading == "measured by" else "right")
    for step in steps:
        health = step["health"] or {"source": "not measured"}
        figures = (str(health.get("requests", "")), str(health.get("errors", "")), health["source"])
        table.add_row(f"{step['percent']} %", *figures)
    return table
