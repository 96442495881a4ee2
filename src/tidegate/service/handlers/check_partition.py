"""CheckPartition: list a partition's files and, if they are complete, make a registered version of them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.domain.activities import partition_texts
from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.partitions.calendar import deadline_of
from tidegate.domain.partitions.catch_up import lacks_result, was_due_before
from tidegate.domain.partitions.completeness import (
    ChangedAfterCompletion,
    NewVersion,
    ScoreAgain,
    Unchanged,
    WaitForFiles,
    decide_completeness,
)
from tidegate.domain.partitions.preview import what_is_missing
from tidegate.domain.partitions.records import Partition
from tidegate.messages.commands import CheckPartition, Follows, Next, ScorePartition
from tidegate.service.context import ServiceContext
from tidegate.service.steps.version_registration import VersionRegistration

_MAX_DELAY = timedelta(hours=1)
_LISTED_AT_AGE = timedelta(hours=1)  # `listed_at` in the record is updated only if it is older than this


@dataclass(frozen=True)
class CheckPartitionHandler:
    """A check with a due time waits until that time. If a later check has replaced it, it does nothing."""

    context: ServiceContext
    versions: VersionRegistration

    def handle(self, command: CheckPartition) -> Follows:
        config, now, feed = self.context.config(), self.context.now(), self.context.feed(command.feed)
        if command.due and now < command.due:
            return [_check_at(command.due, command, now)]
        record = self.context.ledger.partition(command.feed, command.partition)
        replaced = command.due and record.check_due and command.due < record.check_due
        if replaced or not feed.covers(command.partition):
            return []
        installed = self.versions.feeds.first_seen(command.feed)
        unfinished = self.versions.complete(feed, record, command.cause)
        listing = self.versions.list_files(feed, command.partition)
        deadline = deadline_of(feed.deadline, command.partition, config.timezone) if feed.deadline else None
        record.deadline_announced |= was_due_before(installed, record, deadline)
        if deadline and lacks_result(feed, record, deadline, now):
            unfinished = [*unfinished, self._announce_missing_result(record, deadline, command.cause)]
        follows: Follows = []
        match decide_completeness(feed, record, listing, now, deadline):
            case NewVersion() as new:
                added = self.versions.add(feed, record, new, command.cause)
                return [*(step for step in unfinished if not _is_overtaken(step, record)), *added]
            case ScoreAgain():
                follows = [_score_again(record, command.cause)]
            case WaitForFiles() as wait:
                if wait.late and deadline:
                    files, missing = len(listing.files), what_is_missing(feed, listing, now)
                    late = partition_texts.late(record, deadline, files, missing, Trigger(now, command.cause))
                    unfinished = [*unfinished, self._announce_late(late, record)]
                follows = self._wait(command, record, wait, now)
            case ChangedAfterCompletion() as change:
                follows = [self._announce_change(command, record, change)]
            case Unchanged():
                waited, record.check_due = record.check_due, None
                self._save_listing(record, now, changed=waited is not None)
        return [*unfinished, *follows]

    def _wait(
        self, command: CheckPartition, record: Partition, wait: WaitForFiles, now: datetime
    ) -> list[Next]:
        """Send one delayed check for each `check_due`. If it is lost, the timer sends another."""
        if wait.until == record.check_due:
            self._save_listing(record, now, changed=wait.late)
            return []
        record.check_due = wait.until
        self._save_listing(record, now, changed=True)
        return [_check_at(wait.until, command, now)] if wait.until else []

    def _announce_missing_result(self, record: Partition, deadline: datetime, cause: str) -> Next:
        not_scored = partition_texts.not_scored(record, deadline, Trigger(self.context.now(), cause))
        announced = self._announce_late(not_scored, record)
        self.context.ledger.save(record)
        return announced

    def _announce_late(self, late: Activity, record: Partition) -> Next:
        record.deadline_announced = True
        return self.context.announce(late)

    def _announce_change(
        self, command: CheckPartition, record: Partition, change: ChangedAfterCompletion
    ) -> Next:
        trigger = Trigger(self.context.now(), command.cause)
        announced = self.context.announce(partition_texts.changed(record, change.hash, change.why, trigger))
        record.late_announced = [*record.late_announced[-19:], change.hash]
        record.check_due = None
        self._save_listing(record, self.context.now(), changed=True)
        return announced

    def _save_listing(self, record: Partition, now: datetime, *, changed: bool) -> None:
        """Save the record if it changed, or if its last listing is long ago."""
        if changed or record.listed_at is None or now - record.listed_at >= _LISTED_AT_AGE:
            record.listed_at = now
            self.context.ledger.save(record)


def _check_at(due: datetime, command: CheckPartition, now: datetime) -> Next:
    check = CheckPartition(cause=command.cause, feed=command.feed, partition=command.partition, due=due)
    return Next(check, min(due - now, _MAX_DELAY))


def _score_again(record: Partition, cause: str) -> Next:
    """Return the command that scores the last version as its next generation."""
    version = record.versions[-1]
    return Next(
        ScorePartition(
            cause=cause,
            feed=record.feed,
            partition=record.partition,
            version=version.number,
            generation=len(version.generations) + 1,
        )
    )


def _is_overtaken(step: Next, record: Partition) -> bool:
    """Return whether a command would score a version that is no longer the latest and was never claimed."""
    command = step.command
    if not isinstance(command, ScorePartition) or record.claim(command.version, command.generation):
        return False
    return record.latest is not None and command.version != record.latest.number
