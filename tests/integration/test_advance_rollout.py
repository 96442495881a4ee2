"""Rollouts on a real endpoint: deployed, tried, given traffic step by step, and taken back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.ai.ml.entities import CodeConfiguration, Environment, ManagedOnlineDeployment
from tests.support.promotions import MODEL
from tests.support.rollouts import ENDPOINT, Rollouts

from tidegate.domain.lifecycle.rollout_records import RolloutRecord
from tidegate.messages.commands import AdvanceRollout
from tidepool.cloud import Tidepool


@pytest.fixture(scope="module")
def installed(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> Rollouts:
    """Version 1 is champion, though every command came twice; each test brings a version of its own."""
    rollouts = Rollouts(tidepool, tmp_path_factory.mktemp("rollouts"))
    rollouts.arrive("1", twice=True)
    return rollouts


@pytest.fixture(scope="module")
def first(installed: Rollouts) -> RolloutRecord:
    """Its rollout as it was then; a rollback brings it back another way."""
    return installed.rollout("1")


@pytest.fixture
def rollouts(installed: Rollouts, first: RolloutRecord) -> Iterator[Rollouts]:
    yield installed
    installed.cloud.clear_faults()


def test_the_first_version_has_all_traffic_after_its_smoke_test(
    rollouts: Rollouts, first: RolloutRecord
) -> None:
    assert rollouts.traffic == {"v-1": 100}
    assert rollouts.champions == ("1", None, None)
    assert str(first.smoke).startswith("200 in ")
    assert [step.percent for step in first.steps] == [100]


def test_a_step_that_fails_by_its_metrics_takes_traffic_back_and_says_why(rollouts: Rollouts) -> None:
    rollouts.clock.now = datetime.now(UTC) - timedelta(minutes=1)  # requests are counted in real time
    rollouts.arrive("3", until="10")
    rollouts.roll(until="baking")
    assert rollouts.traffic == {"v-1": 90, "v-3": 10}

    rollouts.cloud.fault("scoring", "status", match={"deployment": "v-3"}, value=500, times=None)
    rollouts.ask(20, deployment="v-3")
    rollouts.roll()

    assert rollouts.traffic == {"v-1": 100}
    assert rollouts.deployments == ["v-1"]
    assert rollouts.champions == ("1", None, None)
    record = rollouts.record("3")
    assert record.state.value == "rolled_back"
    assert record.rollout
    assert record.rollout.steps[-1].health
    assert record.rollout.steps[-1].health.source == "metrics"
    assert "20 of 21 requests failed" in str(record.error)
    assert rollouts.activity_kinds("3") == ["rollout.started", "rollout.step", "rollout.failed"]
    assert record.rollout.phase == "rolled_back"


@pytest.mark.long  # unit/test_rollout.py has the decision
def test_a_smoke_test_that_times_out_never_gets_traffic(rollouts: Rollouts) -> None:
    rollouts.cloud.fault("scoring", "status", match={"deployment": "v-4"}, value=408, times=None)

    rollouts.arrive("4")

    assert rollouts.rollout("4").smoke_tries == 3
    assert "the smoke test failed 3 times: status 408" in str(rollouts.record("4").error)
    assert rollouts.activity_kinds("4") == ["rollout.started", "rollout.failed"]
    assert (rollouts.traffic, rollouts.deployments) == ({"v-1": 100}, ["v-1"])


def test_a_deployment_that_does_not_come_up_ends_the_rollout(rollouts: Rollouts) -> None:
    rollouts.cloud.fault("provisioning", "fail", match={"deployment": "v-5"}, times=None)

    rollouts.arrive("5")

    assert str(rollouts.record("5").error).startswith("the deployment is Failed")
    assert (rollouts.traffic, rollouts.deployments) == ({"v-1": 100}, ["v-1"])


@pytest.mark.long  # unit/test_rollout_limits.py has the decisions
def test_a_deployment_that_stays_creating_is_announced_and_then_gives_its_place_back(
    rollouts: Rollouts,
) -> None:
    rollouts.cloud.fault("provisioning", "delay", match={"deployment": "v-7"}, value=3600)
    rollouts.arrive("7", until="deploying")
    advance = AdvanceRollout(cause="timer-1", model=MODEL, version="7")
    rollouts.waiting = []
    rollouts.carry_out(advance)
    assert rollouts.activity_kinds("7") == ["rollout.started"]

    rollouts.clock.move(hours=2)
    for _ in range(2):
        rollouts.carry_out(advance)
    assert rollouts.activity_kinds("7") == ["rollout.started", "rollout.stuck"]
    assert rollouts.states["7"] == "challenger"
    rollouts.clock.move(days=5)
    for _ in range(3):
        rollouts.carry_out(advance)

    assert rollouts.states["7"] == "rolled_back"
    assert rollouts.activity_kinds("7") == ["rollout.started", "rollout.stuck", "rollout.failed"]
    assert "v-7 is Creating since" in str(rollouts.record("7").error)
    assert rollouts.model.rolling is None
    assert rollouts.traffic == {"v-1": 100}
    rollouts.cloud.advance(3600)
    rollouts.cloud.settle()
    rollouts.delete("v-7")


@pytest.mark.long  # unit/test_rollout.py has the decision
def test_an_endpoint_that_a_person_changed_meanwhile_stays_as_it_is(rollouts: Rollouts) -> None:
    rollouts.arrive("6", until="10")
    rollouts.roll(until="baking")

    rollouts.traffic = {"v-1": 100}
    rollouts.roll()

    assert "was changed by hand: traffic is {'v-1': 100}" in str(rollouts.record("6").error)
    assert sorted(rollouts.activity_kinds("6")) == ["rollout.failed", "rollout.started", "rollout.step"]
    assert sorted(rollouts.deployments) == ["v-1", "v-6"]
    assert rollouts.champions == ("1", None, None)
    rollouts.delete("v-6")


def test_a_version_takes_over_step_by_step_and_a_rollback_brings_the_other_back(rollouts: Rollouts) -> None:
    rollouts.arrive("2", until="10")
    rollouts.roll(until="baking")
    assert rollouts.traffic == {"v-1": 90, "v-2": 10}
    assert rollouts.champions == ("1", None, "2")
    rollouts.roll()

    assert rollouts.traffic == {"v-2": 100}
    assert rollouts.ask() == ["2"]
    assert "v-1" not in rollouts.deployments
    assert rollouts.champions == ("2", "1", None)
    steps = rollouts.rollout("2").steps
    assert [step.percent for step in steps] == [10, 100]
    assert {step.health.source for step in steps if step.health} == {"probes"}
    assert rollouts.activity_kinds("2") == [
        "rollout.started",
        "rollout.step",
        "rollout.step",
        "model.promoted",
        "rollout.done",
    ]

    rollouts.roll_back("1")

    assert rollouts.traffic == {"v-1": 100}
    assert rollouts.ask() == ["1"]
    assert rollouts.champions == ("1", None, None)


def test_a_version_keeps_the_script_of_the_deployment_that_has_the_traffic(
    rollouts: Rollouts, tmp_path: Path
) -> None:
    ml, script = rollouts.production_ml, tmp_path / "score.py"
    script.write_text("def init(): ...\ndef run(text): return ['by a script']\n")
    ml.environments.create_or_update(Environment(name="plain", version="1", image="python:3.11"))
    deployment = ManagedOnlineDeployment(
        name="by-hand",
        endpoint_name=ENDPOINT,
        model=f"azureml:{MODEL}:1",
        environment="azureml:plain:1",
        environment_variables={"WORD": "kept"},
        code_configuration=CodeConfiguration(code=str(tmp_path), scoring_script="score.py"),
        instance_type="Standard_DS3_v2",
        instance_count=1,
    )
    ml.online_deployments.begin_create_or_update(deployment).result()
    rollouts.traffic = {"by-hand": 100}

    rollouts.arrive("9", until="10")

    made = ml.online_deployments.get("v-9", ENDPOINT)
    assert made.code_configuration.scoring_script == "score.py"
    assert made.environment_variables["WORD"] == "kept"
    assert rollouts.ask(deployment="v-9") == ["by a script"]
