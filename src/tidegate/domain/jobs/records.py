"""The record of an Azure ML job that the service submitted."""

from datetime import datetime

from pydantic import Field

from tidegate.domain.ledger_record import LedgerRecord
from tidegate.messages.commands import MonthId, Name


class Job(LedgerRecord):
    """An Azure ML job that the service submitted, and the generation that it scores."""

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
        default=False, description="Whether a person cancelled the job: Azure showed CancelRequested."
    )
    reason: str | None = Field(default=None, description="Why the job was resubmitted, or why it failed.")
    checked_at: datetime | None = None
