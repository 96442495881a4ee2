"""A model goes to production and back: registered with the SDK, approved over HTTP, found in production."""

from collections.abc import Iterator

import pytest

from tests.support.azure_clients import ml_client
from tests.support.installation import Running
from tests.support.model_versions import ModelInstallation
from tidepool.cloud import Tidepool

APPROVAL = {"approved": True, "by": "ada", "reason": "better at night"}
POLICY = {"promote": {"to": "production", "approval": "required"}}
ONE_BY_ONE, AT_ONCE = "cats", "dogs"  # each story has a model of its own


@pytest.fixture(scope="module")
def installation(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> ModelInstallation:
    folder = tmp_path_factory.mktemp("promotion")
    return ModelInstallation(tidepool, folder, policy=POLICY, models=(ONE_BY_ONE, AT_ONCE))


@pytest.fixture(scope="module")
def running(installation: ModelInstallation) -> Iterator[Running]:
    with installation.start() as running:
        yield running


def in_production(installation: ModelInstallation, model: str) -> dict[str, str]:
    """Version -> who approved it."""
    versions = ml_client(installation.production.id).models.list(model)
    return {version.version: version.tags["tidegate_approved_by"] for version in versions}


def approve(running: Running, model: str, version: str) -> None:
    running.settle()
    verdict = running.get(f"/api/models/{model}/versions/{version}")["verdict_id"]
    answer = running.post(
        f"/api/models/{model}/versions/{version}/approval", {**APPROVAL, "verdict": verdict}
    )
    assert answer.is_success, answer.text
    running.settle()


def champion(running: Running, model: str) -> str | None:
    found = running.get(f"/api/models/{model}")["champion"]
    return found and str(found["version"])


def kinds(running: Running, model: str) -> set[str]:
    return {activity["kind"] for activity in running.get(f"/api/models/{model}")["activities"]}


@pytest.mark.long  # the story of the gate promotes a model, and the handlers' tests roll back
def test_approved_models_are_promoted_one_after_the_other_and_taken_back_in_one_call(
    installation: ModelInstallation, running: Running
) -> None:
    installation.register("1", name=ONE_BY_ONE, accuracy=0.90)
    running.settle()
    assert champion(running, ONE_BY_ONE) is None
    assert in_production(installation, ONE_BY_ONE) == {}

    approve(running, ONE_BY_ONE, "1")
    assert champion(running, ONE_BY_ONE) == "1"
    assert in_production(installation, ONE_BY_ONE) == {"1": "ada"}

    installation.register("2", name=ONE_BY_ONE, accuracy=0.95)
    approve(running, ONE_BY_ONE, "2")
    assert champion(running, ONE_BY_ONE) == "2"

    answer = running.post(f"/api/models/{ONE_BY_ONE}/rollback", {"by": "ada", "reason": "cats everywhere"})
    assert answer.status_code == 202
    running.settle()
    assert champion(running, ONE_BY_ONE) == "1"
    assert in_production(installation, ONE_BY_ONE) == {"1": "ada", "2": "ada"}
    assert {"model.needs_approval", "model.promoted", "model.rolled_back"} <= kinds(running, ONE_BY_ONE)


@pytest.mark.long  # the handlers' tests have this case, too
def test_of_two_candidates_at_once_the_second_is_judged_beside_the_first(
    installation: ModelInstallation, running: Running
) -> None:
    installation.register("1", name=AT_ONCE, accuracy=0.90)
    installation.register("2", name=AT_ONCE, accuracy=0.95)
    running.settle()

    approve(running, AT_ONCE, "1")
    running.reconcile()
    again = running.get(f"/api/models/{AT_ONCE}/versions/2")

    assert champion(running, AT_ONCE) == "1"
    assert again["state"] == "passed"
    assert again["verdict"]["champion"] == "1"
    assert again["approval"] is None
    assert installation.evaluations(AT_ONCE) == {
        "judge-dogs-1-e1-a1": "Completed",
        "judge-dogs-2-e1-a1": "Completed",
        "judge-dogs-2-e2-a1": "Completed",
    }
    approve(running, AT_ONCE, "2")
    assert champion(running, AT_ONCE) == "2"
