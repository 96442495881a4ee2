"""The HTTP API of pauses: list what is paused and what waits, pause, and resume."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from tidegate.api.access import FUNCTION_KEY, Services, SignedIn
from tidegate.api.paging import PAGED, PageInQuery, first, in_order
from tidegate.api.problems import documented
from tidegate.domain.pauses import WaitingCommand
from tidegate.service.manual_actions.pause import PausedWork, PauseRequest, PauseService, ResumeRequest
from tidegate.service.manual_actions.requester import Requester

router = APIRouter(prefix="/api/pauses", dependencies=[Depends(FUNCTION_KEY)])


class WaitingView(BaseModel):
    """A command that waits for the end of a pause."""

    kind: str
    what: str
    command: str
    since: datetime

    @classmethod
    def of(cls, waiting: WaitingCommand) -> Self:
        return cls.model_validate(waiting.model_dump(include=set(cls.model_fields)))


class PauseView(BaseModel):
    """A pause, and the commands that wait for its end."""

    target: str
    by: str
    by_source: str
    reason: str
    since: datetime
    ends_at: datetime | None
    waiting: list[WaitingView]

    @classmethod
    def of(cls, paused: PausedWork) -> Self:
        waiting = [WaitingView.of(row) for row in paused.waiting]
        return cls(**paused.pause.model_dump(), waiting=waiting)


class ResumeView(BaseModel):
    """The end of a pause, and how many waiting commands were sent."""

    target: str
    sent: int


def _pauses(service: Services) -> PauseService:
    return service.pauses


Pauses = Annotated[PauseService, Depends(_pauses)]


@router.get("", summary="List pauses", responses=PAGED)
def pauses(pausing: Pauses, page: PageInQuery) -> list[PauseView]:
    """Return what is paused, each with the commands that wait, the longest pause first."""
    return [PauseView.of(paused) for _, paused in page.of(in_order(pausing.pauses()), first)]


@router.post("", summary="Pause a feed, a model or everything", responses=documented(400, 404, 409, 503))
def pause(request: PauseRequest, pausing: Pauses, signed_in: SignedIn) -> PauseView:
    """Pause the target. If it is paused already, the answer is the pause that there is.

    Jobs that run are brought to their end. No new work starts, and what would start it waits.
    """
    paused = pausing.pause(request, Requester.of(request.by, signed_in))
    return PauseView.of(PausedWork(paused, []))


@router.post("/resume", summary="End a pause", responses=documented(400, 409, 503))
def resume(request: ResumeRequest, pausing: Pauses, signed_in: SignedIn) -> ResumeView:
    """End the pause of the target, and send the commands that waited."""
    sent = pausing.resume(request.target, Requester.of(request.by, signed_in))
    return ResumeView(target=request.target, sent=sent)
