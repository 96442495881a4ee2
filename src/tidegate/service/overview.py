"""Read what a person sees first, from a fixed number of table queries besides one for each feed shown."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import partial

from tidegate.domain import needs
from tidegate.domain.lifecycle.records import Model, ModelVersion
from tidegate.domain.overview import FeedRow, ModelRow, NeedItem, Overview, Status
from tidegate.domain.partitions.calendar import partition_before
from tidegate.domain.partitions.catch_up import FeedRecord
from tidegate.domain.partitions.records import Partition
from tidegate.domain.partitions.standing import FeedCalendar, PartitionStanding, standings
from tidegate.service.context import ServiceContext
from tidegate.service.reads import begin
from tidegate.service.steps.undelivered import UndeliveredWork

NEWEST_PARTITIONS = 12
_LAST_ACTIVITIES = 12
_FEEDS_OF_MODEL = 10  # whose partitions are looked through for a version
_SPARE = 2  # periods without a record: the present one, before its files arrive, and another
_LATEST = "9"  # follows the name of each partition


class _StatusReads:
    """The reads of what waits for a person. They begin at once, and a call waits for the result of one."""

    def __init__(self, context: ServiceContext, undelivered: UndeliveredWork) -> None:
        ledger = context.ledger
        self.versions = begin(ledger.model_versions)
        self.jobs = begin(ledger.jobs)
        self.for_attention = begin(ledger.partitions_for_attention)
        self.installed = begin(ledger.feeds)
        self.failures = begin(ledger.open_failures)
        self.undelivered = begin(undelivered.count)
        self.pauses = begin(ledger.pauses)
        self.delays = begin(ledger.delays)


@dataclass(frozen=True)
class OverviewService:
    """Reads the state of an installation for people."""

    context: ServiceContext
    undelivered: UndeliveredWork

    def read(self, feeds: Sequence[str]) -> Overview:
        """Return the overview with the newest partitions of these feeds."""
        ledger, reads = self.context.ledger, _StatusReads(self.context, self.undelivered)
        models, activities = begin(ledger.models), begin(partial(ledger.newest_activities, _LAST_ACTIVITIES))
        newest = {feed: begin(partial(self._newest, feed)) for feed in feeds}
        return Overview(
            status=self._status(reads),
            feeds=tuple(self._row(feed, newest[feed](), reads.installed()) for feed in feeds),
            models=tuple(self._models(models(), reads.versions())),
            activities=tuple(activities()),
        )

    def status(self) -> Status:
        """Return what waits for a person, runs and is retried."""
        return self._status(_StatusReads(self.context, self.undelivered))

    def partitions(self, feed: str) -> list[str]:
        """Return the names of the expected and the recorded partitions of a feed, newest first."""
        names = self.context.ledger.partition_names(feed)
        return sorted({*names, *self._calendar(feed).expected()}, reverse=True)

    def newest(
        self, feed: str, count: int, before: str | None = None, among: Container[str] | None = None
    ) -> list[Partition]:
        """Return the newest partitions of a feed with a record, newest first, before another name.

        Tables cannot be read backwards. So those of the newest periods are read. Only if these are too few,
        the names of all are.
        """
        ledger, last = self.context.ledger, before or _LATEST
        if among is None:
            first = self._window(feed, before, count + _SPARE)
            records = [row for row in ledger.partitions_between(feed, first, last) if row.partition < last]
            if len(records) >= count or not first:
                return records[: -count - 1 : -1]
        names = [name for name in ledger.partition_names(feed) if among is None or name in among]
        chosen = [name for name in names if name < last][-count:]
        records = ledger.partitions_between(feed, chosen[0], chosen[-1]) if chosen else []
        return [record for record in reversed(records) if record.partition in chosen]

    def _window(self, feed: str, before: str | None, count: int) -> str:
        """Return the first of so many periods, or an empty text if the feed began later."""
        calendar = self._calendar_of(feed, None)
        try:
            first = partition_before(before or calendar.present, count)
        except ValueError:  # callers may write any name
            return ""
        return first if first > calendar.feed.starts else ""

    def standings(self, feed: str, partitions: Sequence[str]) -> list[PartitionStanding]:
        """Return where these partitions of a feed stand, which follow each other, newest first."""
        if not partitions:
            return []
        records = self.context.ledger.partitions_between(feed, partitions[-1], partitions[0])
        by_name = {record.partition: record for record in records}
        return list(standings(self._calendar(feed), by_name, list(partitions)))

    def standing(self, record: Partition) -> PartitionStanding:
        """Return where a partition stands."""
        return self._calendar(record.feed).standing(record.partition, record)

    def versions(self, model: str, names: Sequence[str]) -> list[ModelVersion]:
        """Return the records of these versions of a model, in this order."""
        reads = [begin(partial(self.context.ledger.model_version, model, name)) for name in names]
        return [record for read in reads if (record := read())]

    def scored_by(self, version: ModelVersion) -> list[Partition]:
        """Return the partitions whose published result is from a model version, newest first.

        These are partitions of the newest twelve of each feed that is scored with the model.
        """
        feeds = self.context.config().feeds
        named = [name for name, feed in feeds.items() if feed.score.model.partition(":")[0] == version.model]
        newest = {name: begin(partial(self._newest, name)) for name in named[:_FEEDS_OF_MODEL]}
        numbers = {
            "development": version.version,
            "production": version.promotion.production_version if version.promotion else None,
        }
        records = [
            record
            for name, read in newest.items()
            for record in read()
            if _result_model(record) == (version.model, numbers[feeds[name].workspace])
        ]
        return sorted(records, key=lambda record: (record.partition, record.feed), reverse=True)

    def models(self) -> list[ModelRow]:
        """Return the models that have a policy or a record, with their open versions."""
        ledger = self.context.ledger
        versions, models = begin(ledger.model_versions), begin(ledger.models)
        return self._models(models(), versions())

    def _status(self, reads: _StatusReads) -> Status:
        return Status(
            needs=tuple(self._needs(reads)),
            jobs=tuple(sorted(reads.jobs(), key=lambda job: job.submitted_at, reverse=True)),
            delays=tuple(sorted(reads.delays(), key=lambda delay: delay.since)),
            at=self.context.now(),
        )

    def _needs(self, reads: _StatusReads) -> list[NeedItem]:
        counts, attention = reads.undelivered(), self._attention(reads.for_attention(), reads.installed())
        return [
            *needs.approvals(reads.versions(), self.context.policy),
            *needs.stuck_jobs(reads.jobs()),
            *needs.stuck_rollouts(reads.versions()),
            *needs.failed_partitions(attention),
            *needs.late_partitions(attention),
            *needs.open_failures(reads.failures()),
            *needs.undelivered(counts.dead_letters, counts.poison_messages),
            *needs.paused(reads.pauses()),
        ]

    def _attention(
        self, records: Sequence[Partition], installed: dict[str, FeedRecord]
    ) -> list[PartitionStanding]:
        """Return where the partitions stand that may be failed or late, newest first."""
        feeds = self.context.config().feeds
        rows = [
            self._calendar_of(record.feed, installed.get(record.feed)).standing(record.partition, record)
            for record in records
            if record.feed in feeds
        ]
        return sorted(rows, key=lambda row: (row.partition, row.feed), reverse=True)

    def _calendar(self, feed: str) -> FeedCalendar:
        return self._calendar_of(feed, self.context.ledger.feed(feed))

    def _calendar_of(self, feed: str, installed: FeedRecord | None) -> FeedCalendar:
        config = self.context.config()
        return FeedCalendar(feed, config.feeds[feed], installed, self.context.now(), config.timezone)

    def _newest(self, feed: str) -> list[Partition]:
        expected = self._calendar_of(feed, None).newest_expected(NEWEST_PARTITIONS)
        return self.context.ledger.partitions_since(feed, expected[0] if expected else "")

    def _row(self, feed: str, newest: Sequence[Partition], installed: dict[str, FeedRecord]) -> FeedRow:
        """Return a feed with its newest partitions, expected or recorded."""
        calendar = self._calendar_of(feed, installed.get(feed))
        records = {record.partition: record for record in newest}
        expected = calendar.newest_expected(NEWEST_PARTITIONS)
        partitions = sorted({*expected, *records})[-NEWEST_PARTITIONS:]
        return FeedRow(feed, calendar.feed.score.model, tuple(standings(calendar, records, partitions)))

    def _models(self, models: Sequence[Model], versions: Sequence[ModelVersion]) -> list[ModelRow]:
        """Return the models that have a policy or a record, with their open versions."""
        policies = self.context.config().models
        records = {record.model: record for record in models}
        open_versions: dict[str, list[ModelVersion]] = {}
        for version in versions:
            open_versions.setdefault(version.model, []).append(version)
        return [
            ModelRow(
                records.get(name, Model(model=name)), policies.get(name), tuple(open_versions.get(name, ()))
            )
            for name in dict.fromkeys([*policies, *records])
        ]


def _result_model(record: Partition) -> tuple[str, str] | None:
    """Return the model and the version that made a partition's published result, or None."""
    claim = next((claim for claim in record.claims if claim.name == record.result), None)
    return (claim.generation.model_name, claim.generation.model_version) if claim else None
