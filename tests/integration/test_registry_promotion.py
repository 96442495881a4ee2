"""Promotion via a registry: shared by Azure, tagged with its lineage, never taken over from others."""

import itertools
import uuid
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model
from tests.support.killing import Killed, KillSwitch
from tests.support.promotions import MODEL, Promotions
from tests.support.rollouts import ENDPOINT, ROLLOUT, Rollouts
from tests.support.service import take_commands

from tidegate.domain.lifecycle.records import ModelState
from tidegate.messages.commands import PromoteModel
from tidegate.messages.queue_messages import encode
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


@pytest.fixture
def answers(tidepool: Tidepool) -> Callable[[str], list[int]]:
    """Return a function that returns the status of each request of this test whose path matches a glob."""
    before = tidepool.last_request

    def statuses(path: str) -> list[int]:
        requests = tidepool.find_requests(after=before)
        return [request["status"] for request in requests if fnmatch(request["path"], path)]

    return statuses


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


def test_a_share_that_takes_long_is_looked_at_again_and_announced_once(
    tidepool: Tidepool,
    promotions: Promotions,
    registry: MLClient,
    number: str,
    answers: Callable[[str], list[int]],
) -> None:
    tidepool.fault("share", "pending", match={"name": MODEL, "version": number}, value=30 * 3600)
    promotions.version(number, approved=False)

    promotions.promote(number, follow=False)

    assert promotions.states == {number: "promoting"}
    assert [command.kind for command in promotions.waiting] == ["PromoteModel"]
    promotions.clock.move(days=1)
    for command in promotions.waiting * 2:
        promotions.carry_out(command)
    [stuck] = [activity for activity in promotions.activities() if activity.kind == "model.stuck"]
    assert "Azure has not finished sharing it with the registry: the operation is https://" in stuck.text
    tidepool.advance(30 * 3600)
    promotions.promote(number)
    assert promotions.champions == (number, None, None)
    assert answers("*/import") == [202]
    assert registry.models.get(MODEL, number).tags["tidegate_source_version"] == number


def test_a_share_that_fails_is_begun_again_after_a_delay(
    tidepool: Tidepool, promotions: Promotions, number: str
) -> None:
    tidepool.fault("share", "fail", match={"version": number})
    promotions.version(number, approved=False)

    promotions.promote(number, follow=False)
    [look] = promotions.waiting
    promotions.carry_out(look)

    assert promotions.states == {number: "promoting"}
    [again] = take_commands(tidepool, promotions.account)
    assert again.tries == 1
    promotions.run(again)
    assert promotions.champions == (number, None, None)


@pytest.mark.parametrize(
    "path",
    [
        "*/import",
        "*/operationResults/*",
        pytest.param("*/models/*", marks=pytest.mark.long),
        pytest.param("*/discovery", marks=pytest.mark.long),
    ],
)
def test_a_registry_that_is_away_delays_the_promotion(
    tidepool: Tidepool,
    promotions: Promotions,
    number: str,
    answers: Callable[[str], list[int]],
    path: str,
) -> None:
    promotions.version(number, approved=False)
    tidepool.fault("request", "status", match={"path": path, "host": "*.azureml.*"}, value=503, times=6)

    promotions.promote(number)

    assert promotions.champions == (number, None, None)
    assert [title.partition(":")[0] for title in promotions.activity_titles()] == ["model.promoted"]
    assert 503 in answers(path)


@pytest.mark.parametrize("pending_s", [pytest.param(0.1, marks=pytest.mark.long), 7200])
def test_killed_after_every_write_it_is_shared_once(
    tidepool: Tidepool,
    promotions: Promotions,
    number: str,
    answers: Callable[[str], list[int]],
    pending_s: float,
) -> None:
    """A share that is still under way is begun again, which Azure refuses."""
    tidepool.fault("share", "pending", match={"version": number}, value=pending_s)
    promotions.version(number, approved=False)
    switch, command = KillSwitch(), PromoteModel(cause="test", model=MODEL, version=number)

    for _ in range(30):
        try:
            with switch.armed():
                promotions.start().worker.carry_out(encode(command))
        except Killed:
            continue
        take_commands(tidepool, promotions.account)
        if promotions.record(number).state is ModelState.CHAMPION:
            break

    assert promotions.champions == (number, None, None)
    assert answers("*/import").count(202) == 1
    shared = promotions.service.development.models.find(MODEL, number, registry=REGISTRY)
    assert shared is not None
    assert shared.tags["tidegate_source_version"] == number
