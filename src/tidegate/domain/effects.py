"""Effects: which command changed the records of which subject, because of which cause."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import Field

from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.subjects import (
    backfill_subject,
    job_subject,
    model_subject,
    partition_subject,
    pause_subject,
    version_subject,
)
from tidegate.domain.backfills.records import Backfill
from tidegate.domain.jobs.records import Job
from tidegate.domain.ledger_record import LedgerRecord
from tidegate.domain.lifecycle.records import Model, ModelVersion
from tidegate.domain.partitions.records import Partition
from tidegate.domain.pauses import Pause
from tidegate.messages.commands import Origin


class Effect(LedgerRecord):
    """What a cause led to: a command or a request that changed the records of one subject.

    There is one for each cause, command and subject, however often the command was carried out, and one for
    each activity that was recorded.
    """

    cause: str = Field(description="Id of the event, request or timer tick.")
    command: str = Field(description="The kind of the command, or the name of the request.")
    subject: str = Field(description="The subject whose records changed: see subjects.py.")
    at: datetime
    origin: Origin | None = Field(
        default=None, description="What the cause is, if this is the first command that it led to."
    )
    of: str | None = Field(
        default=None, description="The cause of the look that covers this blob event, if that is another id."
    )
    activity: str | None = Field(
        default=None, description="The id of the activity within its subject, if this recorded one."
    )

    @property
    def id(self) -> str:
        """Return the id of the effect among those of its cause: `CheckPartition digits:202611`."""
        return " ".join(filter(None, (self.command, self.subject, self.activity)))


@dataclass(frozen=True)
class Act:
    """A command or a person's request that is carried out, with its cause."""

    cause: str
    command: str
    at: datetime
    origin: Origin | None = None

    def effect(self, subject: str) -> Effect:
        """Return the record that this changes a subject."""
        return Effect(cause=self.cause, command=self.command, subject=subject, at=self.at, origin=self.origin)


def changed_subject(record: LedgerRecord) -> str | None:
    """Return the subject of a record, or None if a change of it is no effect that people look for."""
    subject = None
    match record:
        case Partition():
            subject = partition_subject(record.feed, record.partition)
        case Job():
            subject = job_subject(record.workspace, record.name)
        case Model():
            subject = model_subject(record.model)
        case ModelVersion():
            subject = version_subject(record.model, record.version)
        case Backfill():
            subject = backfill_subject(record.feed, record.id)
        case Pause():
            subject = pause_subject(record.target)
        case Activity():
            subject = record.subject
    return subject
