"""The handlers of an installation, called in this process."""

from collections import deque
from datetime import UTC, datetime

from tests.support.clock import Clock
from tests.support.installation import Installation
from tidegate.domain.activities.activity import Activity
from tidegate.domain.partitions.records import Claim, Partition
from tidegate.messages.commands import (
    AnyCommand,
    CheckJob,
    CheckPartition,
    FinishPartition,
    JudgeModel,
    Next,
    Notify,
    ScorePartition,
)

TOPIC = "https://tidegate-events.japaneast-1.eventgrid.azure.net/api/events"
FEED, MONTH = "stories", "209901"
CHECK = CheckPartition(cause="test", feed=FEED, partition=MONTH)
SCORE = ScorePartition(cause="test", feed=FEED, partition=MONTH, version=1)
FINISH = FinishPartition(cause="test", feed=FEED, partition=MONTH, version=1, generation=1)
JOB = f"score-{FEED}-{MONTH}-1-g1-a1"
LOOK = CheckJob(cause="test", workspace="development", job=JOB)


class HandlerHarness:
    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.clock = Clock(datetime.now(UTC))
        self.service = service = installation.service(self.clock, events_endpoint=TOPIC)
        self.ledger, self.workspaces, self.config = service.ledger, service.workspaces, service.config
        self.claims = service.reruns.claims

    def do(self, command: AnyCommand) -> list[Next]:
        return list(self.service.handlers[type(command)](command))

    def run(self, *given: AnyCommand, twice: bool = False) -> None:
        """Carry out commands and all that follow from them; jobs run in between.

        Checks that are due later stay undone. With `twice`, each command is carried out twice and must lead
        to the same commands.
        """
        queue = deque(given)
        while queue:
            command = queue.popleft()
            if isinstance(command, CheckJob | ScorePartition | JudgeModel):
                self.installation.cloud.settle(300)
            follows = self.do(command)
            if twice:
                assert commands(self.do(command)) == commands(follows), command
            queue.extend(step.command for step in follows if not getattr(step.command, "due", None))

    def submit(self) -> None:
        """Check the month, and carry out what follows until its job is submitted."""
        queue = deque[AnyCommand]([CHECK])
        while queue:
            command = queue.popleft()
            if isinstance(command, ScorePartition):
                self.installation.cloud.settle()
            follows = self.do(command)
            queue.extend(step.command for step in follows if isinstance(step.command, ScorePartition))

    def until_submitted(self) -> None:
        """Carry out commands until the month's first job is submitted."""
        self.do(CHECK)
        while not self.installation.jobs():
            self.do(SCORE)
            self.installation.cloud.settle()

    @property
    def partition(self) -> Partition:
        return self.ledger.partition(FEED, MONTH)

    @property
    def claim(self) -> Claim:
        """The latest generation of the month."""
        return self.partition.claims[-1]

    @property
    def activities(self) -> list[Activity]:
        return self.ledger.activities(f"{FEED}:{MONTH}")

    @property
    def kinds(self) -> list[str]:
        return [activity.kind for activity in self.activities]


def commands(follows: list[Next]) -> list[AnyCommand]:
    """Return the commands that follow, without those that notify people."""
    return [follow.command for follow in follows if not isinstance(follow.command, Notify)]
