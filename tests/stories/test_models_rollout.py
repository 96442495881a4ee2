"""A version from the data scientist's register to all of the endpoint's traffic, without anybody's doing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.azure_clients import ml_client
from tests.support.installation import Running
from tests.support.model_versions import MODEL, ModelInstallation
from tests.support.rollouts import LOADER, QUESTION
from tests.support.rollouts import MLMODEL as SERVED
from tidegate.domain.lifecycle.records import ModelState, ModelVersion
from tidepool.cloud import Tidepool

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

ENDPOINT = "classifier-live"
POLICY: dict[str, Any] = {
    "promote": {"to": "production", "approval": "none"},
    "rollout": {"endpoint": ENDPOINT, "steps": [50, 100], "bake": "2s", "smoke": "smoke.json"},
}


class LiveInstallation(ModelInstallation):
    """Its models answer with their version."""

    def __init__(self, cloud: Tidepool, folder: Path) -> None:
        super().__init__(cloud, folder, policy=POLICY)
        (folder / "smoke.json").write_text(json.dumps(QUESTION))

    def register_served(self, version: str, accuracy: float) -> None:
        from azure.ai.ml.entities import Model

        folder = self.config_file.parent / f"served-{version}"
        (folder / "code").mkdir(parents=True)
        (folder / "MLmodel").write_text(SERVED)
        (folder / "code/tells_version.py").write_text(f"VERSION = {version!r}\n{LOADER}")
        (folder / "figures.json").write_text(json.dumps({"metrics": {"accuracy": accuracy}}))
        model = Model(name=MODEL, version=version, path=folder, type="mlflow_model")
        self.ml.models.create_or_update(model)

    @property
    def live(self) -> "MLClient":
        return ml_client(self.production.id)

    def ask(self) -> str:
        """As anybody asks, with the SDK."""
        file = self.config_file.parent / "smoke.json"
        return str(json.loads(self.live.online_endpoints.invoke(ENDPOINT, request_file=str(file)))[0])

    @property
    def traffic(self) -> dict[str, int]:
        return dict(self.live.online_endpoints.get(ENDPOINT).traffic)


@pytest.fixture
def installation(tidepool: Tidepool, tmp_path: Path) -> Iterator[LiveInstallation]:
    yield LiveInstallation(tidepool, tmp_path)
    tidepool.clear_faults()


def version(running: Running, number: str) -> ModelVersion:
    found = running.service.ledger.model_version(MODEL, number)
    assert found is not None
    return found


def drive(running: Running, number: str) -> ModelVersion:
    """Settle and let whatever waits be due, until the version has come to its end."""
    for _ in range(60):
        running.settle()
        record = version(running, number)
        if record.state.final and (record.rollout is None or record.rollout.final):
            return record
        running.installation.cloud.advance(10)
    raise AssertionError(f"{number} does not end: {record}")


@pytest.mark.long  # the handlers' tests have each of its steps
def test_versions_take_over_the_endpoint_in_steps_and_one_that_fails_gives_it_back(
    installation: LiveInstallation, running: Running
) -> None:
    installation.register_served("1", accuracy=0.85)
    assert drive(running, "1").state is ModelState.CHAMPION
    assert (installation.traffic, installation.ask()) == ({"v-1": 100}, "1")

    installation.register_served("2", accuracy=0.9)
    second = drive(running, "2")

    assert second.state is ModelState.CHAMPION
    assert second.rollout
    assert [step.percent for step in second.rollout.steps] == [50, 100]
    assert (installation.traffic, installation.ask()) == ({"v-2": 100}, "2")
    assert version(running, "1").state is ModelState.RETIRED

    installation.cloud.fault("scoring", "status", match={"deployment": "v-3"}, value=424, times=None)
    installation.register_served("3", accuracy=0.95)
    third = drive(running, "3")

    assert third.state is ModelState.ROLLED_BACK
    assert "the smoke test failed 3 times: status 424" in str(third.error)
    assert (installation.traffic, installation.ask()) == ({"v-2": 100}, "2")
    told = json.dumps(installation.notifications())
    for words in ("50 % of the traffic", "has all traffic", "The rollout of classifier:3"):
        assert words in told
