"""The ledger in Azure Tables: which table and which row holds each record, and how records are found."""

from itertools import takewhile
from typing import TYPE_CHECKING

from tidegate.cloud.activity_rows import ACTIVITIES, NEWEST_TABLE, OPEN_ACTIVITIES, ActivityRows
from tidegate.cloud.azure_errors import azure_errors
from tidegate.cloud.connection import client_options
from tidegate.cloud.effect_rows import EFFECTS, EffectRows
from tidegate.cloud.history_rows import MOVES, HistoryRows
from tidegate.cloud.table_rows import TableRows, row_key
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.channel_record import ChannelRecord
from tidegate.domain.activities.newest import NewestActivity
from tidegate.domain.backfills.records import Backfill
from tidegate.domain.delays import Delay
from tidegate.domain.jobs.records import Job
from tidegate.domain.ledger_record import LedgerRecord
from tidegate.domain.lifecycle.names import version_order
from tidegate.domain.lifecycle.records import Model, ModelVersion
from tidegate.domain.partitions.catch_up import FeedRecord
from tidegate.domain.partitions.records import Partition
from tidegate.domain.partitions.standing import may_need_attention
from tidegate.domain.pauses import Pause, WaitingCommand

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_BACKFILL_TABLE = "tidegateBackfills"
_CHANNELS_TABLE = "tidegateChannels"
TABLES = (
    "tidegatePartitions",
    "tidegateJobs",
    ACTIVITIES,
    "tidegateModels",
    "tidegateModelVersions",
    "tidegatePauses",
    "tidegateWaiting",
    "tidegateFeeds",
    "tidegateDelays",
    EFFECTS,
    MOVES,
    NEWEST_TABLE,
    OPEN_ACTIVITIES,
    _BACKFILL_TABLE,
    _CHANNELS_TABLE,
)
_PAUSE_ROW = "pause"  # one row for each target
_MODEL_ROW = "model"  # one row for each model name
_FEED_ROW = "feed"  # one row for each feed
_CHANNEL_ROW = "channel"  # one row for each channel that has ever failed


