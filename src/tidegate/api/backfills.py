"""The HTTP API of backfills: start one, follow its progress, pause, resume and cancel it."""

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel

from tidegate.api.access import FUNCTION_KEY, IdempotencyKey, Services, SignedIn
from tidegate.api.paging import PAGED, PageInQuery, first, in_order
from tidegate.api.partitions import FeedInPath
from tidegate.api.problems import documented
from tidegate.domain.activities.links import backfill_url
from tidegate.domain.backfills.records import Backfill, BackfillChange, NamedPartition
from tidegate.service.manual_actions.backfill import (
    BackfillChangeRequest,
    BackfillRequest,
    BackfillService,
    ModelOfRequest,
    Range,
)
from tidegate.service.manual_actions.requester import Requester

router = APIRouter(prefix="/api/feeds/{feed}/backfills", dependencies=[Depends(FUNCTION_KEY)])


class BackfillCounts(BaseModel):
    """How many partitions are in each state. `running` are claimed or have a job."""

    total: int
    done: int
    running: int
    waiting: int
    failed: int
    skipped: int


class BackfillSummary(BaseModel):
    """A backfill with its progress in numbers."""

    feed: str
    id: str
    first: str
    last: str
    model: str
    max: int
    state: str
    by: str
    by_source: str
    reason: str
    requested_at: datetime
    ended_at: datetime | None
    counts: BackfillCounts
    url: str

    @classmethod
    def of(cls, backfill: Backfill) -> Self:
        return cls.model_validate(_fields(backfill))


class BackfillView(BackfillSummary):
    """A backfill with its partitions, and those that failed or were skipped, with the reasons."""

    partitions: list[str]
    failed: list[NamedPartition]
    skipped: list[NamedPartition]
    changes: list[BackfillChange]

    @classmethod
    def of(cls, backfill: Backfill) -> Self:
        lists = {"failed": backfill.progress.failed, "skipped": backfill.skipped, "changes": backfill.changes}
        return cls.model_validate({**_fields(backfill), **lists, "partitions": backfill.partitions})


class BackfillCheckView(BaseModel):
    """The partitions that a backfill would score, and those that it would skip, with the reasons."""

    feed: str
    first: str
    last: str
    model: str
    max: int
    partitions: list[str]
    skipped: list[NamedPartition]

    @classmethod
    def of(cls, backfill: Backfill) -> Self:
        fields = backfill.model_dump(include=set(cls.model_fields))
        return cls.model_validate({**fields, "max": backfill.max_live})


def _backfills(service: Services) -> BackfillService:
    return service.backfills


Backfills = Annotated[BackfillService, Depends(_backfills)]
BackfillId = Annotated[str, Path(description="The id of the backfill, for example `202601-202610-1`.")]


@router.get("", summary="List the backfills of a feed", responses=documented(404) | PAGED)
def backfills(named: FeedInPath, service: Services, page: PageInQuery) -> list[BackfillSummary]:
    """Return the backfills of a feed, newest first."""
    records = service.ledger.backfills(named.name)[::-1]
    return [BackfillSummary.of(backfill) for _, backfill in page.of(in_order(records), first)]


@router.post(
    "", summary="Score a range of partitions again", status_code=202, responses=documented(400, 404, 409, 503)
)
def start(  # noqa: PLR0913, PLR0917 - the parameters of a route
    named: FeedInPath,
    request: BackfillRequest,
    starting: Backfills,
    signed_in: SignedIn,
    response: Response,
    key: IdempotencyKey = None,
) -> BackfillView:
    """Start a backfill. Each partition of the range is scored as a new generation, at most `max` at a time.

    The same request returns the same backfill while it is under way, and after its end if nothing failed.
    """
    backfill = starting.start(named.name, request, Requester.of(request.by, signed_in), key)
    view = BackfillView.of(backfill)
    response.headers["Location"] = view.url
    return view


@router.get("/check", summary="Check a backfill without changing anything", responses=documented(404))
def check(
    named: FeedInPath,
    starting: Backfills,
    range: Annotated[Range, Query(description="`202601..202610`")],
    model: Annotated[ModelOfRequest | None, Query(description="`classifier:3`")] = None,
) -> BackfillCheckView:
    """Return which partitions a backfill would score, and which it would skip. Nothing is changed."""
    return BackfillCheckView.of(starting.check(named.name, BackfillRequest(range=range, model=model)))


@router.get("/{backfill}", summary="Show a backfill", responses=documented(404))
def backfill(named: FeedInPath, backfill: BackfillId, finding: Backfills) -> BackfillView:
    """Return a backfill with its progress, and the partitions that failed or were skipped."""
    return BackfillView.of(finding.find(named.name, backfill))


@router.post(
    "/{backfill}/{action}",
    summary="Pause, resume or cancel a backfill",
    responses=documented(400, 404, 409, 503),
)
def change(  # noqa: PLR0913, PLR0917 - the parameters of a route
    named: FeedInPath,
    backfill: BackfillId,
    action: Literal["pause", "resume", "cancel"],
    request: BackfillChangeRequest,
    changing: Backfills,
    signed_in: SignedIn,
) -> BackfillView:
    """Pause, resume or cancel a backfill. What runs is brought to its end. Repeating it changes nothing."""
    requester = Requester.of(request.by, signed_in)
    return BackfillView.of(changing.change(named.name, backfill, action, requester))


def _fields(backfill: Backfill) -> dict[str, object]:
    progress = backfill.progress
    counts = {
        "total": backfill.total,
        "done": progress.done,
        "running": progress.running,
        "waiting": progress.waiting,
        "failed": len(progress.failed),
        "skipped": len(backfill.skipped),
    }
    fields = backfill.model_dump(include=set(BackfillSummary.model_fields))
    url = backfill_url(backfill.feed, backfill.id)
    return {**fields, "max": backfill.max_live, "counts": counts, "url": url}
