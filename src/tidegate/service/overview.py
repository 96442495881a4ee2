"""Read what a person sees first, from a fixed number of table queries besides one for each feed shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from tidegate.domain import needs
from tidegate.domain.delays import Delay
from tidegate.domain.jobs.records import Job
from tidegate.domain.lifecycle.records import Model, ModelVersion
from tidegate.domain.overview import FeedRow, ModelRow, NeedItem, Overview
from tidegate.domain.partitions.catch_up import FeedRecord
from tidegate.domain.partitions.records import Partition
from tidegate.domain.partitions.standing import FeedCalendar, PartitionStanding, standings
from tidegate.service.context import ServiceContext
from tidegate.service.steps.undelivered import UndeliveredWork

NEWEST_PARTITIONS = 12
_LAST_ACTIVITIES = 12


@dataclass(frozen=True)
class OverviewService:
    """Reads the state of an installation for people."""

    context: ServiceContext
    undelivered: UndeliveredWork

    def read(self, feeds: Sequence[str]) -> Overview:
        """Return the overview with the newest partitions of these feeds."""
        reading = _Reading(self.context)
        return Overview(
            needs=tuple(self._needs(reading)),
            feeds=tuple(reading.row(name) for name in feeds),
            models=tuple(reading.models()),
            jobs=tuple(sorted(reading.jobs, key=lambda job: job.submitted_at, reverse=True)),
            delays=tuple(sorted(reading.delays, key=lambda delay: delay.since)),
            activities=tuple(self.context.ledger.newest_activities(_LAST_ACTIVITIES)),
            at=self.context.now(),
        )

    def needs(self) -> list[NeedItem]:
        """Return what waits for a person."""
        return self._needs(_Reading(self.context))

    def standings(self, feed: str) -> list[PartitionStanding]:
        """Return where each expected or recorded partition of a feed stands, newest first."""
        records = {record.partition: record for record in self.context.ledger.partitions(feed)}
        calendar = _Reading(self.context).calendar(feed)
        partitions = sorted({*records, *calendar.expected()}, reverse=True)
        return list(standings(calendar, records, partitions))

    def standing(self, record: Partition) -> PartitionStanding:
        """Return where a partition stands."""
        return _Reading(self.context).calendar(record.feed).standing(record.partition, record)

    def models(self) -> list[ModelRow]:
        """Return the models that have a policy or a record, with their open versions."""
        return _Reading(self.context).models()

    def _needs(self, reading: "_Reading") -> list[NeedItem]:
        ledger, counts = self.context.ledger, self.undelivered.count()
        return [
            *needs.approvals(reading.versions, self.context.policy),
            *needs.stuck_jobs(reading.jobs),
            *needs.stuck_rollouts(reading.versions),
            *needs.failed_partitions(reading.attention),
            *needs.late_partitions(reading.attention),
            *needs.open_failures(ledger.failures()),
            *needs.undelivered(counts.dead_letters, counts.poison_messages),
            *needs.paused(ledger.pauses()),
        ]


class _Reading:
    """What one request reads from the ledger, each table once."""

    def __init__(self, context: ServiceContext) -> None:
        self._context = context

    @cached_property
    def jobs(self) -> list[Job]:
        return self._context.ledger.jobs()

    @cached_property
    def delays(self) -> list[Delay]:
        return self._context.ledger.delays()

    @cached_property
    def versions(self) -> list[ModelVersion]:
        return self._context.ledger.model_versions()

    @cached_property
    def attention(self) -> list[PartitionStanding]:
        """Where the partitions stand that may be failed or late, newest first."""
        feeds = self._context.config().feeds
        records = [
            record for record in self._context.ledger.partitions_for_attention() if record.feed in feeds
        ]
        rows = [self.calendar(record.feed).standing(record.partition, record) for record in records]
        return sorted(rows, key=lambda row: (row.partition, row.feed), reverse=True)

    @cached_property
    def _installed(self) -> dict[str, FeedRecord]:
        return self._context.ledger.feeds()

    def calendar(self, name: str) -> FeedCalendar:
        config = self._context.config()
        now, timezone = self._context.now(), config.timezone
        return FeedCalendar(name, config.feeds[name], self._installed.get(name), now, timezone)

    def row(self, name: str) -> FeedRow:
        """Return a feed with its newest partitions, expected or recorded."""
        calendar = self.calendar(name)
        expected = calendar.expected()[-NEWEST_PARTITIONS:]
        records = self._records(name, expected[0] if expected else "")
        partitions = sorted({*expected, *records})[-NEWEST_PARTITIONS:]
        return FeedRow(name, calendar.feed.score.model, tuple(standings(calendar, records, partitions)))

    def _records(self, feed: str, first: str) -> dict[str, Partition]:
        records = self._context.ledger.partitions_since(feed, first)
        return {record.partition: record for record in records}

    def models(self) -> list[ModelRow]:
        """Return the models that have a policy or a record, with their open versions."""
        policies = self._context.config().models
        records = {record.model: record for record in self._context.ledger.models()}
        open_versions: dict[str, list[ModelVersion]] = {}
        for version in self.versions:
            open_versions.setdefault(version.model, []).append(version)
        return [
            ModelRow(
                records.get(name, Model(model=name)), policies.get(name), tuple(open_versions.get(name, ()))
            )
            for name in dict.fromkeys([*policies, *records])
        ]
