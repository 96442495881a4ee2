"""The base class of every record in the ledger."""

from pydantic import BaseModel, ConfigDict, Field


class LedgerRecord(BaseModel):
    """A row; `etag` is None until it was read from or written to the ledger."""

    model_config = ConfigDict(extra="ignore", validate_assignment=True)

    etag: str | None = Field(default=None, exclude=True)
