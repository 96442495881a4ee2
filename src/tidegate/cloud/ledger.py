"""The ledger in Azure Tables: one row for each record, stored as JSON and changed only under its ETag."""

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

from tidegate.cloud.azure_errors import azure_errors
from tidegate.cloud.connection import client_options
from tidegate.domain.activities.activity import Activity
from tidegate.domain.delays import Delay
from tidegate.domain.jobs.records import Job
from tidegate.domain.ledger_record import LedgerRecord
from tidegate.domain.lifecycle.records import Model, ModelVersion
from tidegate.domain.partitions.catch_up import FeedRecord
from tidegate.domain.partitions.records import Partition
from tidegate.domain.pauses import Pause, WaitingCommand
from tidegate.errors import ConflictError, NotFoundError, TransientError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.data.tables import TableClient

# The number of the newest row format that this release writes and reads. It also reads all formats with lower
# numbers. Rows of the first releases have no number. Increase the number if an older release would misread
# the new rows, or lose a part of them.
ROW_FORMAT = 2  # 1: the record as text. 2: the record compressed, of large records only
_FORMAT_COLUMN = "format_version"
# A row holds 1 MiB, which is 512 Ki characters of text: a partition with some 420 generations.
_LONGEST_TEXT = 200_000
_BINARY_CHUNK = 65_536
_CHUNK = 32_000  # a property holds 64 KB of UTF-16: https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
TABLES = (
    "tidegatePartitions",
    "tidegateJobs",
    "tidegateActivities",
    "tidegateModels",
    "tidegateModelVersions",
    "tidegatePauses",
    "tidegateWaiting",
    "tidegateFeeds",
    "tidegateDelays",
)
_PAUSE_ROW = "pause"  # one row for each target
_MODEL_ROW = "model"  # one row for each model name
_FEED_ROW = "feed"  # one row for each feed
_MAX_KEY_LENGTH = 400
R = TypeVar("R", bound=LedgerRecord)


