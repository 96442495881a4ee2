"""The HTTP API of permanent failures: rejected events and failed commands, and their replay."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from tidegate.api.access import FUNCTION_KEY, Services, SignedIn
from tidegate.api.paging import PAGED, PageInQuery
from tidegate.api.problems import documented
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.links import failure_url
from tidegate.service.manual_actions.replay import ReplayRequest, ReplayService
from tidegate.service.manual_actions.requester import Requester

router = APIRouter(prefix="/api/failures", dependencies=[Depends(FUNCTION_KEY)])

Id = Annotated[
    str, Path(pattern="^[0-9a-f]{12}$", description="The `id` from the list, for example `3f2a9c81d04e`.")
]


class FailureView(BaseModel):
    """A rejected event or a failed command, with its stored data."""

    id: str
    kind: str
    at: datetime
    subject: str
    title: str
    text: str
    cause: str
    kept: dict[str, Any]
    replayable: bool
    replayed_at: datetime | None
    replayed_by: str | None
    closed_at: datetime | None
    url: str

    @classmethod
    def of(cls, failure: Activity, **more: str) -> Self:
        same = cls.model_fields.keys() - {"id", "kept", "url", *more}
        fields = {name: getattr(failure, name) for name in same}
        return cls(
            id=failure.short_id, kept=failure.data, url=failure_url(failure.short_id), **fields, **more
        )


class ReplayView(FailureView):
    """A failure that was replayed just now, and the result of the replay (`came_of_it`)."""

    came_of_it: str


def _replays(service: Services) -> ReplayService:
    return service.replays


Replays = Annotated[ReplayService, Depends(_replays)]


@router.get("", summary="List failures", responses=PAGED)
def failures(
    replays: Replays,
    page: PageInQuery,
    all: Annotated[bool, Query(description="Include the failures that were replayed.")] = False,
) -> list[FailureView]:
    """Return the permanent failures that a person has to handle, newest first."""
    newest_first = page.of(
        replays.failures(replayed=all),
        lambda failure: f"{failure.at:%Y%m%dT%H%M%S%f} {failure.subject} {failure.id}",
        descending=True,
    )
    return [FailureView.of(activity) for activity in newest_first]


@router.get("/{failure}", summary="Show a failure", responses=documented(404))
def failure(failure: Id, replays: Replays) -> FailureView:
    """Return a permanent failure with its stored data."""
    return FailureView.of(replays.find(failure))


@router.post(
    "/{failure}/replay", summary="Replay a failure", status_code=202, responses=documented(404, 409, 503)
)
def replay(
    failure: Id, replays: Replays, signed_in: SignedIn, request: ReplayRequest | None = None
) -> ReplayView:
    """Try a failure again: an event goes through the inbox, a command goes to the queue.

    A second replay does no harm.
    """
    requester = Requester.if_named(request.by if request else None, signed_in)
    activity, effect = replays.replay(failure, requester)
    return ReplayView.of(activity, came_of_it=effect)
