"""The HTTP API: what there is, and how a person asks for a re-run. Events must never import it.

The host checks the function key before anything here runs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from pydantic import BaseModel

from tidegate.api import docs_page, failures
from tidegate.api import models as model_api
from tidegate.api.access import FUNCTION_KEY, IdempotencyKey, Services
from tidegate.api.problems import Responses, documented, handle_problems
from tidegate.api.views import FeedView, JobView, MonthSummary, MonthView, ScoringView, month_view
from tidegate.bootstrap import Service
from tidegate.config.schema import Feed
from tidegate.domain.partitions.records import Month
from tidegate.errors import ConfigError, RefusedError, TidegateError
from tidegate.messages.commands import MonthId
from tidegate.service.manual_actions.rerun import RerunRequest, RerunService

_DESCRIPTION = """Files arrive monthly; predictions come out, reconciled with them. This is what happened,
and the way to have a month scored again. Send the function key as `x-functions-key`."""


class Health(BaseModel):
    """The service can work."""

    status: str
    feeds: list[str]
    configuration: str


def _feed(feed: str, service: Services) -> tuple[str, Feed]:
    feeds = service.config().feeds
    if feed not in feeds:
        detail = f"There is no feed {feed!r}; there are: {', '.join(feeds)}"
        raise RefusedError(404, "There is no such feed", detail)
    return feed, feeds[feed]


NamedFeed = Annotated[tuple[str, Feed], Depends(_feed)]


@dataclass(frozen=True)
class _Place:
    """A month of a feed."""

    feed: Feed
    record: Month


def _place(found: NamedFeed, month: MonthId, service: Services) -> _Place:
    name, feed = found
    return _Place(feed, service.ledger.month(name, month))


def _reruns(service: Services) -> RerunService:
    return service.reruns


FeedMonth = Annotated[_Place, Depends(_place)]

_ANYWHERE: Responses = {401: {"description": "The host's answer without the key"}, **documented(422)}
router = APIRouter(prefix="/api", dependencies=[Depends(FUNCTION_KEY)])


def create_app(service: Callable[[], Service]) -> FastAPI:
    """The ASGI app. `service` is called with each request: a bad environment is a 503 that says so."""
    app = FastAPI(
        title="Tidegate",
        version="1",
        description=_DESCRIPTION,
        openapi_url="/api/openapi.json",
        responses=_ANYWHERE,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    app.include_router(router)
    app.include_router(model_api.router)
    app.include_router(failures.router)
    app.include_router(docs_page.router, prefix="/api")
    handle_problems(app)
    return app


@router.get("/health", responses=documented(503))
def health(request: Request) -> Health:
    """Whether the configuration can be used and the ledger be read; 503 says why not."""
    try:
        service: Service = request.app.state.service()
        config = service.config()
        service.ledger.activity("health", "probe")
    except ConfigError:
        raise
    except TidegateError as error:
        raise RefusedError(503, "The ledger cannot be read", str(error)) from error
    return Health(status="ok", feeds=list(config.feeds), configuration=config.digest)


@router.get("/feeds")
def feeds(service: Services) -> list[FeedView]:
    """The feeds of tidegate.yml."""
    return [FeedView.of(name, feed) for name, feed in service.config().feeds.items()]


@router.get("/feeds/{feed}", responses=documented(404))
def feed(found: NamedFeed) -> FeedView:
    return FeedView.of(*found)


@router.get("/feeds/{feed}/months", responses=documented(404))
def months(found: NamedFeed, service: Services) -> list[MonthSummary]:
    """Its months, newest first."""
    records = sorted(service.ledger.months(found[0]), key=lambda record: record.month, reverse=True)
    return [MonthSummary.of(record) for record in records]


@router.get("/feeds/{feed}/months/{month}", responses=documented(404))
def month(place: FeedMonth, service: Services) -> MonthView:
    """A month with its versions, their scorings, and what happened."""
    record = place.record
    activities = service.ledger.activities(f"{record.feed}:{record.month}")
    if record.etag is None and not activities:
        detail = f"Nothing is known of {record.feed} {record.month}; the feed starts {place.feed.starts}"
        raise RefusedError(404, "There is no such month", detail)
    return month_view(record, place.feed.workspace, activities)


@router.get("/feeds/{feed}/months/{month}/jobs", responses=documented(404))
def scorings(place: FeedMonth) -> list[ScoringView]:
    """Every scoring of the month, oldest first."""
    return [ScoringView.of(claim, place.feed.workspace) for claim in place.record.claims]


@router.post("/feeds/{feed}/months/{month}/jobs", status_code=202, responses=documented(400, 404, 409, 503))
def rerun(
    place: FeedMonth,
    wanted: RerunRequest,
    reruns: Annotated[RerunService, Depends(_reruns)],
    response: Response,
    key: IdempotencyKey = None,
) -> ScoringView:
    """Score a version of the month again, as a new generation. `Location` and `url` say where to look."""
    claim = reruns.rerun(place.feed, place.record, wanted, key)
    view = ScoringView.of(claim, place.feed.workspace)
    response.headers["Location"] = view.url
    return view


@router.get("/feeds/{feed}/months/{month}/jobs/{scoring}", responses=documented(404))
def scoring(place: FeedMonth, scoring: str) -> ScoringView:
    """One scoring, by its name: `202611-1-g2`."""
    there = scorings(place)
    for one in there:
        if one.name == scoring:
            return one
    names = ", ".join(one.name for one in there) or "none yet"
    detail = f"{place.record.month} has no scoring {scoring!r}; it has {names}"
    raise RefusedError(404, "There is no such scoring", detail)


@router.get("/jobs")
def jobs(
    service: Services,
    all: Annotated[bool, Query(description="Also those that have ended.")] = False,
) -> list[JobView]:
    """The Azure ML jobs that the service launched and that have not ended, newest first."""
    found = sorted(service.ledger.jobs(open_only=not all), key=lambda job: job.submitted_at, reverse=True)
    return [JobView.of(job) for job in found]


@router.get("/jobs/{workspace}/{job}", responses=documented(404))
def job(workspace: str, job: str, service: Services) -> JobView:
    found = service.ledger.job(workspace, job)
    if found is None:
        raise RefusedError(
            404, "There is no such job", f"The service launched no job {job!r} in {workspace!r}"
        )
    return JobView.of(found)
