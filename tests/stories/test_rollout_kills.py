"""The service is killed after every write of a rollout: all the way there, and all the ways back."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.support import config_yaml
from tests.support.killing import Killed, KillSwitch
from tests.support.promotions import MODEL
from tests.support.rollouts import ENDPOINT, Rollouts
from tidegate.messages.commands import AnyCommand, Reconcile, RollbackModel
from tidepool.cloud import Tidepool

pytestmark = pytest.mark.long

TICK = Reconcile(cause="timer-1")
BEGINS = ["rollout.started", "rollout.step", "rollout.step"]  # mirrored, then a tenth of the traffic
ARRIVES = [*BEGINS, "rollout.step", "model.promoted", "rollout.done"]
FAILS = [*BEGINS, "rollout.failed"]
COMES_BACK = ["model.rolled_back", "rollout.started", "rollout.step", "rollout.done"]


class KilledRollouts(Rollouts):
    """Each process of its service ends after a new write.

    The queue gives the command to the next process; each fourth is lost, and the timer is all that is left.
    """

    def __init__(self, cloud: Tidepool, folder: Path) -> None:
        super().__init__(cloud, folder, mirror=20)
        self.configure_feed(config_yaml.a_feed(self.account, starts=209901))  # no month is expected
        self.switch = KillSwitch()
        self._perilous, self._lost = True, False

    @contextmanager
    def in_peace(self) -> Iterator[None]:
        self._perilous = False
        yield
        self._perilous = True

    def carry_out(self, command: AnyCommand) -> None:
        try:
            with self.switch.armed() if self._perilous else nullcontext():
                super().carry_out(command)
        except Killed:
            del self.service
            self._lost = len(self.switch.writes) % 4 == 0 and not isinstance(command, RollbackModel)
            if not self._lost:
                self.service.queue.send(command)

    def roll(self, *given: AnyCommand, **options: Any) -> list[AnyCommand]:
        rest = super().roll(*given, **options)
        while not self.waiting and (self._lost or self.unfinished()):
            self._lost = False
            self._hear()
            rest += super().roll(TICK, **options)
        return rest

    def _hear(self) -> None:
        """People know what was told until now: the timer has nothing to do with that."""
        for activity in self.service.ledger.unsent_activities():
            self.service.ledger.forget_unsent(activity)

    def rollback(self, to: str) -> list[AnyCommand]:
        return self.roll(self.rollback_to(to))

    def unfinished(self) -> bool:
        versions = self.service.ledger.model_versions(MODEL, open_only=False)
        return any(
            not version.state.final or (version.rollout and not version.rollout.final) for version in versions
        )

    def touched(self) -> Counter[str]:
        """What the service did to the endpoint and its deployments, and how often."""
        place = f"{self.production.id}/onlineEndpoints/{ENDPOINT}"
        done = [
            request
            for request in self.cloud.find_requests(path=place)
            if request["path"].startswith(place) and request["status"] < 400
        ]
        writes = (one for one in done if one["method"] in ("PUT", "DELETE"))
        return Counter(f"{write['method']} {write['path'].removeprefix(place)}" for write in writes)


@pytest.fixture
def rollouts(tidepool: Tidepool, tmp_path: Path) -> Iterator[KilledRollouts]:
    yield KilledRollouts(tidepool, tmp_path)
    tidepool.clear_faults()


def test_killed_after_every_write_versions_take_over_once(rollouts: KilledRollouts) -> None:
    rollouts.arrive("1")
    assert (rollouts.traffic, rollouts.champions) == ({"v-1": 100}, ("1", None, None))
    assert rollouts.touched() == {"PUT ": 2, "PUT /deployments/v-1": 1}

    rollouts.arrive("2")

    assert (rollouts.traffic, rollouts.champions) == ({"v-2": 100}, ("2", "1", None))
    assert rollouts.states == {"1": "retired", "2": "champion"}
    assert Counter(rollouts.activity_kinds("2")) == Counter(ARRIVES)
    assert rollouts.deployments == ["v-2"]
    both = {"PUT /deployments/v-1": 1, "PUT /deployments/v-2": 1, "DELETE /deployments/v-1": 1}
    assert rollouts.touched() == {"PUT ": 5, **both}
    assert len(rollouts.switch.writes) > 50


def test_killed_after_every_write_a_failing_step_and_a_rollback_each_go_back_once(
    rollouts: KilledRollouts,
) -> None:
    with rollouts.in_peace():
        for version in ("1", "2"):
            rollouts.arrive(version)
    before, told = rollouts.touched(), Counter(rollouts.activity_kinds("1"))

    rollouts.arrive("3", until="10")
    rollouts.cloud.fault("scoring", "status", match={"deployment": "v-3"}, value=500, times=None)
    rollouts.roll()

    assert (rollouts.traffic, rollouts.champions) == ({"v-2": 100}, ("2", "1", None))
    assert rollouts.states["3"] == "rolled_back"
    assert Counter(rollouts.activity_kinds("3")) == Counter(FAILS)
    failed = {"PUT ": 3, "PUT /deployments/v-3": 1, "DELETE /deployments/v-3": 1}
    assert rollouts.touched() - before == failed

    rollouts.rollback("1")

    assert (rollouts.traffic, rollouts.champions) == ({"v-1": 100}, ("1", None, None))
    assert rollouts.states == {"1": "champion", "2": "rolled_back", "3": "rolled_back"}
    assert Counter(rollouts.activity_kinds("1")) - told == Counter(COMES_BACK)
    assert rollouts.deployments == ["v-1"]
    back = {"PUT ": 1, "PUT /deployments/v-1": 1, "DELETE /deployments/v-2": 1}
    assert rollouts.touched() - before - Counter(failed) == back
    assert len(rollouts.switch.writes) > 40
