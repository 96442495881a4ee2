"""The rows of activities: of each subject, the newest of all, and those that wait for somebody."""

from itertools import islice
from typing import TYPE_CHECKING

from tidegate.cloud.effect_rows import EffectRows
from tidegate.cloud.table_rows import TableRows, row_key
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.newest import NewestActivity
from tidegate.domain.ledger_record import LedgerRecord
from tidegate.errors import ConflictError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

ACTIVITIES = "tidegateActivities"
NEWEST_TABLE, NEWEST = "tidegateNewestActivities", "newest"  # its rows are the list of all activities
OPEN_ACTIVITIES = "tidegateOpenActivities"
_UNSENT, _FAILED = "unsent", "failed"
_COMPLETE = "complete"  # the row that says that the activities of earlier releases are in the table


class ActivityRows:
    """An activity has a row of its subject. A search of all these rows would get slower each month.

    So the table of open activities has a copy of each that was not sent to every channel yet, and of each
    failure that waits for a person, newest first. A copy is written after the activity, and deleted after the
    change that ends it. It is not changed in between: whoever acts on an activity reads the activity itself.
    """

    def __init__(self, *, account: str, credential: "TokenCredential", effects: EffectRows) -> None:
        self._rows = TableRows(ACTIVITIES, Activity, account=account, credential=credential)
        self._newest = TableRows(NEWEST_TABLE, NewestActivity, account=account, credential=credential)
        self._open = TableRows(OPEN_ACTIVITIES, Activity, account=account, credential=credential)
        self._marks = TableRows(OPEN_ACTIVITIES, LedgerRecord, account=account, credential=credential)
        self._effects = effects
        self._complete = False

    def get(self, subject: str, id: str) -> Activity | None:
        return self._rows.get(subject, id)

    def of(self, subject: str) -> list[Activity]:
        """Return the activities of a subject, oldest first."""
        activities = self._rows.query("PartitionKey eq @key", key=row_key(subject))
        return sorted(activities, key=lambda activity: activity.at)

    def newest(self, limit: int, after: str | None = None) -> list[NewestActivity]:
        """Return the newest activities of all subjects, newest first, after one with this `position`."""
        keys = {"key": NEWEST, **({"after": row_key(after)} if after else {})}
        condition = "PartitionKey eq @key" + (" and RowKey gt @after" if after else "")
        return list(islice(self._newest.query(condition, limit, **keys), limit))

    def unsent(self) -> list[Activity]:
        """Return the activities that were not sent to every channel yet, newest first."""
        return list(self._open.query("PartitionKey eq @key", key=_UNSENT))

    def open_failures(self) -> list[Activity]:
        """Return the failures that wait for a person, newest first."""
        return list(self._open.query("PartitionKey eq @key", key=_FAILED))

    def failures(self) -> list[Activity]:
        """Return all failures, newest first, also those that are over, from a search of all activities."""
        activities = self._rows.query("failed eq true")
        return sorted(activities, key=lambda activity: activity.at, reverse=True)

    def add(self, activity: Activity) -> bool:
        """Record an activity unless it is recorded already. Return whether it was new."""
        try:
            self.save(activity)
        except ConflictError:
            if recorded := self.get(activity.subject, activity.id):
                self._add_copies(recorded)  # a crash may have left them out
            return False
        self._effects.note(activity)
        self._effects.add_activity(activity)
        return True

    def add_failure(self, activity: Activity) -> None:
        """Record a failure unless it is recorded already.

        If the recorded failure was replayed or closed, this is a new failure and is recorded under a new id.
        """
        while not self.add(activity):
            recorded = self.get(activity.subject, activity.id)
            if recorded is None or recorded.ended_at is None:
                return
            activity.id = f"{activity.id}-{recorded.ended_at:%H%M%S}"

    def save(self, activity: Activity) -> None:
        """Insert an activity without an etag, or replace the row of one that has an etag."""
        is_new = activity.etag is None
        self._rows.save(activity.subject, activity.id, activity, done=activity.done, failed=activity.failed)
        if is_new:
            self._add_copies(activity)
            return
        if activity.done:
            self.forget_unsent(activity)
        if activity.ended_at:
            self._open.delete_stored(_FAILED, _row(activity), None)

    def add_to_newest(self, activity: Activity) -> None:
        """Add an activity to the list of the newest ones, unless it is there."""
        entry = NewestActivity.of(activity)
        try:
            self._newest.save(NEWEST, entry.position, entry)
        except ConflictError:
            pass

    def forget_unsent(self, activity: Activity) -> None:
        """Leave out an activity when unsent ones are searched for: it was sent, or it is too old."""
        self._open.delete_stored(_UNSENT, _row(activity), None)

    def add_open_of_earlier_releases(self) -> None:
        """Copy the open activities that a release without copies has recorded, once in an installation."""
        if self._complete or self._marks.get(_COMPLETE, _COMPLETE):
            self._complete = True
            return
        for condition in ("done eq false", "failed eq true"):
            for activity in self._rows.query(condition):
                self._add_copies(activity)
        try:
            self._marks.save(_COMPLETE, _COMPLETE, LedgerRecord())
        except ConflictError:
            pass

    def create(self) -> bool:
        """Create the tables that do not exist. Return whether any was created."""
        created = [rows.create() for rows in (self._rows, self._newest, self._open)]
        return any(created)

    def _add_copies(self, activity: Activity) -> None:
        lists = {_UNSENT: not activity.done, _FAILED: activity.failed and activity.ended_at is None}
        for name in (name for name, is_open in lists.items() if is_open):
            try:
                self._open.save(name, _position(activity), activity.model_copy(update={"etag": None}))
            except ConflictError:
                pass


def _position(activity: Activity) -> str:
    return NewestActivity.of(activity).position


def _row(activity: Activity) -> str:
    return row_key(_position(activity))
