"""ArchiveHistory: write the tables that other programs read, and move old activities to the lake."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tidegate.cloud.parquet import count_rows, to_parquet
from tidegate.domain.assets import BLOBSTORE
from tidegate.domain.history_tables import (
    ACTIVITIES,
    EFFECTS,
    FOLDER,
    MEMBERS,
    PARTITIONS,
    VERDICTS,
    HistoryMove,
    HistoryTable,
    MovedRow,
    SetMember,
    jobs_table,
)
from tidegate.domain.lifecycle.promotion import champion_source
from tidegate.domain.model_sets.members import MemberQuery
from tidegate.errors import TidegateError, TransientError
from tidegate.log import Log
from tidegate.messages.commands import ArchiveHistory, Follows, Next
from tidegate.service.context import ServiceContext
from tidegate.service.steps.set_indexes import SetIndexes

log = Log(__name__)

MOST_ROWS = 1000  # of one file; the next command goes on
_HOLDER_IS_DEAD_AFTER = timedelta(minutes=15)
_MOST_MEMBERS = 1_000_000


@dataclass(frozen=True)
class ArchiveHistoryHandler:
    """Nothing is deleted before its Parquet file was written, read again and compared.

    The order is: the row of the move with the path, the file, the row with `verified` and the keys, the
    deletions, the end of the move. After a crash before `verified` the file is deleted and the move begins
    again; after it, the deletions go on. So no row is lost, and none is in two files.
    """

    context: ServiceContext
    indexes: SetIndexes

    def handle(self, command: ArchiveHistory) -> Follows:
        retention = self.context.config().retention
        if retention is None:
            return []
        if command.step == "tables":
            self._write_tables()
        waits, more = False, False
        if retention.activities:
            for table in (ACTIVITIES, EFFECTS):
                move = self._take(table.name, command.cause)
                if move is None:
                    waits = True
                else:
                    more |= self._move(table, move, retention.activities)
        if waits:
            return [Next(_moves(command), _HOLDER_IS_DEAD_AFTER)]
        return [Next(_moves(command))] if more else []

    def _take(self, table: str, cause: str) -> HistoryMove | None:
        """Return the move of a table, which only one command has. Return None if another one works on it.

        A command that comes again after a crash has the same cause, and goes on at once.
        """
        now, move = self.context.now(), self.context.ledger.history.move(table)
        if move is None:
            move = HistoryMove(table=table, taken_at=now, by=cause)
        elif move.by != cause and now - move.taken_at < _HOLDER_IS_DEAD_AFTER:
            return None
        move.taken_at, move.by = now, cause
        self.context.ledger.history.save(move)
        return move

    def _move(self, table: HistoryTable, move: HistoryMove, keep: timedelta) -> bool:
        """Move the oldest rows of a table. Return whether there may be more."""
        ledger, datastores = self.context.ledger, self.context.development.datastores
        if move.verified:
            self._delete(move)
            return True
        if move.path:
            datastores.delete(BLOBSTORE, move.path)
        stored = ledger.history.old(table.name, self.context.now() - keep, MOST_ROWS)
        if not stored:
            ledger.history.end(move)
            return False
        now = self.context.now()
        rows = [row | {"moved_at": now} for old in stored for row in table.rows_of(old.record)]
        content = to_parquet(table.columns, rows)
        digest = hashlib.sha256(content).hexdigest()
        move.path, move.rows = f"{FOLDER}/{table.name}/{now:%Y%m}/{digest[:32]}.parquet", []
        ledger.history.save(move)
        datastores.write(BLOBSTORE, move.path, [content])
        written = datastores.read(BLOBSTORE, move.path, len(content))
        if hashlib.sha256(written).hexdigest() != digest or count_rows(written) != len(rows):
            raise TransientError(f"{move.path} is not what was written: nothing is deleted")
        move.rows = [
            MovedRow(partition=old.partition, row=old.row, etag=str(old.record.etag), listed_as=old.listed_as)
            for old in stored
        ]
        move.verified = True
        ledger.history.save(move)
        self._delete(move)
        return len(stored) == MOST_ROWS

    def _delete(self, move: HistoryMove) -> None:
        """Delete the rows that are in the file, and end the move. A row that was changed since stays."""
        for row in move.rows:
            self.context.ledger.history.delete(move.table, row)
        log.info("history_moved", table=move.table, rows=len(move.rows), path=move.path)
        self.context.ledger.history.end(move)

    def _write_tables(self) -> None:
        config, ledger = self.context.config(), self.context.ledger
        partitions = (record for feed in config.feeds for record in ledger.partitions(feed))
        self._write(PARTITIONS, partitions)
        self._write(jobs_table(config.prices), ledger.jobs(open_only=False))
        self._write(VERDICTS, ledger.model_versions(open_only=False))
        self._write(MEMBERS, self._members())

    def _members(self) -> Iterator[SetMember]:
        """Yield the members of each champion set."""
        config = self.context.config()
        for model in self.context.ledger.models():
            policy, version = config.models.get(model.model), champion_source(model)
            if policy is None or policy.set is None or version is None:
                continue
            try:
                index = self.indexes.open(model.model, version)
            except TidegateError as error:
                log.warning("set_index_not_read", model=model.model, version=version, error=error)
                continue
            for member in index.members(MemberQuery(), None, _MOST_MEMBERS):
                yield SetMember(model.model, version, member)

    def _write(self, table: HistoryTable, records: Iterable[Any]) -> None:
        rows = [row for record in records for row in table.rows_of(record)]
        content = to_parquet(table.columns, rows)
        self.context.development.datastores.write(BLOBSTORE, _table_path(table.name), [content])
        log.info("history_table_written", table=table.name, rows=len(rows))


def _table_path(name: str) -> str:
    return f"{FOLDER}/tables/{name}.parquet"


def _moves(command: ArchiveHistory) -> ArchiveHistory:
    return command.model_copy(update={"step": "moves"})
