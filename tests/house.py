"""The handlers of one installation in this process: commands are given by hand, and what follows is seen."""

import os
from collections import deque
from datetime import UTC, datetime

from tests.estate import Estate
from tests.service import Clock
from tidegate.cloud.channels import People, Topic
from tidegate.commands import (
    AnyCommand,
    CheckJob,
    CheckMonth,
    FinishMonth,
    Next,
    Notify,
    Reconcile,
    ScoreMonth,
)
from tidegate.handlers.arrival import Arrival
from tidegate.handlers.claims import Claims
from tidegate.handlers.finishing import Finishing
from tidegate.handlers.jobs import Jobs
from tidegate.handlers.registrations import Registrations
from tidegate.handlers.scoring import Scoring
from tidegate.handlers.telling import Telling
from tidegate.handlers.upkeep import Upkeep
from tidegate.ledger import Activity, Claim, Month
from tidegate.settings import Settings
from tidegate.wiring import build

TOPIC = "https://tidegate-events.japaneast-1.eventgrid.azure.net/api/events"
FEED, MONTH = "stories", "209901"
CHECK = CheckMonth(cause="test", feed=FEED, month=MONTH)
SCORE = ScoreMonth(cause="test", feed=FEED, month=MONTH, version=1)
FINISH = FinishMonth(cause="test", feed=FEED, month=MONTH, version=1, generation=1)
JOB = f"score-{FEED}-{MONTH}-1-g1-a1"
LOOK = CheckJob(cause="test", workspace="development", job=JOB)


class House:
    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.clock = Clock(datetime.now(UTC))
        account, file = estate.account.name, estate.config_file
        self.service = service = build(
            Settings(storage_account=account, config_file=file, environ=dict(os.environ)), now=self.clock
        )
        self.ledger, self.workspaces, self.config = service.ledger, service.workspaces, service.config
        feeds, now = service.feeds, self.clock
        topic = Topic(endpoint=TOPIC, credential=service.credential)
        config, ledger, workspaces = self.config, self.ledger, self.workspaces
        self.claims = Claims(config=config, ledger=ledger, workspaces=workspaces, now=now)
        self.arrival = Arrival(config=config, ledger=ledger, feeds=feeds, workspaces=workspaces, now=now)
        self.scoring = Scoring(
            config=config, ledger=ledger, workspaces=workspaces, claims=self.claims, now=now
        )
        self.jobs = Jobs(config=config, ledger=ledger, workspaces=workspaces, now=now)
        self.finishing = Finishing(config=config, ledger=ledger, feeds=feeds, workspaces=workspaces, now=now)
        self.telling = Telling(config=config, ledger=ledger, people=People(), topic=topic, now=now)
        registrations = Registrations(ledger=ledger, workspaces=workspaces, now=now)
        self.upkeep = Upkeep(config=config, ledger=ledger, registrations=registrations, now=now)

    def do(self, command: AnyCommand) -> list[Next]:
        match command:
            case CheckMonth():
                return list(self.arrival.check_month(command))
            case ScoreMonth():
                return list(self.scoring.score_month(command))
            case CheckJob():
                return list(self.jobs.check_job(command))
            case FinishMonth():
                return list(self.finishing.finish_month(command))
            case Notify():
                return list(self.telling.notify(command))
            case Reconcile():
                return list(self.upkeep.reconcile(command))
        raise AssertionError(f"no handler for {command}")

    def run(self, *given: AnyCommand, twice: bool = False) -> None:
        """Carry out commands and all that follows, each `twice` where that is asked; jobs run in between.

        Checks that are due later stay undone.
        """
        queue = deque(given)
        while queue:
            command = queue.popleft()
            if isinstance(command, CheckJob | ScoreMonth):
                self.estate.cloud.settle()
            follows = self.do(command)
            if twice:
                assert commands(self.do(command)) == commands(follows), command
            queue.extend(one.command for one in follows if not getattr(one.command, "due", None))

    def until_submitted(self) -> None:
        """The month's files are complete and its first job is on its way."""
        self.do(CHECK)
        while not self.estate.jobs():
            self.do(SCORE)
            self.estate.cloud.settle()

    @property
    def month(self) -> Month:
        return self.ledger.month(FEED, MONTH)

    @property
    def claim(self) -> Claim:
        """The latest generation."""
        return self.month.claims[-1]

    @property
    def activities(self) -> list[Activity]:
        return self.ledger.activities(f"{FEED}:{MONTH}")

    @property
    def kinds(self) -> list[str]:
        return [activity.kind for activity in self.activities]


def commands(follows: list[Next]) -> list[AnyCommand]:
    """What follows, telling people aside."""
    return [follow.command for follow in follows if not isinstance(follow.command, Notify)]
