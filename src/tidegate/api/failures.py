"""The HTTP API of what failed for good: the list, and the way to have it tried again."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from tidegate.api.access import FUNCTION_KEY, Services
from tidegate.api.problems import documented
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.links import failure_url
from tidegate.service.manual_actions.replay import ReplayService

router = APIRouter(prefix="/api/failures", dependencies=[Depends(FUNCTION_KEY)])

Id = Annotated[str, Path(pattern="^[0-9a-f]{12}$", description="As the list has it: `3f2a9c81d04e`.")]


class FailureView(BaseModel):
    """A rejected event, or work that was given up, with what was kept of it."""

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
    url: str

    @classmethod
    def of(cls, failure: Activity, **more: str) -> Self:
        same = ("kind", "at", "subject", "title", "text", "cause", "replayable", "replayed_at")
        told = {name: getattr(failure, name) for name in same}
        return cls(id=failure.short_id, kept=failure.data, url=failure_url(failure.short_id), **told, **more)


class ReplayView(FailureView):
    """A failure that was replayed just now, and what came of it."""

    came_of_it: str


def _failures(service: Services) -> ReplayService:
    return service.replays


Known = Annotated[ReplayService, Depends(_failures)]


@router.get("")
def failures(
    known: Known,
    all: Annotated[bool, Query(description="Also those that were replayed.")] = False,
) -> list[FailureView]:
    """What failed for good and waits for a person, newest first."""
    return [FailureView.of(one) for one in known.failures(replayed=all)]


@router.get("/{failure}", responses=documented(404))
def failure(failure: Id, known: Known) -> FailureView:
    return FailureView.of(known.find(failure))


@router.post("/{failure}/replay", status_code=202, responses=documented(404, 409, 503))
def replay(failure: Id, known: Known) -> ReplayView:
    """Try it again: an event goes through the inbox, a command to the queue. Twice does no harm."""
    found, came = known.replay(failure)
    return ReplayView.of(found, came_of_it=came)
