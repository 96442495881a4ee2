"""Any order of healthy and sick steps, refusals, repetitions and changes by hand keeps a rollout safe."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.test_rollout import HEALTHY, OLD, POLICY, SICK, TARGET, World

from tidegate.domain.lifecycle.rollout import decide_step
from tidegate.domain.lifecycle.rollout_progress import refused
from tidegate.domain.lifecycle.rollout_steps import (
    CreateDeployment,
    DeleteDeployment,
    RolloutSettled,
    SetTraffic,
)

_NEW = TARGET.deployment
_MOST_STEPS = 60
_STEPS = ([100], [10, 100], [10, 50, 100])


class Rollouts(RuleBasedStateMachine):
    """A rollout of `v-2`, beside `v-1` or at an endpoint that does not exist yet."""

    @initialize(
        old=st.booleans(),
        steps=st.sampled_from(_STEPS),
        mirror=st.sampled_from([0, 5]),
        restoring=st.booleans(),
    )
    def begin(self, old: bool, steps: list[int], mirror: int, restoring: bool) -> None:
        policy = POLICY.model_copy(update={"steps": steps, "mirror": mirror})
        self.world = World(OLD if old else None, policy, restoring=restoring)
        self.restoring, self.by_hand, self.smoke_passed = restoring, False, False

    @rule(healthy=st.booleans(), smoke=st.booleans())
    def step(self, healthy: bool, smoke: bool) -> None:
        before = self.world.seen
        was_final, phase = self.world.record.final, self.world.record.phase
        action = self.world.step(HEALTHY if healthy else SICK, smoke)

        self.smoke_passed |= phase == "smoke" and smoke
        if was_final:
            assert isinstance(action, RolloutSettled)
        if isinstance(action, DeleteDeployment):
            assert before is not None
            assert not before.traffic.get(action.deployment)
        if isinstance(action, SetTraffic) and action.traffic.get(_NEW):
            assert self.smoke_passed or self.restoring

    @rule()
    def decide_again(self) -> None:
        """A command that is repeated before its record was saved decides the same."""
        world = self.world
        decisions = [
            decide_step(world.record, world.seen, TARGET.model, world.policy, world.now) for _ in range(2)
        ]
        assert decisions[0] == decisions[1]

    @precondition(lambda self: not self.world.record.final)
    @rule()
    def azure_refuses(self) -> None:
        action = decide_step(
            self.world.record, self.world.seen, TARGET.model, self.world.policy, self.world.now
        )
        if isinstance(action, SetTraffic | CreateDeployment | DeleteDeployment):
            if self.world.record.phase == "failing":
                self.by_hand = True  # the traffic cannot be given back: people are told so
            self.world.record = refused(self.world.record, "no quota", self.world.now)

    @precondition(lambda self: self.world.seen and len(self.world.seen.deployments) > 1)
    @rule(share=st.integers(1, 99))
    def a_person_moves_the_traffic(self, share: int) -> None:
        assert self.world.seen
        self.by_hand = True
        self.world.seen = replace(self.world.seen, traffic={"v-1": 100 - share, _NEW: share}, mirror={})

    @rule()
    def time_passes(self) -> None:
        self.world.now += timedelta(minutes=7)

    @invariant()
    def the_shares_are_those_of_existing_deployments(self) -> None:
        seen = getattr(self, "world", None) and self.world.seen
        if seen:
            assert sum(seen.traffic.values()) in (0, 100)
            assert {*seen.traffic, *seen.mirror} <= set(seen.deployments)

    def teardown(self) -> None:
        """Whatever happened, the rollout ends, and all traffic is where the record says."""
        if not hasattr(self, "world"):
            return
        for _ in range(_MOST_STEPS):
            self.world.step()
            self.world.now += self.world.policy.bake
        record = self.world.record
        assert record.final
        if self.by_hand or self.world.seen is None:
            return
        traffic = dict(self.world.seen.traffic)
        if record.phase == "done":
            assert traffic == {_NEW: 100}
        else:
            assert traffic == ({record.before: 100} if record.before else {})


TestRollouts = Rollouts.TestCase
TestRollouts.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