class Ledger:
    """The records of feeds, partitions, backfills, jobs, models, versions, activities, pauses and so on.

    `effects` has what each cause led to. A table is created when the first record is written to it.
    """

    def __init__(self, *, account: str, credential: "TokenCredential") -> None:
        self._partitions = TableRows(TABLES[0], Partition, account=account, credential=credential)
        self._jobs = TableRows(TABLES[1], Job, account=account, credential=credential)
        self._models = TableRows(TABLES[3], Model, account=account, credential=credential)
        self._versions = TableRows(TABLES[4], ModelVersion, account=account, credential=credential)
        self._pauses = TableRows(TABLES[5], Pause, account=account, credential=credential)
        self._waiting = TableRows(TABLES[6], WaitingCommand, account=account, credential=credential)
        self._feeds = TableRows(TABLES[7], FeedRecord, account=account, credential=credential)
        self._delays = TableRows(TABLES[8], Delay, account=account, credential=credential)
        self.history = HistoryRows(account=account, credential=credential)
        self.effects = EffectRows(account=account, credential=credential)
        self._activities = ActivityRows(account=account, credential=credential, effects=self.effects)
        self._backfills = TableRows(_BACKFILL_TABLE, Backfill, account=account, credential=credential)
        self._channels = TableRows(_CHANNELS_TABLE, ChannelRecord, account=account, credential=credential)

    def feed(self, name: str) -> FeedRecord | None:
        """Return the feed's record, or None if the service has not seen the feed yet."""
        return self._feeds.get(name, _FEED_ROW)

    def feeds(self) -> dict[str, FeedRecord]:
        """Return the records of all feeds by name."""
        return {record.feed: record for record in self._feeds.query("")}

    def partition(self, feed: str, partition: str) -> Partition:
        """Return the partition's record, or a new one (its `etag` is None) if there is none."""
        return self._partitions.get(feed, partition) or Partition(feed=feed, partition=partition)

    def partitions(self, feed: str) -> list[Partition]:
        return list(self._partitions.query("PartitionKey eq @key", key=row_key(feed)))

    def partition_names(self, feed: str) -> list[str]:
        """Return the names of a feed's partitions, oldest first, without reading their records."""
        return self._partitions.rows(feed)

    def partitions_between(self, feed: str, first: str, last: str) -> list[Partition]:
        """Return the partitions of a feed from one to another, oldest first."""
        condition = "PartitionKey eq @key and RowKey ge @first and RowKey le @last"
        return list(self._partitions.query(condition, key=row_key(feed), first=first, last=last))

    def partitions_since(self, feed: str, first: str) -> list[Partition]:
        """Return the partitions of a feed from this one on."""
        condition = "PartitionKey eq @key and RowKey ge @first"
        return list(self._partitions.query(condition, key=row_key(feed), first=row_key(first)))

    def partitions_for_attention(self) -> list[Partition]:
        """Return the partitions of all feeds that may be failed or late."""
        return list(self._partitions.query("attention eq true"))

    def backfill(self, feed: str, id: str) -> Backfill | None:
        return self._backfills.get(feed, id)

    def backfills(self, feed: str | None = None, *, open_only: bool = False) -> list[Backfill]:
        """Return the backfills of one feed, or of all feeds, oldest first."""
        conditions = [
            *(["PartitionKey eq @key"] if feed else []),
            *(["final eq false"] if open_only else []),
        ]
        keys = {"key": row_key(feed)} if feed else {}
        backfills = self._backfills.query(" and ".join(conditions), **keys)
        return sorted(backfills, key=lambda backfill: backfill.requested_at)

    def job(self, workspace: str, name: str) -> Job | None:
        return self._jobs.get(workspace, name)

    def jobs(self, *, open_only: bool = True) -> list[Job]:
        return list(self._jobs.query("final eq false" if open_only else ""))

    def jobs_of_partition(self, workspace: str, feed: str, partition: str) -> list[Job]:
        """Return the scoring jobs of a partition, ended or not."""
        prefix = row_key(f"score-{feed}-{partition}-")
        condition = "PartitionKey eq @key and RowKey ge @first and RowKey lt @after"
        return list(self._jobs.query(condition, key=row_key(workspace), first=prefix, after=prefix + "~"))

    def jobs_of_month(self, month: str | None = None) -> list[Job]:
        """Return the jobs that were submitted in a month (`202611`), or all jobs."""
        condition, keys = ("month eq @month", {"month": month}) if month else ("", {})
        return list(self._jobs.query(condition, **keys))

    def jobs_like(self, job: Job) -> list[Job]:
        """Return the jobs of the same kind and the same feed or model as this one, ended or not."""
        word, _, rest = job.name.partition("-")
        common = takewhile(lambda pair: pair[0] == pair[1], zip(rest, job.owner, strict=False))
        prefix = f"{word}-{''.join(letter for letter, _ in common)}"
        condition = "PartitionKey eq @key and RowKey ge @first and RowKey lt @after"
        rows = self._jobs.query(
            condition, key=row_key(job.workspace), first=row_key(prefix), after=row_key(prefix) + "~"
        )
        return [row for row in rows if (row.kind, row.owner) == (job.kind, job.owner)]

    def model(self, name: str) -> Model:
        """Return the model's record, or a new one (its `etag` is None) if there is none."""
        return self._models.get(name, _MODEL_ROW) or Model(model=name)

    def models(self) -> list[Model]:
        return list(self._models.query(""))

    def model_version(self, model: str, version: str) -> ModelVersion | None:
        """Return the record of a version, given by its number in the development workspace."""
        return self._versions.get(model, version)

    def version_names(self, model: str) -> list[str]:
        """Return the names of a model's versions, the highest first, without reading their records."""
        return sorted(self._versions.rows(model), key=version_order, reverse=True)

    def model_versions(self, model: str | None = None, *, open_only: bool = True) -> list[ModelVersion]:
        """Return the versions of one model, or of all models, oldest first."""
        conditions = [
            *(["PartitionKey eq @key"] if model else []),
            *(["final eq false"] if open_only else []),
        ]
        keys = {"key": row_key(model)} if model else {}
        versions = self._versions.query(" and ".join(conditions), **keys)
        return sorted(versions, key=lambda version: version.registered_at)

    def activity(self, subject: str, id: str) -> Activity | None:
        return self._activities.get(subject, id)

    def activities(self, subject: str) -> list[Activity]:
        """Return the activities of a subject, oldest first."""
        return self._activities.of(subject)

    def newest_activities(self, limit: int, after: str | None = None) -> list[NewestActivity]:
        """Return the newest activities of all subjects, newest first, after one with this `position`."""
        return self._activities.newest(limit, after)

    def unsent_activities(self) -> list[Activity]:
        """Return the activities that were not sent to every channel yet, newest first."""
        return self._activities.unsent()

    def open_failures(self) -> list[Activity]:
        """Return the permanent failures that wait for a person, newest first."""
        return self._activities.open_failures()

    def failures(self) -> list[Activity]:
        """Return all permanent failures, newest first, also those that are over. This takes long."""
        return self._activities.failures()

    def pause(self, target: str) -> Pause | None:
        return self._pauses.get(target, _PAUSE_ROW)

    def pauses(self) -> list[Pause]:
        return list(self._pauses.query(""))

    def waiting_command(self, target: str, id: str) -> WaitingCommand | None:
        return self._waiting.get(target, id)

    def waiting(self, target: str | None = None) -> list[WaitingCommand]:
        """Return the commands that wait for the end of one pause, or of any, oldest first."""
        keys = {"key": row_key(target)} if target else {}
        rows = self._waiting.query("PartitionKey eq @key" if target else "", **keys)
        return sorted(rows, key=lambda row: row.since)

    def delay(self, subject: str, id: str) -> Delay | None:
        return self._delays.get(subject, id)

    def delays(self, subject: str | None = None) -> list[Delay]:
        """Return the delayed and failed work of one subject, or of all."""
        keys = {"key": row_key(subject)} if subject else {}
        return list(self._delays.query("PartitionKey eq @key" if subject else "", **keys))

    def channel(self, key: str) -> ChannelRecord | None:
        """Return the record of a channel, or None if the channel has never failed."""
        return self._channels.get(key, _CHANNEL_ROW)

    def save_channel(self, record: ChannelRecord) -> None:
        self._channels.save(record.channel, _CHANNEL_ROW, record)

    def channels(self) -> list[ChannelRecord]:
        return list(self._channels.query(""))

    def add_activity(self, activity: Activity) -> bool:
        """Record an activity unless it is recorded already. Return whether it was new."""
        return self._activities.add(activity)

    def add_failure(self, activity: Activity) -> None:
        """Record a failure unless it is recorded already and waits for a person."""
        self._activities.add_failure(activity)

    def list_activity(self, activity: Activity) -> None:
        """Add an activity to the list of the newest ones, unless it is there."""
        self._activities.add_to_newest(activity)

    def forget_unsent(self, activity: Activity) -> None:
        """Leave an activity out of the unsent ones, because it was sent or is too old for it."""
        self._activities.forget_unsent(activity)

    def add_open_of_earlier_releases(self) -> None:
        """Find the open activities that an earlier release recorded, once in an installation."""
        self._activities.add_open_of_earlier_releases()

    def save(self, record: LedgerRecord) -> None:
        """Insert a record without an etag, or replace the row of a record that has one.

        Raise ConflictError if the row was changed since the record was read. What the present command changes
        is recorded before, and of activities after: most commands announce the same activity again.
        """
        if not isinstance(record, Activity):
            self.effects.note(record)
        match record:
            case Partition():
                attention = may_need_attention(record)
                self._partitions.save(record.feed, record.partition, record, attention=attention)
            case FeedRecord():
                self._feeds.save(record.feed, _FEED_ROW, record)
            case Job():
                self._jobs.save(
                    record.workspace,
                    record.name,
                    record,
                    final=record.end is not None,
                    month=record.month or "",
                )
            case Model():
                self._models.save(record.model, _MODEL_ROW, record)
            case ModelVersion():
                self._versions.save(record.model, record.version, record, final=record.state.final)
            case Activity():
                self._activities.save(record)
            case Pause():
                self._pauses.save(record.target, _PAUSE_ROW, record)
            case WaitingCommand():
                self._waiting.save(record.target, record.id, record)
            case Backfill():
                self._backfills.save(record.feed, record.id, record, final=record.state.final)
            case Delay():
                self._delays.save(record.subject, record.id, record)
            case _:
                raise TypeError(type(record).__name__)

    def delete(self, record: Pause | WaitingCommand | Delay) -> None:
        """Delete the row of a record. Raise ConflictError if the row was changed since it was read."""
        match record:
            case Pause():
                self._pauses.delete(record.target, _PAUSE_ROW, record)
            case WaitingCommand():
                self._waiting.delete(record.target, record.id, record)
            case Delay():
                self._delays.delete(record.subject, record.id, record)

    def create(self) -> bool:
        """Create the tables that do not exist. Return whether any was created."""
        models, pauses = (self._models, self._versions), (self._pauses, self._waiting)
        others = (self._feeds, self._delays, self._backfills, self._channels)
        tables = (self._partitions, self._jobs, *models, *pauses, *others)
        created = [rows.create() for rows in (*tables, self._activities, self.history, self.effects)]
        return any(created)


def tidegate_tables(account: str, credential: "TokenCredential") -> set[str]:
    """Return the names of the account's tables that begin with `tidegate`."""
    from azure.data.tables import TableServiceClient

    with azure_errors(f"list tables of {account}"):
        endpoint = f"https://{account}.table.core.windows.net"
        service = TableServiceClient(endpoint, credential=credential, **client_options())
        return {table.name for table in service.list_tables() if table.name.startswith("tidegate")}
