"""The rows of a table: each holds one record as JSON, and is changed only under its ETag."""

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

from tidegate.cloud.azure_errors import azure_errors
from tidegate.cloud.connection import client_options
from tidegate.domain.ledger_record import LedgerRecord
from tidegate.errors import NotFoundError, TransientError

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
_LARGEST_PAGE = 1000  # of Azure Tables
_MAX_KEY_LENGTH = 400
R = TypeVar("R", bound=LedgerRecord)


@dataclass(frozen=True)
class StoredRow(Generic[R]):
    """A record with the keys under which it is stored, and its key in the list of the newest activities."""

    partition: str
    row: str
    record: R
    listed_as: str | None = None


class TableRows(Generic[R]):
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
                return self._record(self._client.get_entity(row_key(partition), row_key(row)))
        except NotFoundError:
            return None

    def query(self, condition: str, page: int | None = None, /, **values: str) -> Iterator[R]:
        """Yield the records that match an OData condition. A table that does not exist yet has no records.

        `page` is how many rows one request reads, if not as many as Azure gives.
        """
        try:
            with azure_errors(f"query {self._table}"):
                entities = self._client.query_entities(
                    condition, parameters=values or None, results_per_page=page
                )
                yield from (self._record(entity) for entity in entities)
        except NotFoundError:
            return

    def rows(self, partition: str) -> list[str]:
        """Return the row keys of a partition in their order. The records are not read."""
        values, columns = {"key": row_key(partition)}, ["RowKey"]
        try:
            with azure_errors(f"query {self._table}"):
                entities = self._client.query_entities(
                    "PartitionKey eq @key", parameters=values, select=columns
                )
                return [str(entity["RowKey"]) for entity in entities]
        except NotFoundError:
            return []

    def save(self, partition: str, row: str, record: R, **columns: bool | str) -> None:
        entity = {"PartitionKey": row_key(partition), "RowKey": row_key(row), **columns, **columns_of(record)}
        with azure_errors(f"write {self._table} {partition} {row}"):
            record.etag = self._write(entity, record.etag)

    def delete(self, partition: str, row: str, record: R) -> None:
        """Delete the row if it has the record's ETag still. A row that does not exist is deleted already."""
        from azure.core import MatchConditions

        condition = MatchConditions.IfNotModified
        try:
            with azure_errors(f"delete {self._table} {partition} {row}"):
                self._client.delete_entity(
                    row_key(partition), row_key(row), etag=record.etag, match_condition=condition
                )
        except NotFoundError:
            return

    def unchanged_since(self, before: datetime, condition: str, most: int) -> list[StoredRow[R]]:
        """Return the first rows that match a condition and were not written since a time."""
        query = " and ".join(filter(None, ("Timestamp lt @before", condition)))
        try:
            with azure_errors(f"query {self._table}"):
                entities = self._client.query_entities(
                    query, parameters={"before": before}, results_per_page=min(most, _LARGEST_PAGE)
                )
                return [
                    StoredRow(entity["PartitionKey"], entity["RowKey"], self._record(entity))
                    for entity in islice(entities, most)
                ]
        except NotFoundError:
            return []

    def delete_stored(self, partition: str, row: str, etag: str | None) -> None:
        """Delete a row, given by its stored keys, if it has this ETag still, or any if that is None."""
        from azure.core import MatchConditions

        condition = MatchConditions.IfNotModified if etag else None
        try:
            with azure_errors(f"delete {self._table} {partition} {row}"):
                self._client.delete_entity(partition, row, etag=etag, match_condition=condition)
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
        record = self._type.model_validate_json(json_of(entity))
        record.etag = entity.metadata["etag"]  # type: ignore[attr-defined]
        return record

    @cached_property
    def _client(self) -> "TableClient":
        from azure.data.tables import TableClient

        endpoint = f"https://{self._account}.table.core.windows.net"
        return TableClient(endpoint, self._table, credential=self._credential, **client_options())


def columns_of(record: LedgerRecord) -> dict[str, Any]:
    """Return the columns of a record and of its format. A large record is compressed, to a tenth or so.

    Thus a partition with some 5,000 generations fits in its row, and stays one record under one ETag.
    """
    text = json.dumps(record.model_dump(mode="json"))  # ASCII: one character is one UTF-16 unit
    if len(text) <= _LONGEST_TEXT:
        return {_FORMAT_COLUMN: 1, **_columns("body", text, _CHUNK)}
    return {_FORMAT_COLUMN: 2, **_columns("packed", zlib.compress(text.encode(), 9), _BINARY_CHUNK)}


def _columns(name: str, content: str | bytes, size: int) -> dict[str, str | bytes]:
    starts = range(0, len(content), size)
    return {f"{name}{number}": content[start : start + size] for number, start in enumerate(starts)}


def json_of(entity: Mapping[str, Any]) -> str | bytes:
    """Return a record as JSON, from the columns of its row."""
    if packed := _chunks(entity, "packed"):
        return zlib.decompress(b"".join(packed))
    return "".join(_chunks(entity, "body"))


def _chunks(entity: Mapping[str, Any], name: str) -> list[Any]:
    """Return the parts of a record, which are in the columns `name` with a number."""
    numbered = [
        (match, value) for key, value in entity.items() if (match := re.fullmatch(rf"{name}(\d+)", key))
    ]
    return [value for match, value in sorted(numbered, key=lambda pair: int(pair[0][1]))]


def row_key(text: str) -> str:
    r"""Return a key that Azure Tables accepts: at most 1 KiB, without / \ # ? and control characters."""
    key = quote(text, safe=":@").replace("%", "=")
    if len(key) <= _MAX_KEY_LENGTH:
        return key
    return f"{key[:_MAX_KEY_LENGTH]}={hashlib.sha256(key.encode()).hexdigest()}"
