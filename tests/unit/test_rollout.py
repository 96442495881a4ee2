"""How a version takes over an endpoint: each step, and each way in which it can go wrong."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.config.model_policy import AnyRollout, BatchRollout, Rollout
from tidegate.domain.lifecycle.health import (
    DeploymentHealth,
    RequestMetrics,
    ScoringAnswer,
    SmokeTestResult,
    health_by_metrics,
    health_by_probes,
    read_smoke_test,
)
from tidegate.domain.lifecycle.names import deployment_name
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.lifecycle.rollout import decide_step
from tidegate.domain.lifecycle.rollout_progress import (
    after_health,
    after_smoke,
    begin_rollout,
    may_become_champion,
    refused,
    unrestored,
)
from tidegate.domain.lifecycle.rollout_records import HealthFigures, RolloutRecord
from tidegate.domain.lifecycle.rollout_steps import (
    CreateDeployment,
    CreateEndpoint,
    DeleteDeployment,
    DeploymentSnapshot,
    EndpointSnapshot,
    MeasureHealth,
    RolloutAction,
    RolloutSettled,
    RolloutTarget,
    RunSmokeTest,
    SetTraffic,
    UpdateRecord,
    WaitForEndpoint,
)

NOW = datetime(2026, 11, 21, 2, 10, tzinfo=UTC)
POLICY = Rollout(endpoint="digits", steps=[10, 100], bake=timedelta(minutes=30), smoke="smoke.json")
BATCH = BatchRollout(endpoint="digits", smoke="smoke:1")
TARGET = RolloutTarget("digits", "v-2", "/ws/models/m/versions/2")
OLD = EndpointSnapshot(
    "Succeeded", {"v-1": 100}, {}, {"v-1": DeploymentSnapshot("Succeeded", "/ws/models/m/versions/1")}
)
HEALTHY = DeploymentHealth(HealthFigures(source="metrics"), None)
SICK = DeploymentHealth(HealthFigures(source="metrics"), "9 of 20 requests failed")


class World:
    """An endpoint to which every step is done at once, and a clock."""

    def __init__(
        self, seen: EndpointSnapshot | None = OLD, policy: AnyRollout = POLICY, **options: Any
    ) -> None:
        self.seen, self.policy, self.now = seen, policy, NOW
        self.record = begin_rollout(
            replace(TARGET, kind=policy.kind), seen, NOW, restoring=options.get("restoring", False)
        )
        self.done: list[RolloutAction] = []

    def step(self, health: DeploymentHealth = HEALTHY, smoke: bool = True) -> RolloutAction:
        """Decide, and do it."""
        step = decide_step(self.record, self.seen, TARGET.model, self.policy, self.now)
        self.done.append(step)
        match step:
            case UpdateRecord(after):
                self.record = after
            case RunSmokeTest():
                self.record = after_smoke(self.record, SmokeTestResult(smoke, "said"), self.policy, self.now)
            case MeasureHealth(_, last):
                self.record = after_health(self.record, health, self.policy, self.now, last=last)
                self.now = self.record.due or self.now
            case _:
                self.act(step)
        return step

    def act(self, step: RolloutAction) -> None:
        seen = self.seen or EndpointSnapshot("Succeeded", {}, {}, {})
        match step:
            case CreateEndpoint():
                self.seen = seen
            case CreateDeployment():
                self.deploy("Succeeded")
            case SetTraffic(traffic, mirror):
                self.seen = replace(seen, traffic=traffic, mirror=mirror)
            case DeleteDeployment(name):
                assert not seen.traffic.get(name), "Azure refuses to delete what has traffic"
                left = {key: one for key, one in seen.deployments.items() if key != name}
                self.seen = replace(seen, deployments=left)

    def deploy(self, state: str, model: str = TARGET.model) -> None:
        assert self.seen
        self.seen = replace(
            self.seen, deployments={**self.seen.deployments, "v-2": DeploymentSnapshot(state, model)}
        )

    def until(self, phase: str) -> None:
        for _ in range(50):
            if self.record.phase == phase:
                return
            self.step()
        raise AssertionError(f"never {phase}: {self.record}")

    def end(self, **answers: Any) -> RolloutRecord:
        for _ in range(50):
            if isinstance(self.step(**answers), RolloutSettled):
                return self.record
        raise AssertionError(f"it does not end: {self.record}")

    @property
    def shifts(self) -> list[dict[str, int]]:
        return [dict(step.traffic) for step in self.done if isinstance(step, SetTraffic)]


def test_traffic_moves_in_steps_and_the_old_deployment_goes_last() -> None:
    world = World()

    record = world.end()

    assert world.shifts == [{"v-2": 10, "v-1": 90}, {"v-2": 100}]
    assert (record.phase, [step.percent for step in record.steps]) == ("done", [10, 100])
    assert world.seen
    assert list(world.seen.deployments) == ["v-2"]
    assert isinstance(world.done[-3], DeleteDeployment)


def test_the_first_deployment_takes_everything_after_its_smoke_test() -> None:
    world = World(seen=None)

    assert world.end().phase == "done"
    assert world.shifts == [{"v-2": 100}]
    assert [type(step) for step in world.done[:4]] == [
        CreateEndpoint,
        CreateDeployment,
        UpdateRecord,
        RunSmokeTest,
    ]


def test_at_a_batch_endpoint_the_default_changes_at_once_and_the_former_one_stays() -> None:
    world = World(policy=BATCH)

    assert world.end().phase == "done"
    assert world.shifts == [{"v-2": 100}]
    assert world.seen
    assert list(world.seen.deployments) == ["v-1", "v-2"]
    assert not [step for step in world.done if isinstance(step, MeasureHealth | DeleteDeployment)]


def test_a_batch_deployment_that_fails_its_smoke_job_never_becomes_the_default() -> None:
    world = World(policy=BATCH)

    assert world.end(smoke=False).phase == "rolled_back"
    assert world.shifts == []
    assert world.seen
    assert list(world.seen.deployments) == ["v-1"]


def test_a_rollout_ends_if_the_policy_names_an_endpoint_of_another_kind() -> None:
    world = World()
    world.until("baking")
    world.policy = BATCH

    assert world.end().why == "tidegate.yml names an endpoint of another kind now"
    assert world.shifts[-1] == {"v-1": 100}


def test_mirrored_traffic_comes_before_the_first_step() -> None:
    world = World(policy=POLICY.model_copy(update={"mirror": 20}))

    assert [(step.percent, step.mirror) for step in world.end().steps] == [(0, 20), (10, 0), (100, 0)]


def test_nothing_is_begun_while_azure_is_busy() -> None:
    world = World()
    world.deploy("Creating")

    assert world.step() == WaitForEndpoint("v-2 is Creating")


@pytest.mark.parametrize("share", [10, 100])
def test_a_step_that_is_not_healthy_takes_traffic_back_and_says_why(share: int) -> None:
    world = World()
    world.until("baking")
    while world.record.steps[-1].percent != share or world.record.phase != "baking":
        world.step()

    record = world.end(health=SICK)

    assert record.phase == "rolled_back"
    assert record.why == f"at {share} % 9 of 20 requests failed"
    assert world.seen
    assert dict(world.seen.traffic) == {"v-1": 100}
    assert list(world.seen.deployments) == ["v-1"]


def test_a_sick_deployment_is_not_left_to_bake() -> None:
    world = World()
    world.until("baking")

    step = world.step(health=SICK)

    assert step == MeasureHealth(since=NOW, last=False)
    assert world.record.phase == "failing"


def test_a_first_deployment_that_fails_leaves_nobody_with_traffic() -> None:
    world = World(seen=None)
    world.until("baking")

    assert world.end(health=SICK).phase == "rolled_back"
    assert world.seen
    assert not world.seen.traffic
    assert not world.seen.deployments


def test_only_the_third_failure_of_the_smoke_test_counts() -> None:
    world = World()
    world.until("smoke")

    world.step(smoke=False)
    world.step(smoke=False)
    assert world.record.phase == "smoke"
    world.step(smoke=False)

    assert (world.record.phase, world.record.why) == ("failing", "the smoke test failed 3 times: said")
    assert world.end().phase == "rolled_back"
    assert world.shifts == []


def test_a_deployment_that_does_not_come_up_fails() -> None:
    world = World()
    world.deploy("Failed")

    record = world.end()

    assert (record.phase, record.why) == ("rolled_back", "the deployment is Failed")
    assert world.seen
    assert list(world.seen.deployments) == ["v-1"]


@pytest.mark.parametrize("traffic", [{"v-1": 100}, {"v-1": 50, "v-2": 50}, {}])
def test_traffic_that_was_changed_by_hand_is_left_as_it_is(traffic: dict[str, int]) -> None:
    world = World()
    world.until("baking")
    assert world.seen
    world.seen = replace(world.seen, traffic=traffic)

    record = world.end()

    assert record.phase == "rolled_back"
    assert "was changed by hand" in str(record.why)
    assert world.seen.traffic == traffic
    assert "v-2" in world.seen.deployments


def test_an_endpoint_that_was_deleted_meanwhile_ends_the_rollout() -> None:
    world = World()
    world.until("baking")
    world.seen = None

    assert "the deployment is gone" in str(world.end().why)


def test_a_deployment_of_somebody_else_under_our_name_is_not_touched() -> None:
    world = World()
    world.deploy("Succeeded", model="/ws/models/other/versions/1")

    record = world.end()

    assert "is not the promoted model" in str(record.why)
    assert world.seen
    assert "v-2" in world.seen.deployments


def test_split_traffic_is_refused_as_a_start() -> None:
    split = replace(OLD, traffic={"v-1": 50, "v-0": 50})

    assert "is split between v-1, v-0" in str(World(seen=split).end().why)


def test_a_rollback_gives_all_traffic_back_at_once() -> None:
    world = World(restoring=True)

    record = world.record
    world.until("baking")
    world.now += POLICY.bake
    record = world.end()

    assert world.shifts == [{"v-2": 100}]
    assert record.phase == "done"
    assert not any(isinstance(step, RunSmokeTest | MeasureHealth) for step in world.done)


@pytest.mark.parametrize("phase", ["traffic", "baking"])
@pytest.mark.parametrize("restoring", [False, True])
def test_a_deployment_that_was_deleted_by_hand_ends_the_rollout(phase: str, restoring: bool) -> None:
    world = World(restoring=restoring)
    world.until(phase)
    world.act(SetTraffic({"v-1": 100}, {}))
    world.act(DeleteDeployment("v-2"))

    record = world.end()

    assert (record.phase, record.why) == (
        "rolled_back",
        "digits was changed by hand: v-2 is gone; it is left unchanged",
    )
    assert world.seen
    assert (world.seen.traffic, list(world.seen.deployments)) == ({"v-1": 100}, ["v-1"])


def test_where_what_was_there_before_is_gone_the_traffic_stays() -> None:
    world = World()
    while world.seen and world.seen.traffic != {"v-2": 100}:
        world.step()
    world.until("baking")
    world.act(DeleteDeployment("v-1"))

    record = world.end(health=SICK)

    assert record.phase == "rolled_back"
    assert str(record.why).endswith("; v-1, which had the traffic before, is gone: v-2 keeps it")
    assert world.seen
    assert world.seen.traffic == {"v-2": 100}


def test_what_earlier_rollouts_left_goes_and_what_is_not_theirs_stays() -> None:
    left = {
        "v-0": DeploymentSnapshot("Succeeded", "/ws/models/m/versions/0"),
        "shadow": DeploymentSnapshot("Succeeded", "/ws/models/m/versions/0"),
        "v-9": DeploymentSnapshot("Succeeded", "/ws/models/other/versions/9"),
    }
    world = World(seen=replace(OLD, deployments={**OLD.deployments, **left}), restoring=True)

    world.until("baking")
    world.now += POLICY.bake
    world.end()

    assert world.seen
    assert list(world.seen.deployments) == ["shadow", "v-9", "v-2"]


def test_a_rollback_that_does_not_come_up_is_tried_three_times() -> None:
    world = World(restoring=True)

    for _ in range(3):
        world.deploy("Failed")
        world.until("failing")
        while world.record.phase == "failing":
            world.step()

    assert (world.record.phase, world.record.why) == ("rolled_back", "the deployment is Failed")
    assert sum(isinstance(step, DeleteDeployment) for step in world.done) == 3
    champion = ModelVersion(model="m", version="2", registered_at=NOW, rollout=world.record)
    assert unrestored(champion)


@pytest.mark.parametrize(
    ("phase", "end", "why"),
    [
        ("deploying", "rolled_back", "400: no such model"),
        ("traffic", "rolled_back", "400: no such model"),
        ("cleaning", "done", None),
    ],
)
def test_what_azure_refuses_ends_the_rollout_and_blocks_nobody(phase: str, end: str, why: str | None) -> None:
    world = World()
    world.until(phase)

    world.record = refused(world.record, "400: no such model", world.now)

    assert (world.end().phase, world.record.why) == (end, why)


def test_where_azure_refuses_to_take_traffic_back_it_is_said() -> None:
    world = World()
    world.until("baking")
    world.step(health=SICK)

    world.record = refused(world.record, "400: no", world.now)

    assert world.record.final
    assert str(world.record.why).endswith("; traffic could not be given back: 400: no")


def _figures(*, requests: int, errors: int = 0, p95_ms: float = 20) -> RequestMetrics:
    return RequestMetrics({200: requests - errors, 424: errors}, p95_ms)


def test_metrics_count_from_the_minimum_of_requests_on() -> None:
    assert health_by_metrics(_figures(requests=19), POLICY) is None
    health = health_by_metrics(_figures(requests=20), POLICY)
    assert health
    assert health.figures.model_dump() == {
        "source": "metrics",
        "requests": 20,
        "errors": 0,
        "error_rate": 0.0,
        "p95_ms": 20,
    }


@pytest.mark.parametrize(
    ("figures", "problem"),
    [
        (_figures(requests=100, errors=1), None),
        (_figures(requests=100, errors=2), "2 of 100 requests failed (2.0%, at most 1.0%), by metrics"),
        (
            _figures(requests=100, p95_ms=900),
            "the 95th percentile is 900 ms, at most 500 ms, by metrics",
        ),
        (RequestMetrics({200: 99, 400: 50}, 20), None),
    ],
)
def test_errors_and_slowness_are_problems_and_callers_mistakes_are_not(
    figures: RequestMetrics, problem: str | None
) -> None:
    health = health_by_metrics(figures, POLICY.model_copy(update={"max_p95_ms": 500}))

    assert health
    assert health.problem == problem


def test_probes_say_that_they_are_probes_and_why() -> None:
    answers = [ScoringAnswer(200, 10, ""), ScoringAnswer(0, 15000, "timed out")]

    health = health_by_probes(answers, _figures(requests=3), POLICY)

    assert health.figures.source == "probes"
    assert health.figures.because == "metrics have 3 requests, 20 are needed"
    assert health.problem == "1 of 2 requests failed (50.0%, at most 1.0%), by probes"


@pytest.mark.parametrize("status", [204, 400, 401, 404, 424, 500])
def test_a_probe_is_a_request_that_has_to_be_answered(status: int) -> None:
    health = health_by_probes([ScoringAnswer(status, 10, "")] * 5, _figures(requests=3), POLICY)

    assert health.problem == "5 of 5 requests failed (100.0%, at most 1.0%), by probes"


def test_where_times_are_asked_for_and_metrics_have_none_probes_decide() -> None:
    policy = POLICY.model_copy(update={"max_p95_ms": 500})
    untimed = RequestMetrics({200: 50}, None)

    assert health_by_metrics(untimed, policy) is None
    health = health_by_probes([ScoringAnswer(200, 900, "")], untimed, policy)
    assert health.figures.because == "metrics have no latency"
    assert health.problem == "the 95th percentile is 900 ms, at most 500 ms, by probes"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ScoringAnswer(200, 12, "[1]"), "200 in 12 ms"),
        (ScoringAnswer(0, 15000, "read timed out"), "no answer after 15000 ms: read timed out"),
        (ScoringAnswer(424, 5, "model failed"), "status 424 after 5 ms: model failed"),
    ],
)
def test_only_an_answer_of_the_model_passes_the_smoke_test(answer: ScoringAnswer, words: str) -> None:
    assert read_smoke_test(answer) == SmokeTestResult(answer.status == 200, words)


@pytest.mark.parametrize(
    ("version", "name"),
    [("3", "v-3"), ("2026.1", "v-2026-1-226fe4d6"), ("x" * 60, f"v-{'x' * 19}-"), ("A", "v-a-")],
)
def test_deployments_have_names_that_azure_takes(version: str, name: str) -> None:
    made = deployment_name(version)

    assert made.startswith(name)
    assert 3 <= len(made) <= 32
    assert made[0].isalpha()
    assert made[-1].isalnum()


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        ("deploying", False),
        ("smoke", False),
        ("traffic", False),
        ("baking", False),
        ("failing", False),
        ("rolled_back", False),
        ("cleaning", True),
        ("done", True),
    ],
)
def test_a_version_may_become_champion_once_its_last_bake_is_over(phase: str, expected: bool) -> None:
    record = World().record.model_copy(update={"phase": phase})

    assert may_become_champion(record) is expected
