"""An activity: something that happened and that people may want to know."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field

from tidegate.domain.ledger_record import LedgerRecord


@dataclass(frozen=True)
class Trigger:
    """The time at which something was noticed, and the id of the event, request or timer tick behind it."""

    at: datetime
    cause: str


class Activity(LedgerRecord):
    """Something that happened and that people may want to know. Its id is derived, so it happens once."""

    subject: str = Field(description="What it is about: `feed:month`, a job or a rejected event.")
    id: str
    kind: str = Field(description="`month.scored`, `month.late`, `work.failed` ...")
    at: datetime
    title: str
    text: str
    data: dict[str, Any] = Field(default={})
    cause: str
    sent: list[str] = Field(
        default=[], description="Channels that have it (hashes of their URLs, or a topic)."
    )
    taken_at: datetime | None = Field(
        default=None, description="Since when somebody tells of it; nobody else does meanwhile."
    )
    done: bool = Field(default=False, description="Every channel that wants it has it.")
    replayed_at: datetime | None = Field(
        default=None, description="When a person had what failed tried again; that may fail, too, as another."
    )

    @property
    def failed(self) -> bool:
        """Whether it tells of something that is not going to happen by itself."""
        return self.kind in ("event.rejected", "work.failed")

    @property
    def replayable(self) -> bool:
        """Whether what failed was kept: a rejected event's blob, a command, or a message."""
        return self.failed and not {"blob", "command", "message"}.isdisjoint(self.data)

    @property
    def short_id(self) -> str:
        """Names it among all activities, for people: `3f2a9c81d04e`."""
        return hashlib.sha256(f"{self.subject}/{self.id}".encode()).hexdigest()[:12]
