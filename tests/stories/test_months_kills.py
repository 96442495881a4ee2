"""The service is killed after the writes between a complete month and its published result.

`make test` kills it after each third write, `make test-long` after every single one.
"""

from collections import Counter, deque

import pytest

from tests.support.installation import Installation, Running
from tests.support.killing import Killed, KillSwitch
from tests.support.service import take_commands
from tidegate.bootstrap import Service
from tidegate.domain.partitions.records import Partition
from tidegate.messages.commands import (
    AnyCommand,
    CheckJob,
    CheckPartition,
    FinishPartition,
    Notify,
    ScorePartition,
)
from tidegate.messages.queue_messages import encode

FILES = {"a.png": "cat", "b.png": "dog"}
MONTH = "209901"
CHECK = CheckPartition(cause="test", feed="stories", partition=MONTH)


class Journey:
    """One month on its way in this process; each kill leaves a service that remembers nothing."""

    def __init__(self, installation: Installation, every: int) -> None:
        self.installation = installation
        self.switch = KillSwitch(every)
        self.service = self._start()

    def go(self) -> None:
        """To the end: jobs run in between, and the wait for files that come late is over at once."""
        messages = deque[AnyCommand]([CHECK])
        while messages:
            command = messages.popleft()
            if isinstance(command, ScorePartition | CheckJob | FinishPartition):
                self.installation.cloud.settle()
            try:
                with self.switch.armed():
                    self.service.worker.carry_out(encode(command))
            except Killed:
                self.service = self._start()
                messages.append(command)  # the queue gives it to the next one
            messages.extend(
                command
                for command in take_commands(self.installation.cloud, self.installation.account.name)
                if _moves(command)
            )

    @property
    def partition(self) -> Partition:
        return self.service.ledger.partition("stories", MONTH)

    def _start(self) -> Service:
        return self.installation.service()


def _moves(command: AnyCommand) -> bool:
    """Whether it brings the month on, now."""
    return not isinstance(command, Notify) and getattr(command, "due", None) is None


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.long)])
def test_killed_after_its_writes_a_month_is_published_once(installation: Installation, every: int) -> None:
    installation.upload(MONTH, FILES)
    journey = Journey(installation, every)

    journey.go()

    scorings = {f"{claim.name}": claim.generation.state.value for claim in journey.partition.claims}
    assert scorings == {"209901-1-g1": "scored"}
    assert journey.partition.result == "209901-1-g1"
    assert installation.jobs() == {"score-stories-209901-1-g1-a1": "Completed"}
    assert [data.version for data in installation.ml.data.list(name="stories")] == ["209901-1"]
    assert [data.version for data in installation.ml.data.list(name="stories-predictions")] == ["209901-1-g1"]
    told = journey.service.ledger.activities(f"stories:{MONTH}")
    assert Counter(activity.kind for activity in told) == {"partition.registered": 1, "partition.scored": 1}
    assert len(journey.switch.writes) > 15 // every


@pytest.mark.long  # real processes; the test above kills after every write within one
@pytest.mark.timeout(300)
def test_a_process_that_dies_after_a_write_is_followed_by_one_that_goes_on(
    installation: Installation, running: Running
) -> None:
    last = writes_of_a_month(installation, running)
    for kill, place in enumerate((0, 0.33, 0.67, 1)):
        partition, number = f"21000{kill + 1}", 1 + round(place * (last - 1))
        running.site.kill_worker_after(number)
        installation.upload(partition, FILES)
        running.drive(partition)
        installation.cloud.clear_faults()

        assert running.scorings(partition) == {f"{partition}-1-g1": "scored"}, f"killed after write {number}"
        jobs = [name for name in installation.jobs() if partition in name]
        assert jobs == [f"score-stories-{partition}-1-g1-a1"], f"killed after write {number}"
        versions = [
            data.version for data in installation.ml.data.list(name="stories") if partition in data.version
        ]
        assert versions == [f"{partition}-1"], f"killed after write {number}"


def writes_of_a_month(installation: Installation, running: Running) -> int:
    """How many there are until the result is in the ledger; telling people of it comes after."""
    installation.upload("209901", FILES)
    running.settle()
    warm = len(running.site.writes())
    installation.upload("209902", FILES)
    running.settle()
    tables = [write["path"].startswith("/tidegatePartitions") for write in running.site.writes()[warm:]]
    last = len(tables) - tables[::-1].index(True)
    assert last > 15
    return last
