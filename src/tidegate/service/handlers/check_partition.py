"""CheckPartition: list a partition's files and, if they are complete, make a registered version of them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.config.schema import Feed
from tidegate.domain.activities import partition_texts, scoring_texts
from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.feed_texts import outside_sentences
from tidegate.domain.activities.partition_texts import ListedFiles
from tidegate.domain.activities.subjects import partition_subject
from tidegate.domain.effects import Act
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
from tidegate.domain.partitions.looks import (
    is_replaced,
    next_look,
    pending_check,
    replaces_check,
    with_arrivals,
)
from tidegate.domain.partitions.omissions import left_out_of, list_to_announce
from tidegate.domain.partitions.preview import what_is_missing
from tidegate.domain.partitions.records import Partition
from tidegate.messages.commands import CheckPartition, Follows, Next, ScorePartition
from tidegate.service.context import ServiceContext
from tidegate.service.event_tally import EventTally
from tidegate.service.steps.outside_files import OutsideFiles
from tidegate.service.steps.version_registration import VersionRegistration

_MAX_DELAY = timedelta(hours=1)
_LISTED_AT_AGE = timedelta(hours=1)  # `listed_at` in the record is updated only if it is older than this


@dataclass(frozen=True)
class CheckPartitionHandler:
    """A check with a due time waits until that time. If a later check has replaced it, it does nothing.

    Thus a burst of files is listed once, after its last file. Large partitions are listed rarely, too.
    """

    context: ServiceContext
    versions: VersionRegistration
    outside: OutsideFiles
    tally: EventTally

    def handle(self, command: CheckPartition) -> Follows:
        now, feed = self.context.now(), self.context.feed(command.feed)
        record = self.context.ledger.partition(command.feed, command.partition)
        replaced = command.due and is_replaced(record, command.due)
        if replaced or not feed.covers(command.partition):
            self.tally.add_replaced(command)
            return []
        if command.due and now < command.due:
            return self._wait_for_burst(command, command.due, record)
        if command.due and command.due != record.check_due and now < (free_at := next_look(record)):
            record.check_due = free_at
            self.context.ledger.save(record)
            return [_check_at(free_at, command, now)]
        self._record_events(command)
        return self._check(command.model_copy(update={"origin": None}), feed, record)

    def _record_events(self, command: CheckPartition) -> None:
        """Record the blob events that this look covers: one record, however many blobs arrived."""
        if origin := self.tally.of_look(command):
            subject = partition_subject(command.feed, command.partition)
            act = Act(command.cause, command.kind, self.context.now(), origin)
            self.context.ledger.effects.add_look(act.effect(subject))

    def _wait_for_burst(self, command: CheckPartition, due: datetime, record: Partition) -> Follows:
        """Record the check that a new file asks for, so that it replaces the checks of earlier files."""
        now = self.context.now()
        if due != record.check_due and replaces_check(record, due, now):
            self.versions.feeds.first_seen(command.feed)
            if pending_check(record, now) is None:
                record.arriving_since = now
            record.check_due = due
            self.context.ledger.save(record)
        return [_check_at(due, command, now)]

    def _check(self, command: CheckPartition, feed: Feed, record: Partition) -> Follows:
        """List the files, take the decision, and carry it out."""
        config, now = self.context.config(), self.context.now()
        installed = self.versions.feeds.first_seen(command.feed)
        outside = self.outside.look(feed, installed, command.cause)
        unfinished = [*outside, *self.versions.complete(feed, record, command.cause)]
        listing = with_arrivals(record, self.versions.compared_files(feed, record), now)
        deadline = deadline_of(feed.deadline, command.partition, config.timezone) if feed.deadline else None
        record.deadline_announced |= was_due_before(installed, record, deadline)
        if deadline and lacks_result(feed, record, deadline, now):
            unfinished = [*unfinished, self._announce_missing_result(record, deadline, command.cause)]
        decision = decide_completeness(feed, record, listing, now, deadline)
        left_out = left_out_of(feed, listing, decision)
        changed = (left_out, listing.arrived_at) != (record.left_out, record.arrived_at)
        changed |= record.listed_at is None or now - record.listed_at >= _LISTED_AT_AGE
        record.left_out, record.arrived_at = left_out, listing.arrived_at
        changed |= listing.count != record.listed_files
        record.listed_at, record.listed_old = now, listing.older_than(now)
        record.listed_files = listing.count
        follows: Follows = []
        match decision:
            case NewVersion() as new:
                added = self.versions.add(feed, record, new, command.cause)
                return [*(step for step in unfinished if not _is_overtaken(step, record)), *added]
            case ScoreAgain():
                if self.versions.looks.remember(feed, record, listing):
                    self.context.ledger.save(record)
                follows = [_score_again(record, command.cause)]
            case WaitForFiles() as wait:
                if list_file := list_to_announce(feed, record, listing, now):
                    record.missing_announced, changed = list_file.etag, True
                    trigger = Trigger(now, command.cause)
                    missing_files = partition_texts.files_missing(record, list_file, trigger)
                    unfinished = [*unfinished, self.context.announce(missing_files)]
                if wait.late and deadline:
                    outside = self.outside.look(feed, installed, command.cause, now_due=True)
                    listed = ListedFiles(len(listing.files), outside_sentences(installed))
                    missing, trigger = what_is_missing(feed, listing, now), Trigger(now, command.cause)
                    late = partition_texts.late(record, deadline, listed, missing, trigger)
                    unfinished = [*unfinished, *outside, self._announce_late(late, record)]
                follows = self._wait(command, record, wait, changed=changed)
            case ChangedAfterCompletion() as change:
                follows = [self._announce_change(command, record, change)]
            case Unchanged():
                changed |= self.versions.looks.remember(feed, record, listing)
                waited, record.check_due = record.check_due, pending_check(record, now)
                if changed or waited != record.check_due:
                    self.context.ledger.save(record)
        return [*unfinished, *follows]

    def _wait(
        self, command: CheckPartition, record: Partition, wait: WaitForFiles, *, changed: bool
    ) -> list[Next]:
        """Send one delayed check for each `check_due`. If it is lost, the timer sends another."""
        now = self.context.now()
        due = max(filter(None, (wait.until, pending_check(record, now))), default=None)
        if due == record.check_due:
            if changed or wait.late:
                self.context.ledger.save(record)
            return []
        record.check_due = due
        self.context.ledger.save(record)
        return [_check_at(due, command, now)] if due else []

    def _announce_missing_result(self, record: Partition, deadline: datetime, cause: str) -> Next:
        not_scored = scoring_texts.not_scored(record, deadline, Trigger(self.context.now(), cause))
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
        record.check_due = pending_check(record, self.context.now())
        self.context.ledger.save(record)
        return announced


def _check_at(due: datetime, command: CheckPartition, now: datetime) -> Next:
    check = command.model_copy(update={"due": due, "tries": 0, "first_tried": None, "delay_announced": False})
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
