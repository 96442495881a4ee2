"""A model goes to production and back: registered with the SDK, approved over HTTP, found in production."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.estate import Running
from tests.model_estate import MODEL, ModelEstate
from tidepool.cloud import Tidepool

APPROVAL = {"approved": True, "by": "ada", "reason": "better at night"}


@pytest.fixture
def estate(tidepool: Tidepool, tmp_path: Path) -> Iterator[ModelEstate]:
    yield ModelEstate(tidepool, tmp_path, policy={"promote": {"to": "production", "approval": "required"}})
    tidepool.clear_faults()


@pytest.fixture
def running(estate: ModelEstate) -> Iterator[Running]:
    with estate.start() as running:
        yield running


def in_production(estate: ModelEstate) -> dict[str, str]:
    """Version -> who approved it."""
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    place = (os.environ["AZURE_SUBSCRIPTION_ID"], os.environ["AZURE_RESOURCE_GROUP"])
    found = MLClient(DefaultAzureCredential(), *place, estate.production.name).models.list(MODEL)
    return {model.version: model.tags["tidegate_approved_by"] for model in found}


def approve(running: Running, version: str) -> None:
    running.settle()
    verdict = running.get(f"/api/models/{MODEL}/versions/{version}")["judged"]["id"]
    answer = running.post(
        f"/api/models/{MODEL}/versions/{version}/approval", {**APPROVAL, "verdict": verdict}
    )
    assert answer.is_success, answer.text
    running.settle()


def champion(running: Running) -> str | None:
    found = running.get(f"/api/models/{MODEL}")["champion"]
    return found and str(found["version"])


def kinds(running: Running) -> set[str]:
    return {one["kind"] for one in running.get(f"/api/models/{MODEL}")["activities"]}


def test_approved_models_are_promoted_one_after_the_other_and_taken_back_in_one_call(
    estate: ModelEstate, running: Running
) -> None:
    estate.register("1", accuracy=0.90)
    running.settle()
    assert champion(running) is None
    assert in_production(estate) == {}

    approve(running, "1")
    assert champion(running) == "1"
    assert in_production(estate) == {"1": "ada"}

    estate.register("2", accuracy=0.95)
    approve(running, "2")
    assert champion(running) == "2"

    answer = running.post(f"/api/models/{MODEL}/rollback", {"by": "ada", "reason": "cats everywhere"})
    assert answer.status_code == 202
    running.settle()
    assert champion(running) == "1"
    assert in_production(estate) == {"1": "ada", "2": "ada"}
    assert {"model.needs_approval", "model.promoted", "model.rolled_back"} <= kinds(running)


def test_of_two_candidates_at_once_the_second_is_judged_beside_the_first(
    estate: ModelEstate, running: Running
) -> None:
    estate.register("1", accuracy=0.90)
    estate.register("2", accuracy=0.95)
    running.settle()

    approve(running, "1")
    running.reconcile()
    again = running.get(f"/api/models/{MODEL}/versions/2")

    assert champion(running) == "1"
    assert again["state"] == "passed"
    assert again["judged"]["champion"] == "1"
    assert again["approval"] is None
    assert estate.evaluations() == {
        "judge-classifier-1-e1-a1": "Completed",
        "judge-classifier-2-e1-a1": "Completed",
        "judge-classifier-2-e2-a1": "Completed",
    }
    approve(running, "2")
    assert champion(running) == "2"
