"""The list of the newest activities: one small row for each, so that no table is searched for them."""

from datetime import UTC, datetime
from typing import Self

from tidegate.domain.activities.activity import Activity
from tidegate.domain.ledger_record import LedgerRecord

_FAR_FUTURE = datetime(3000, 1, 1, tzinfo=UTC)


class NewestActivity(LedgerRecord):
    """An activity in the list of all activities, newest first, without its text."""

    subject: str
    id: str
    kind: str
    at: datetime
    title: str
    replayable: bool = False
    short_id: str

    @classmethod
    def of(cls, activity: Activity) -> Self:
        names = ("subject", "id", "kind", "at", "title", "replayable", "short_id")
        return cls(**{name: getattr(activity, name) for name in names})

    @property
    def position(self) -> str:
        """Return the key by which newer activities come first."""
        return f"{int((_FAR_FUTURE - self.at).total_seconds() * 1_000_000):018} {self.short_id}"
