"""Promotion via a registry: shared by Azure, tagged with its lineage, never taken over from others."""

import itertools
import uuid
from pathlib import Path

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model
from tests.support.killing import Killed, KillSwitch
from tests.support.promotions import MODEL, Promotions
from tests.support.rollouts import ENDPOINT, ROLLOUT, Rollouts

from tidegate.domain.lifecycle.records import ModelState
from tidegate.messages.commands import PromoteModel, encode
from tidepool.cloud import Tidepool

REGISTRY = "tidepool-registry"
PROMOTE = {"to": "production", "via": "registry", "registry": REGISTRY, "approval": "none"}
NUMBERS = itertools.count(uuid.uuid4().int % 10**6 * 1000)


@pytest.fixture
def promotions(tidepool: Tidepool, tmp_path: Path) -> Promotions:
    return Promotions(
        tidepool,
        tmp_path,
        promote=PROMOTE,
    )


@pytest.fixture
def number() -> str:
    """A version that the registry, which outlives tests, does not have."""
    return str(next(NUMBERS))


def test_a_version_is_shared_with_its_lineage(
    promotions: Promotions, registry: MLClient, number: str
) -> None:
    promotions.version(number, approved=False, tags={"team": "vision"})

    promotions.promote(number)
    promotions.promote(number)

    assert promotions.champions == (number, None, None)
    assert promotions.in_production() == {}
    tags = registry.models.get(MODEL, number).tags
    assert (tags["team"], tags["tidegate_source_version"]) == ("vision", number)
    assert tags["tidegate_source_workspace"] == promotions.development.name


def test_a_version_is_served_from_the_registry_with_the_roles_of_the_app(
    tidepool: Tidepool, tmp_path: Path, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollouts = Rollouts(tidepool, tmp_path)
    rollouts.configure(promote=PROMOTE, rollout=ROLLOUT)
    rollouts.version(number, approved=False)
    monkeypatch.setenv("IDENTITY_HEADER", tidepool.environment("tidegate")["IDENTITY_HEADER"])

    rollouts.roll(PromoteModel(cause="test", model=MODEL, version=number))

    assert rollouts.champions == (number, None, None)
    assert (rollouts.traffic, rollouts.ask()) == ({f"v-{number}": 100}, [number])
    [deployment] = rollouts.production_ml.online_deployments.list(ENDPOINT)
    assert deployment.model == f"azureml://registries/{REGISTRY}/models/{MODEL}/versions/{number}"
    assert rollouts.in_production() == {}


def test_what_somebody_else_has_there_is_not_taken_over(
    promotions: Promotions, registry: MLClient, number: str, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/MLmodel").write_text("other")
    registry.models.create_or_update(
        Model(name=MODEL, version=number, path=tmp_path / "other", type="mlflow_model")
    )
    promotions.version(number, approved=False)

    promotions.promote(number)

    assert promotions.states == {number: "failed"}
    assert f"registry {REGISTRY} has a {MODEL}:{number} that is not a copy of it" in (
        promotions.record(number).error or ""
    )


def test_killed_after_every_write_it_is_shared_once(
    promotions: Promotions, registry: MLClient, number: str
) -> None:
    promotions.version(number, approved=False)
    switch, command = KillSwitch(), PromoteModel(cause="test", model=MODEL, version=number)

    for _ in range(30):
        try:
            with switch.armed():
                promotions.start().worker.carry_out(encode(command))
        except Killed:
            continue
        if promotions.record(number).state is ModelState.CHAMPION:
            break

    assert promotions.champions == (number, None, None)
    assert len([write for write in switch.writes if write.endswith("/import")]) == 1
    assert registry.models.get(MODEL, number).tags["tidegate_source_version"] == number
