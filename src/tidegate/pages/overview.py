"""The first screen, and the list of all that needs a person."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from tidegate.api.access import Services
from tidegate.domain.overview import FeedRow, Need
from tidegate.domain.partitions.standing import PartitionStanding
from tidegate.errors import RefusedError
from tidegate.pages.access import visitor
from tidegate.pages.paging import page_of
from tidegate.pages.rendering import render

_FEEDS_OF_PAGE = 50
_ITEMS_SHOWN = 4
_JOBS_SHOWN = 8
# What a kind of need is called, and what is said if nothing of it waits.
NEEDS = {
    Need.APPROVAL: ("Approvals", "A model version passed the gate and waits for an approver."),
    Need.STUCK: ("Stuck", "A job or a rollout has passed a time limit."),
    Need.FAILED: ("Failed partitions", "The newest scoring failed or is incomplete."),
    Need.LATE: ("Late partitions", "The deadline has passed without a result."),
    Need.FAILURE: ("Failed work", "A command or an event failed permanently. It can be replayed."),
    Need.UNDELIVERED: ("Dead letters", "Deliveries and messages that nobody has taken."),
    Need.PAUSED: ("Paused", "A person paused this. No new work starts."),
}
FILTERS = ("failed", "late", "missing")

router = APIRouter(dependencies=[Depends(visitor)])  # first of all: who asks


@router.get("/")
def first_screen(
    request: Request,
    service: Services,
    only: Annotated[str | None, Query(pattern="^(failed|late|missing)$")] = None,
    after: Annotated[str, Query(max_length=64)] = "",
) -> HTMLResponse:
    """Show what needs a person now, the newest partitions, the models, what runs, and the last activity."""
    feeds = page_of(list(service.config().feeds), after, _FEEDS_OF_PAGE, key=str)
    overview = service.overviews.read(feeds.rows)
    return render(
        request,
        "overview.html",
        overview=overview,
        present=overview.status,
        groups=[(need, *NEEDS[need], overview.status.of(need)) for need in Need],
        shown=_ITEMS_SHOWN,
        rows=[row for feed in overview.feeds if (row := _filtered(feed, only)).cells or not only],
        only=only,
        filters=FILTERS,
        page=feeds,
        jobs_shown=_JOBS_SHOWN,
    )


@router.get("/needs/{need}")
def needs(
    request: Request,
    need: str,
    service: Services,
    after: Annotated[str, Query(max_length=600)] = "",
) -> HTMLResponse:
    """Show everything of one kind that needs a person."""
    if need not in list(Need):
        raise RefusedError(404, "Not found", f"{need} is none of: {', '.join(Need)}")
    items = [item for item in service.overviews.status().needs if item.need == need]
    title, about = NEEDS[Need(need)]
    page = page_of(list(enumerate(items)), after, key=lambda pair: f"{pair[0]:06}")
    return render(request, "needs.html", title=title, about=about, need=need, page=page, count=len(items))


def _filtered(feed: FeedRow, only: str | None) -> FeedRow:
    if only is None:
        return feed
    return FeedRow(feed.name, feed.model, tuple(cell for cell in feed.cells if _matches(cell, only)))


def _matches(cell: PartitionStanding, only: str) -> bool:
    return bool(getattr(cell, only))
