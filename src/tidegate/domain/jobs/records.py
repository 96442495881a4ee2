"""The record of an Azure ML job that the service launched."""

from datetime import datetime

from pydantic import Field

from tidegate.domain.ledger_record import LedgerRecord
from tidegate.messages.commands import MonthId, Name


class Job(LedgerRecord):
    """An Azure ML job that we launched, and the generation that it serves."""

    workspace: Name
    name: Name
    feed: Name
    month: MonthId
    version: int
    generation: int
    attempt: int
    compute: str
    submitted_at: datetime
    status: str = "NotStarted"
    final: bool = False
    cancel_requested: bool = Field(
        default=False, description="CancelRequested was seen: a person cancelled it."
    )
    reason: str | None = Field(default=None, description="Why it was resubmitted or given up.")
    checked_at: datetime | None = None
