"""The old rows of activities and effects, which move to the lake, and the moves that are under way."""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidegate.cloud.activity_rows import ACTIVITIES, NEWEST, NEWEST_TABLE
from tidegate.cloud.effect_rows import EFFECTS
from tidegate.cloud.table_rows import StoredRow, TableRows, row_key
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.newest import NewestActivity
from tidegate.domain.effects import Effect
from tidegate.domain.history_tables import HistoryMove, MovedRow
from tidegate.errors import ConflictError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

MOVES = "tidegateHistoryMoves"
_MOVE_ROW = "move"  # one row for each table


class HistoryRows:
    """The rows by the name of their table in the lake: `activities` or `effects`."""

    def __init__(self, *, account: str, credential: "TokenCredential") -> None:
        self._activities = TableRows(ACTIVITIES, Activity, account=account, credential=credential)
        self._effects = TableRows(EFFECTS, Effect, account=account, credential=credential)
        self._newest = TableRows(NEWEST_TABLE, NewestActivity, account=account, credential=credential)
        self._moves = TableRows(MOVES, HistoryMove, account=account, credential=credential)

    def move(self, table: str) -> HistoryMove | None:
        """Return the move of a table's old rows that is under way, or None."""
        return self._moves.get(table, _MOVE_ROW)

    def save(self, move: HistoryMove) -> None:
        """Save a move. Raise ConflictError if another command has changed it."""
        self._moves.save(move.table, _MOVE_ROW, move)

    def end(self, move: HistoryMove) -> None:
        self._moves.delete(move.table, _MOVE_ROW, move)

    def old(self, table: str, before: datetime, most: int) -> list[StoredRow[Any]]:
        """Return rows that were not changed since a time, without failures that wait for a person."""
        if table == "effects":
            return list(self._effects.unchanged_since(before, "", most))
        rows = self._activities.unchanged_since(before, "failed eq false", most)
        if len(rows) < most:
            failed = self._activities.unchanged_since(before, "failed eq true", most)
            rows += [row for row in failed if row.record.ended_at][: most - len(rows)]
        return [replace(row, listed_as=NewestActivity.of(row.record).position) for row in rows]

    def delete(self, table: str, moved: MovedRow) -> None:
        """Delete a row that is in the lake, and its entry in the list of the newest activities.

        A row that was changed since stays: it is moved again, as it is then.
        """
        rows: TableRows[Any] = self._effects if table == "effects" else self._activities
        try:
            rows.delete_stored(moved.partition, moved.row, moved.etag)
        except ConflictError:
            return
        if moved.listed_as:
            self._newest.delete_stored(row_key(NEWEST), row_key(moved.listed_as), None)

    def create(self) -> bool:
        return self._moves.create()