class Ledger:
    """The records of feeds, partitions, jobs, models, model versions, activities, pauses and delays.

    A table is created when the first record is written to it.
    """

    def __init__(self, *, account: str, credential: "TokenCredential") -> None:
        self._partitions = _Rows(TABLES[0], Partition, account=account, credential=credential)
        self._jobs = _Rows(TABLES[1], Job, account=account, credential=credential)
        self._activities = _Rows(TABLES[2], Activity, account=account, credential=credential)
        self._models = _Rows(TABLES[3], Model, account=account, credential=credential)
        self._versions = _Rows(TABLES[4], ModelVersion, account=account, credential=credential)
        self._pauses = _Rows(TABLES[5], Pause, account=account, credential=credential)
        self._waiting = _Rows(TABLES[6], WaitingCommand, account=account, credential=credential)
        self._feeds = _Rows(TABLES[7], FeedRecord, account=account, credential=credential)

        self._delays = _Rows(TABLES[8], Delay, account=account, credential=credential)

    def feed(self, name: str) -> FeedRecord | None:
        """Return the feed's record, or None if the service has not seen the feed yet."""
        return self._feeds.get(name, _FEED_ROW)

    def partition(self, feed: str, partition: str) -> Partition:
        """Return the partition's record, or a new one (its `etag` is None) if there is none."""
        return self._partitions.get(feed, partition) or Partition(feed=feed, partition=partition)

    def partitions(self, feed: str) -> list[Partition]:
        return list(self._partitions.query("PartitionKey eq @key", key=_key(feed)))

    def job(self, workspace: str, name: str) -> Job | None:
        return self._jobs.get(workspace, name)

    def jobs(self, *, open_only: bool = True) -> list[Job]:
        return list(self._jobs.query("final eq false" if open_only else ""))

    def jobs_like(self, job: Job) -> list[Job]:
        """Return the jobs of the same kind and the same feed or model as this one, ended or not."""
        word, _, rest = job.name.partition("-")
        common = takewhile(lambda pair: pair[0] == pair[1], zip(rest, job.owner, strict=False))
        prefix = f"{word}-{''.join(letter for letter, _ in common)}"
        condition = "PartitionKey eq @key and RowKey ge @first and RowKey lt @after"
        rows = self._jobs.query(
            condition, key=_key(job.workspace), first=_key(prefix), after=_key(prefix) + "~"
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

    def model_versions(self, model: str | None = None, *, open_only: bool = True) -> list[ModelVersion]:
        """Return the versions of one model, or of all models, oldest first."""
        conditions = [
            *(["PartitionKey eq @key"] if model else []),
            *(["final eq false"] if open_only else []),
        ]
        keys = {"key": _key(model)} if model else {}
        versions = self._versions.query(" and ".join(conditions), **keys)
        return sorted(versions, key=lambda version: version.registered_at)

    def activity(self, subject: str, id: str) -> Activity | None:
        return self._activities.get(subject, id)

    def activities(self, subject: str) -> list[Activity]:
        """Return the activities of a subject, oldest first."""
        activities = self._activities.query("PartitionKey eq @key", key=_key(subject))
        return sorted(activities, key=lambda activity: activity.at)

    def unsent_activities(self) -> list[Activity]:
        """Return the activities that were not sent to every channel yet."""
        return list(self._activities.query("done eq false"))

    def failures(self) -> list[Activity]:
        """Return the permanent failures, newest first, including those that a person replayed."""
        activities = self._activities.query("failed eq true")
        return sorted(activities, key=lambda activity: activity.at, reverse=True)

    def pause(self, target: str) -> Pause | None:
        return self._pauses.get(target, _PAUSE_ROW)

    def pauses(self) -> list[Pause]:
        return list(self._pauses.query(""))

    def waiting_command(self, target: str, id: str) -> WaitingCommand | None:
        return self._waiting.get(target, id)

    def waiting(self, target: str | None = None) -> list[WaitingCommand]:
        """Return the commands that wait for the end of one pause, or of any, oldest first."""
        keys = {"key": _key(target)} if target else {}
        rows = self._waiting.query("PartitionKey eq @key" if target else "", **keys)
        return sorted(rows, key=lambda row: row.since)

    def delay(self, subject: str, id: str) -> Delay | None:
        return self._delays.get(subject, id)

    def delays(self, subject: str | None = None) -> list[Delay]:
        """Return the delayed and failed work of one subject, or of all."""
        keys = {"key": _key(subject)} if subject else {}
        return list(self._delays.query("PartitionKey eq @key" if subject else "", **keys))

    def add_activity(self, activity: Activity) -> bool:
        """Record an activity unless it is recorded already. Return whether it was new."""
        try:
            self.save(activity)
        except ConflictError:
            return False
        return True

    def add_failure(self, activity: Activity) -> None:
        """Record a failure unless it is recorded already.

        If the recorded failure was replayed or closed, this is a new failure and is recorded under a new id.
        """
        while not self.add_activity(activity):
            recorded = self.activity(activity.subject, activity.id)
            if recorded is None or recorded.ended_at is None:
                return
            activity.id = f"{activity.id}-{recorded.ended_at:%H%M%S}"

    def save(self, record: LedgerRecord) -> None:
        """Insert a record without an etag, or replace the row of a record that has one.

        Raise ConflictError if the row was changed since the record was read.
        """
        match record:
            case Partition():
                self._partitions.save(record.feed, record.partition, record)
            case FeedRecord():
                self._feeds.save(record.feed, _FEED_ROW, record)
            case Job():
                self._jobs.save(record.workspace, record.name, record, final=record.end is not None)
            case Model():
                self._models.save(record.model, _MODEL_ROW, record)
            case ModelVersion():
                self._versions.save(record.model, record.version, record, final=record.state.final)
            case Activity():
                columns = {"done": record.done, "failed": record.failed}
                self._activities.save(record.subject, record.id, record, **columns)
            case Pause():
                self._pauses.save(record.target, _PAUSE_ROW, record)
            case WaitingCommand():
                self._waiting.save(record.target, record.id, record)
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
        tables = (self._partitions, self._jobs, self._activities, *models, *pauses, self._feeds, self._delays)
        created = [rows.create() for rows in tables]
        return any(created)


class _Rows(Generic[R]):
    """A table with records of one type."""

    def __init__(
        self, table: str, record_type: type[R], *, account: str, credential: "TokenCredential"
    ) -> None:
        self._table = table
        self._type = record_type
        self._account = account
        self._credential = credential

    def get(self, partition: str, row: str) -> R | None:
        try:
            with azure_errors(f"read {self._table}"):
                return self._record(self._client.get_entity(_key(partition), _key(row)))
        except NotFoundError:
            return None

    def query(self, condition: str, **values: str) -> Iterator[R]:
        """Yield the records that match an OData condition. A table that does not exist yet has no records."""
        try:
            with azure_errors(f"query {self._table}"):
                entities = self._client.query_entities(condition, parameters=values or None)
                yield from (self._record(entity) for entity in entities)
        except NotFoundError:
            return

    def save(self, partition: str, row: str, record: R, **columns: bool) -> None:
        entity = {"PartitionKey": _key(partition), "RowKey": _key(row), **columns, **_body(record)}
        with azure_errors(f"write {self._table} {partition} {row}"):
            record.etag = self._write(entity, record.etag)

    def delete(self, partition: str, row: str, record: R) -> None:
        """Delete the row if it has the record's ETag still. A row that does not exist is deleted already."""
        from azure.core import MatchConditions

        condition = MatchConditions.IfNotModified
        try:
            with azure_errors(f"delete {self._table} {partition} {row}"):
                self._client.delete_entity(
                    _key(partition), _key(row), etag=record.etag, match_condition=condition
                )
        except NotFoundError:
            return

    def create(self) -> bool:
        from azure.core.exceptions import ResourceExistsError

        with azure_errors(f"create {self._table}"):
            try:
                self._client.create_table()
            except ResourceExistsError:
                return False
            return True

    def _write(self, entity: dict[str, Any], etag: str | None) -> str:
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceNotFoundError
        from azure.data.tables import UpdateMode

        if etag is not None:
            condition = MatchConditions.IfNotModified
            answer = self._client.update_entity(
                entity, mode=UpdateMode.REPLACE, etag=etag, match_condition=condition
            )
            return str(answer["etag"])
        try:
            return str(self._client.create_entity(entity)["etag"])
        except ResourceNotFoundError:  # the table does not exist yet
            self.create()
            return str(self._client.create_entity(entity)["etag"])

    def _record(self, entity: Mapping[str, Any]) -> R:
        format_version = int(entity.get(_FORMAT_COLUMN, 1))
        # Saving the record would lose the fields that this release does not know.
        if format_version > ROW_FORMAT:
            raise TransientError(
                f"{self._table} {entity['PartitionKey']} {entity['RowKey']} has format {format_version}, and "
                f"this release reads formats up to {ROW_FORMAT}: deploy the release that wrote the row"
            )
        record = self._type.model_validate_json(_json_of(entity))
        record.etag = entity.metadata["etag"]  # type: ignore[attr-defined]
        return record

    @cached_property
    def _client(self) -> "TableClient":
        from azure.data.tables import TableClient

        endpoint = f"https://{self._account}.table.core.windows.net"
        return TableClient(endpoint, self._table, credential=self._credential, **client_options())


def tidegate_tables(account: str, credential: "TokenCredential") -> set[str]:
    """Return the names of the account's tables that begin with `tidegate`."""
    from azure.data.tables import TableServiceClient

    with azure_errors(f"list tables of {account}"):
        endpoint = f"https://{account}.table.core.windows.net"
        service = TableServiceClient(endpoint, credential=credential, **client_options())
        return {table.name for table in service.list_tables() if table.name.startswith("tidegate")}


def _body(record: LedgerRecord) -> dict[str, Any]:
    """Return the columns of a record and of its format. A large record is compressed, to a tenth or so.

    Thus a partition with thousands of generations fits in its row, and stays one record under one ETag.
    """
    text = json.dumps(record.model_dump(mode="json"))  # ASCII: one character is one UTF-16 unit
    if len(text) <= _LONGEST_TEXT:
        return {_FORMAT_COLUMN: 1, **_columns("body", text, _CHUNK)}
    return {_FORMAT_COLUMN: 2, **_columns("packed", zlib.compress(text.encode(), 9), _BINARY_CHUNK)}


def _columns(name: str, content: str | bytes, size: int) -> dict[str, str | bytes]:
    starts = range(0, len(content), size)
    return {f"{name}{number}": content[start : start + size] for number, start in enumerate(starts)}


def _json_of(entity: Mapping[str, Any]) -> str | bytes:
    if packed := _chunks(entity, "packed"):
        return zlib.decompress(b"".join(packed))
    return "".join(_chunks(entity, "body"))


def _chunks(entity: Mapping[str, Any], name: str) -> list[Any]:
    """Return the parts of a record, which are in the columns `name` with a number."""
    numbered = [
        (match, value) for key, value in entity.items() if (match := re.fullmatch(rf"{name}(\d+)", key))
    ]
    return [value for match, value in sorted(numbered, key=lambda pair: int(pair[0][1]))]


def _key(text: str) -> str:
    r"""Return a key that Azure Tables accepts: at most 1 KiB, without / \ # ? and control characters."""
    key = quote(text, safe=":@").replace("%", "=")
    if len(key) <= _MAX_KEY_LENGTH:
        return key
    return f"{key[:_MAX_KEY_LENGTH]}={hashlib.sha256(key.encode()).hexdigest()}"
