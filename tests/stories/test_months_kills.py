"""The service is killed after every single write between a complete month and its published result."""

from collections import Counter, deque

from tests.support.installation import Installation, Running
from tests.support.killing import Killed, KillSwitch
from tests.support.service import take_commands
from tidegate.bootstrap import Service
from tidegate.domain.partitions.records import Month
from tidegate.messages.commands import (
    AnyCommand,
    CheckJob,
    CheckMonth,
    FinishMonth,
    Notify,
    ScoreMonth,
    encode,
)

FILES = {"a.png": "cat", "b.png": "dog"}
MONTH = "209901"
CHECK = CheckMonth(cause="test", feed="stories", month=MONTH)
KILLS = 4  # of a real process, which then starts anew: evenly over the month


class Journey:
    """One month on its way in this process; each kill leaves a service that remembers nothing."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.switch = KillSwitch()
        self.service = self._start()

    def go(self) -> None:
        """To the end: jobs run in between, and the wait for files that come late is over at once."""
        messages = deque[AnyCommand]([CHECK])
        while messages:
            command = messages.popleft()
            if isinstance(command, ScoreMonth | CheckJob | FinishMonth):
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
    def month(self) -> Month:
        return self.service.ledger.month("stories", MONTH)

    def _start(self) -> Service:
        return self.installation.service()


def _moves(command: AnyCommand) -> bool:
    """Whether it brings the month on, now."""
    return not isinstance(command, Notify) and getattr(command, "due", None) is None


def test_killed_after_every_write_a_month_is_published_once(installation: Installation) -> None:
    installation.upload(MONTH, FILES)
    journey = Journey(installation)

    journey.go()

    scorings = {f"{claim.name}": claim.generation.state.value for claim in journey.month.claims}
    assert scorings == {"209901-1-g1": "scored"}
    assert journey.month.result == "209901-1-g1"
    assert installation.jobs() == {"score-stories-209901-1-g1-a1": "Completed"}
    assert [data.version for data in installation.ml.data.list(name="stories")] == ["209901-1"]
    assert [data.version for data in installation.ml.data.list(name="stories-predictions")] == ["209901-1-g1"]
    told = journey.service.ledger.activities(f"stories:{MONTH}")
    assert Counter(activity.kind for activity in told) == {"month.registered": 1, "month.scored": 1}
    assert len(journey.switch.writes) > 15


def test_a_process_that_dies_after_a_write_is_followed_by_one_that_goes_on(
    installation: Installation, running: Running
) -> None:
    last = writes_of_a_month(installation, running)
    for kill in range(KILLS):
        month, number = f"21000{kill + 1}", 1 + kill * (last - 1) // (KILLS - 1)
        running.site.kill_worker_after(number)
        installation.upload(month, FILES)
        running.drive(month)
        installation.cloud.clear_faults()

        assert running.scorings(month) == {f"{month}-1-g1": "scored"}, f"killed after write {number}"
        jobs = [name for name in installation.jobs() if month in name]
        assert jobs == [f"score-stories-{month}-1-g1-a1"], f"killed after write {number}"
        versions = [
            data.version for data in installation.ml.data.list(name="stories") if month in data.version
        ]
        assert versions == [f"{month}-1"], f"killed after write {number}"


def writes_of_a_month(installation: Installation, running: Running) -> int:
    """How many there are until the result is in the ledger; telling people of it comes after."""
    installation.upload("209901", FILES)
    running.settle()
    warm = len(running.site.writes())
    installation.upload("209902", FILES)
    running.settle()
    tables = [write["path"].startswith("/tidegateMonths") for write in running.site.writes()[warm:]]
    last = len(tables) - tables[::-1].index(True)
    assert last > 15
    return last
