"""The person or app that makes a request, and the fields of a request that say who and why."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StringConstraints

from tidegate.domain.lifecycle.verdict_records import BySource
from tidegate.errors import RefusedError
from tidegate.messages.commands import Origin

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
RequesterName = Annotated[
    Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | None,
    Field(
        description="Name of the person who makes the request. It is required if the caller is not signed in "
        "with Entra ID, and ignored if the caller is."
    ),
]


@dataclass(frozen=True)
class Requester:
    """The person or app that makes a request: signed in with Entra ID, or named by the caller."""

    by: str
    source: BySource

    @classmethod
    def if_named(cls, named: str | None, signed_in: str | None) -> "Requester | None":
        """Return the identity that is signed in or that the caller gives, or None if there is neither."""
        return cls.of(named, signed_in) if named or signed_in else None

    @classmethod
    def of(cls, named: str | None, signed_in: str | None) -> "Requester":
        """Return the identity that is signed in, or else the name that the caller gives.

        Raise RefusedError if there is neither.
        """
        if signed_in:
            return cls(signed_in, "entra")
        if named:
            return cls(named, "caller")
        detail = "body.by: give the name of the person who makes the request, or sign in with Entra ID"
        raise RefusedError(422, "Unprocessable", detail)

    def origin(self, what: str, reason: str = "") -> Origin:
        """Return the origin of what a request leads to. `what` is the name of the request."""
        return Origin(what=what, by=self.by, reason=reason or None)


def unnamed_origin(what: str, requester: Requester | None, reason: str = "") -> Origin:
    """Return the origin of a request that people may send without a name."""
    return requester.origin(what, reason) if requester else Origin(what=what, reason=reason or None)
