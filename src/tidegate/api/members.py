"""The HTTP API of the members of a model set: their states and metrics, and a key over the versions."""

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from tidegate.api.access import FUNCTION_KEY, Services
from tidegate.api.models import KnownModel, ModelInPath
from tidegate.api.paging import PAGED, PageInQuery, first, in_order
from tidegate.api.problems import documented
from tidegate.bootstrap import Service
from tidegate.domain.lifecycle.promotion import champion_source
from tidegate.domain.model_sets.facts import SET_TAG
from tidegate.domain.model_sets.members import STATES, Member, MemberQuery, parse_where
from tidegate.errors import NotFoundError, RefusedError
from tidegate.service.steps.set_indexes import OpenIndex

_VERSIONS_OF_PAGE = 20  # each needs the index of its version

Where = Annotated[
    list[str],
    Query(description="A key column and its value, such as `store=12`. May be given for several columns."),
]
Version = Annotated[
    str | None,
    Query(description="A version in development. Default: the champion.", pattern=r"^[A-Za-z0-9_.-]{1,255}$"),
]

router = APIRouter(prefix="/api/models", dependencies=[Depends(FUNCTION_KEY)])


class MemberView(BaseModel):
    """A key of a model set in one version of it.

    `metrics` are those of its member, and `champion` those of the champion's member, in the holdout.
    """

    model: str
    version: str
    key: dict[str, str]
    state: str
    shard: str | None = Field(description="The archive in the folder `shards` of the version.")
    entry: str | None = Field(description="The member's entry in the archive.")
    fallback: str | None = Field(description="The kind of the fallback, or null if the member is its own.")
    trained_in: str | None = Field(description="The training job or the version that the member is from.")
    trained_until: str | None = Field(description="The time of the newest row that the member knows.")
    rows: int | None
    metrics: dict[str, float | None]
    champion: dict[str, float | None]
    reason: str | None

    @classmethod
    def of(cls, model: str, version: str, member: Member) -> Self:
        return cls(model=model, version=version, **asdict(member))


@router.get("/{model}/members", summary="List the members of a model set", responses=documented(404) | PAGED)
def members(  # noqa: PLR0913, PLR0917 - the parts of a request
    known: ModelInPath,
    service: Services,
    page: PageInQuery,
    where: Where = [],  # noqa: B006 - FastAPI copies it
    state: Annotated[str | None, Query(description=f"One of {', '.join(STATES)}.")] = None,
    version: Version = None,
    text: Annotated[
        list[str], Query(max_length=20, description="A text that a value of the key contains.")
    ] = [],  # noqa: B006 - FastAPI copies it
) -> list[MemberView]:
    """Return the keys of a set in the order of their key columns, with state, metrics and reason."""
    if state not in (None, *STATES):
        raise _invalid(f"{state!r} is no state of a member; states are: {', '.join(STATES)}")
    name = version or _champion(known)
    index = service.indexes.open(known.name, name)
    query = MemberQuery(_where(where, index), state, text)
    rows = page.fetched(lambda after, limit: _members(index, query, after, limit), lambda row: row.position)
    return [MemberView.of(known.name, name, row) for row in rows]


@router.get(
    "/{model}/keys", summary="Show a key of a model set over the versions", responses=documented(404) | PAGED
)
def key(known: ModelInPath, service: Services, page: PageInQuery, where: Where) -> list[MemberView]:
    """Return the row of one key in each version of the set, newest version first."""
    versions = in_order(_set_versions(known, service))
    paged = replace(page, limit=min(page.limit, _VERSIONS_OF_PAGE)).of(versions, first)
    rows: list[MemberView] = []
    for _, version in paged:
        index = service.indexes.open(known.name, version)
        conditions = _where(where, index)
        if set(conditions) != set(index.facts.keys):
            raise _invalid(f"name one key: give where for each of {', '.join(index.facts.keys)}")
        found = index.members(MemberQuery(conditions), None, 1)
        rows += [MemberView.of(known.name, version, row) for row in found]
    if not (rows or page.after):
        raise RefusedError(404, "Not found", f"No version of {known.name} has the key {', '.join(where)}")
    return rows


def _champion(known: KnownModel) -> str:
    champion = champion_source(known.record)
    if champion is None:
        raise NotFoundError(f"{known.name} has no champion yet: name a version of it in development")
    return champion


def _set_versions(known: KnownModel, service: Service) -> Iterable[str]:
    """Return the versions that are model sets, newest first."""
    records = service.ledger.model_versions(known.name, open_only=False)
    return [record.version for record in records[::-1] if SET_TAG in record.source.tags or known.is_set]


def _where(conditions: list[str], index: OpenIndex) -> dict[str, str]:
    try:
        return parse_where(conditions, index.facts.keys)
    except ValueError as error:
        raise _invalid(str(error)) from None


def _members(index: OpenIndex, query: MemberQuery, after: str | None, limit: int) -> list[Member]:
    try:
        return index.members(query, after, limit)
    except ValueError as error:
        raise _invalid(str(error)) from None


def _invalid(detail: str) -> RefusedError:
    return RefusedError(422, "Unprocessable", detail)
