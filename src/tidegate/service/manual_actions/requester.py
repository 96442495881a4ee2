"""Who says something: whom Entra ID signed in, or else whom the caller names."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StringConstraints

from tidegate.domain.lifecycle.verdict_records import BySource
from tidegate.errors import RefusedError

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Person = Annotated[
    Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | None,
    Field(description="Who says so. Whom Entra ID signed in wins; without that it has to be given."),
]


@dataclass(frozen=True)
class Requester:
    by: str
    source: BySource

    @classmethod
    def of(cls, named: str | None, signed_in: str | None) -> "Requester":
        """RefusedError where it is nobody's."""
        if signed_in:
            return cls(signed_in, "entra")
        if named:
            return cls(named, "caller")
        raise RefusedError(
            422, "Nobody says so", "body.by: say who decides; nobody is signed in with Entra ID"
        )
