"""The parents of everything that the ledger stores: a whole row, and a part of a row."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer


class LedgerRecord(BaseModel):
    """A row of the ledger. `etag` is None until the row was read from the ledger or written to it."""

    model_config = ConfigDict(extra="ignore", validate_assignment=True)

    etag: str | None = Field(default=None, exclude=True)


class PartialRecord(BaseModel):
    """A part of a row, of which only the fields that were set are stored.

    Rows that an older release wrote may lack some fields, or have other fields. Such rows can still be read.
    """

    model_config = ConfigDict(extra="ignore")

    @model_serializer(mode="wrap")
    def _only_set_fields(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialize(self)
        return {name: value for name, value in fields.items() if name in self.model_fields_set}
