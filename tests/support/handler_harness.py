"""The handlers of one installation in this process: commands are given by hand, and what follows is seen."""

import os
from collections import deque
from datetime import UTC, datetime

from tests.support.clock import Clock
from tests.support.installation import Installation
from tidegate.bootstrap import build
from tidegate.cloud.channels import EventPublisher, NotificationSender
from tidegate.domain.activities.activity import Activity
from tidegate.domain.partitions.records import Claim, Month
from tidegate.messages.commands import (
    AnyCommand,
    CheckJob,
    CheckMonth,
    FinishMonth,
    Next,
    Notify,
    Reconcile,
    ScoreMonth,
)
from tidegate.service.handlers.check_job import Jobs
from tidegate.service.handlers.check_month import Arrival
from tidegate.service.handlers.finish_month import Finishing
from tidegate.service.handlers.notify import Telling
from tidegate.service.handlers.reconcile import Upkeep
from tidegate.service.handlers.score_month import Scoring
from tidegate.service.steps.generation_claims import Claims
from tidegate.service.steps.missed_registrations import Registrations
from tidegate.settings import Settings

TOPIC = "https://tidegate-events.japaneast-1.eventgrid.azure.net/api/events"
FEED, MONTH = "stories", "209901"
CHECK = CheckMonth(cause="test", feed=FEED, month=MONTH)
SCORE = ScoreMonth(cause="test", feed=FEED, month=MONTH, version=1)
FINISH = FinishMonth(cause="test", feed=FEED, month=MONTH, version=1, generation=1)
JOB = f"score-{FEED}-{MONTH}-1-g1-a1"
LOOK = CheckJob(cause="test", workspace="development", job=JOB)


class HandlerHarness:
    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.clock = Clock(datetime.now(UTC))
        account, file = installation.account.name, installation.config_file
        self.service = service = build(
            Settings(storage_account=account, config_file=file, environ=dict(os.environ)), now=self.clock
        )
        self.ledger, self.workspaces, self.config = service.ledger, service.workspaces, service.config
        feeds, now = service.feeds, self.clock
        topic = EventPublisher(endpoint=TOPIC, credential=service.credential)
        config, ledger, workspaces = self.config, self.ledger, self.workspaces
        self.claims = Claims(config=config, ledger=ledger, workspaces=workspaces, now=now)
        self.arrival = Arrival(config=config, ledger=ledger, feeds=feeds, workspaces=workspaces, now=now)
        self.scoring = Scoring(
            config=config, ledger=ledger, workspaces=workspaces, claims=self.claims, now=now
        )
        self.jobs = Jobs(config=config, ledger=ledger, workspaces=workspaces, now=now)
        self.finishing = Finishing(config=config, ledger=ledger, feeds=feeds, workspaces=workspaces, now=now)
        self.telling = Telling(
            config=config, ledger=ledger, people=NotificationSender(), topic=topic, now=now
        )
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
                self.installation.cloud.settle()
            follows = self.do(command)
            if twice:
                assert commands(self.do(command)) == commands(follows), command
            queue.extend(one.command for one in follows if not getattr(one.command, "due", None))

    def until_submitted(self) -> None:
        """The month's files are complete and its first job is on its way."""
        self.do(CHECK)
        while not self.installation.jobs():
            self.do(SCORE)
            self.installation.cloud.settle()

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
