"""Reconcile: send a command for each piece of work that is unfinished or due, or whose event was lost."""

from dataclasses import dataclass
from datetime import datetime

from tidegate.domain.activities.activity import Activity
from tidegate.domain.partitions.calendar import current_partition
from tidegate.domain.partitions.records import Partition
from tidegate.domain.unfinished import (
    Waiting,
    unfinished,
    waiting_jobs,
    waiting_models,
    waiting_notifications,
    waiting_partitions,
    waiting_retries,
)
from tidegate.errors import TidegateError
from tidegate.log import Log
from tidegate.messages.commands import AnyCommand, CheckPartition, Follows, Next, Reconcile
from tidegate.service.context import ServiceContext
from tidegate.service.job_runner import JobRunner
from tidegate.service.steps.catching_up import CatchingUp
from tidegate.service.steps.delayed_work import DelayedWork
from tidegate.service.steps.due_work import (
    OLD_NEWS,
    due_activities,
    due_archive,
    due_backfills,
    due_jobs,
    due_models,
    due_partitions,
    due_scorings,
    due_set_trainings,
    due_versions,
)
from tidegate.service.steps.job_limits import JobLimitChecks
from tidegate.service.steps.model_candidates import MissedRegistrations
from tidegate.service.steps.model_presence import ModelPresence
from tidegate.service.steps.undelivered import UndeliveredWork
from tidegate.service.steps.waiting_work import WaitingWork

log = Log(__name__)


@dataclass(frozen=True)
class ReconcileHandler:
    """The timer's command. It sends the same commands that events send, so that lost events do no harm."""

    context: ServiceContext
    registrations: MissedRegistrations
    waiting: WaitingWork
    runner: JobRunner
    catching_up: CatchingUp
    limits: JobLimitChecks
    delays: DelayedWork
    undelivered: UndeliveredWork
    presence: ModelPresence

    def handle(self, command: Reconcile) -> Follows:
        self.runner.budgets.end_pauses()
        self.runner.budgets.check_all(command.cause)
        self.waiting.release_left_over()
        self.undelivered.take_up()
        config, ledger = self.context.config(), self.context.ledger
        now, cause = self.context.now(), command.cause
        models = ledger.models()
        jobs = ledger.jobs(open_only=True)
        open_jobs, scored = {job.name for job in jobs}, list[Partition]()
        waiting: list[Waiting] = list(waiting_jobs(jobs))
        to_check = [*self.runner.changed(jobs), *self.limits.due(jobs, config)]
        due: list[AnyCommand] = list(due_jobs(to_check, config, cause))
        seen = ledger.feeds()
        for name, feed in config.feeds.items():
            try:
                record = seen.get(name) or self.catching_up.feeds.first_seen(name)
            except TidegateError as error:
                # The check meets the same error, and then the worker tells people. The other feeds go on.
                log.warning("feed_not_listed", feed=name, error=str(error))
                present = current_partition(feed.path.period, now, config.timezone)
                due.append(CheckPartition(cause=cause, feed=name, partition=present))
                continue
            records = ledger.partitions(name)
            scored += [record for record in records if _is_live(record)]
            waiting += waiting_partitions(records)
            partitions = due_partitions(feed, records, now, config.timezone)
            due += [CheckPartition(cause=cause, feed=name, partition=partition) for partition in partitions]
            due += due_scorings(feed, records, cause, open_jobs)
            due += self.catching_up.scorings_in_turn(record, records, cause)
            due += due_set_trainings(name, records, models, config, cause)
        versions = ledger.model_versions()
        due += due_versions(versions, config, cause, open_jobs)
        due += self.presence.check(config, models, versions, scored, cause)
        due += self.registrations.find(config, cause)
        due += due_models(models, config, now, cause, open_jobs)
        delays = ledger.delays()
        due += self.delays.lost(delays, cause)
        due += due_backfills(ledger.backfills(open_only=True), config, cause)
        due += due_archive(config, now, cause)
        unsent = self._unsent(now)
        due += due_activities(unsent, now, cause)
        waiting += [
            *waiting_models(models, versions),
            *waiting_retries(delays),
            *waiting_notifications(unsent),
        ]
        commands = list(dict.fromkeys(due))
        for summary in unfinished(waiting, now):
            log.info("unfinished_work", **vars(summary))
        log.info("timer_completed", commands=len(commands))
        return [Next(command) for command in commands]

    def _unsent(self, now: datetime) -> list[Activity]:
        """Return the activities that are still to be sent. Those that are too old for it are forgotten."""
        ledger = self.context.ledger
        ledger.add_open_of_earlier_releases()
        activities = ledger.unsent_activities()
        for old in activities:
            if now - old.at >= OLD_NEWS:
                ledger.forget_unsent(old)
        return [activity for activity in activities if now - activity.at < OLD_NEWS]


def _is_live(record: Partition) -> bool:
    return any(not claim.generation.state.final for claim in record.claims)
