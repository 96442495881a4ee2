"""The activities and effects that moved to the lake, for explanations of what is older than the retention."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from tidegate.cloud.parquet import matching_rows
from tidegate.domain.activities.activity import Activity
from tidegate.domain.assets import BLOBSTORE
from tidegate.domain.effects import Effect
from tidegate.domain.history_tables import (
    ACTIVITIES,
    EFFECTS,
    FOLDER,
    HistoryTable,
    activity_of_row,
    effect_of_row,
)
from tidegate.service.context import ServiceContext
from tidegate.service.reads import begin


@dataclass(frozen=True)
class ArchivedHistory:
    """Each search reads all files of a table, several at a time. Without retention there are none."""

    context: ServiceContext

    def effects(self, causes: Collection[str]) -> list[Effect]:
        """Return what these causes led to, oldest first."""
        effects = map(effect_of_row, self._rows(EFFECTS, "cause", causes))
        return sorted(effects, key=lambda effect: effect.at)

    def activity(self, id: str) -> Activity | None:
        """Return the activity with this short id, or None."""
        return next(map(activity_of_row, self._rows(ACTIVITIES, "short_id", [id])), None)

    def activities_of(self, cause: str) -> list[Activity]:
        """Return the activities that a cause led to."""
        return list(map(activity_of_row, self._rows(ACTIVITIES, "cause", [cause])))

    def _rows(self, table: HistoryTable, column: str, values: Collection[str]) -> list[dict[str, Any]]:
        retention = self.context.config().retention
        if retention is None or retention.activities is None or not values:
            return []
        names = self.context.development.datastores.names(BLOBSTORE, f"{FOLDER}/{table.name}/")
        reads = [begin(partial(self._matching, name, column, values)) for name in names]
        return [row for read in reads for row in read()]

    def _matching(self, path: str, column: str, values: Collection[str]) -> list[dict[str, Any]]:
        return matching_rows(self.context.development.datastores.read(BLOBSTORE, path), column, values)
