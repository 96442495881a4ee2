"""The pages of backfills: start one, follow its progress, pause, resume and cancel it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from tidegate.api.access import Services
from tidegate.api.partitions import FeedInPath
from tidegate.domain.activities.links import backfill_url, page_url
from tidegate.errors import RefusedError
from tidegate.pages.access import visitor
from tidegate.pages.actions import ByOperator
from tidegate.pages.forms import body_of
from tidegate.pages.paging import page_of
from tidegate.pages.rendering import render
from tidegate.service.manual_actions.backfill import BackfillRequest

router = APIRouter(prefix="/feeds/{feed}/backfills", dependencies=[Depends(visitor)])
_DONE = {"pause": "is paused", "resume": "goes on", "cancel": "is cancelled. What runs is brought to its end"}


@router.get("")
def backfills(
    request: Request,
    named: FeedInPath,
    service: Services,
    after: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """Show the backfills of a feed, newest first, and the form that starts one."""
    page = page_of(service.ledger.backfills(named.name)[::-1], after, key=lambda backfill: backfill.id)
    return render(request, "backfills.html", name=named.name, feed=named.feed, page=page)


@router.post("")
def start(named: FeedInPath, press: ByOperator) -> HTMLResponse:
    """Start a backfill, or say which partitions it would score."""
    most = press.form.get("max") or "3"
    if not most.isdecimal():
        raise RefusedError(422, "Unprocessable", f"max: {most!r} is not a number")
    body = body_of(
        BackfillRequest,
        range=press.form.get("range") or "",
        model=press.form.get("model"),
        max=int(most),
        reason=press.reason,
    )
    if press.form.get("check"):
        planned = press.service.backfills.check(named.name, body)
        text = f"{len(planned.partitions)} partitions would be scored, {len(planned.skipped)} skipped. "
        return press.done(text + "Nothing was changed.", f"/feeds/{named.name}/backfills", "Backfills")
    backfill = press.service.backfills.start(named.name, body, press.requester, press.form.key)
    text = f"The backfill {backfill.id} of {len(backfill.partitions)} partitions starts."
    return press.done(text, page_url(backfill_url(named.name, backfill.id)), "Progress")


@router.get("/{backfill}")
def backfill(request: Request, named: FeedInPath, backfill: str, service: Services) -> HTMLResponse:
    """Show a backfill with its progress, which renews itself."""
    record = service.backfills.find(named.name, backfill)
    return render(request, "backfill.html", name=named.name, backfill=record)


@router.post("/{backfill}/{action}")
def change(
    named: FeedInPath, backfill: str, action: Literal["pause", "resume", "cancel"], press: ByOperator
) -> HTMLResponse:
    record = press.service.backfills.change(named.name, backfill, action, press.requester)
    link = page_url(backfill_url(named.name, record.id))
    return press.done(f"The backfill {record.id} {_DONE[action]}.", link, "Progress")
