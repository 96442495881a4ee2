"""The ledger's record of a notification channel: whether it fails, since when and why."""

from datetime import datetime
from typing import Self

from pydantic import Field

from tidegate.domain.ledger_record import LedgerRecord


class ChannelRecord(LedgerRecord):
    """A channel that did not accept a message. It has no address, which is a secret."""

    channel: str = Field(description="The hash that identifies the channel.")
    scheme: str = Field(description="The scheme of its URL, such as `slack`.")
    failing_since: datetime | None = None
    failures: int = Field(default=0, description="How many messages in a row it did not accept.")
    problem: str | None = None
    announced: bool = Field(default=False, description="Whether the other channels were told that it fails.")
    sent_at: datetime | None = Field(default=None, description="When it accepted a message after failures.")

    def failed(self, problem: str, at: datetime) -> Self:
        """Return the record after a message that the channel did not accept."""
        since = self.failing_since or at
        return self.model_copy(
            update={"failing_since": since, "failures": self.failures + 1, "problem": problem}
        )

    def recovered(self, at: datetime) -> Self:
        """Return the record after a message that the channel accepted."""
        healthy = {"failing_since": None, "failures": 0, "problem": None, "announced": False}
        return self.model_copy(update={**healthy, "sent_at": at})
