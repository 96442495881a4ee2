"""The HTTP API: health, feeds, months, scorings and jobs.

The Functions host checks the function key before it calls the app. Modules on the event path must not import
this one, because FastAPI would lengthen their cold start.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from pydantic import BaseModel

from tidegate.api import approvals, docs_page, failures, pauses
from tidegate.api import models as model_api
from tidegate.api.access import FUNCTION_KEY, IdempotencyKey, Services
from tidegate.api.check_views import FeedCheckView, PartitionCheckView
from tidegate.api.problems import Responses, documented, handle_problems
from tidegate.api.views import FeedView, JobView, MonthSummary, MonthView, ScoringView, month_view
from tidegate.bootstrap import Service
from tidegate.config.loader import missing_files
from tidegate.config.schema import Feed
from tidegate.domain.jobs.records import JobKind
from tidegate.domain.partitions.records import Month
from tidegate.errors import ConfigError, RefusedError, TidegateError
from tidegate.messages.commands import MonthId
from tidegate.service.manual_actions.rerun import RerunRequest, RerunService

_DESCRIPTION = """Tidegate scores the files of each month and reconciles the predictions with them.
This API shows what happened to months, jobs and models. People can also send requests: score a month
again, judge or approve a model version, go back to the previous champion, replay a failure, pause a feed.
Send the function key in the header `x-functions-key`."""


class Health(BaseModel):
    """The response of a healthy service."""

    status: str
    feeds: list[str]
    configuration: str


@dataclass(frozen=True)
class NamedFeed:
    """A feed of the configuration with its name."""

    name: str
    feed: Feed


@dataclass(frozen=True)
class FeedMonth:
    """A month of a feed, with its record in the ledger."""

    feed: Feed
    record: Month


def _feed(feed: str, service: Services) -> NamedFeed:
    feeds = service.config().feeds
    if feed not in feeds:
        raise RefusedError(404, "Not found", f"There is no feed {feed!r}; there are: {', '.join(feeds)}")
    return NamedFeed(feed, feeds[feed])


FeedInPath = Annotated[NamedFeed, Depends(_feed)]


def _feed_month(named: FeedInPath, month: MonthId, service: Services) -> FeedMonth:
    return FeedMonth(named.feed, service.ledger.month(named.name, month))


def _reruns(service: Services) -> RerunService:
    return service.reruns


MonthInPath = Annotated[FeedMonth, Depends(_feed_month)]

_EVERYWHERE: Responses = {
    401: {"description": "Not authorized: the function key is missing or wrong"},
    **documented(422),
}
router = APIRouter(prefix="/api", dependencies=[Depends(FUNCTION_KEY)])


def create_app(service: Callable[[], Service]) -> FastAPI:
    """Return the ASGI app.

    `service` is called for each request, so that a bad environment leads to a 503 response with the reason.
    """
    app = FastAPI(
        title="Tidegate",
        version="1",
        description=_DESCRIPTION,
        openapi_url="/api/openapi.json",
        responses=_EVERYWHERE,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    app.include_router(router)
    app.include_router(model_api.router)
    app.include_router(approvals.router)
    app.include_router(failures.router)
    app.include_router(pauses.router)
    app.include_router(docs_page.router, prefix="/api")
    handle_problems(app)
    return app


@router.get("/health", summary="Check the service", responses=documented(503))
def health(request: Request) -> Health:
    """Check that the configuration is valid, that its files are there, and that the ledger can be read.

    If not, the response is 503 with the reason.
    """
    try:
        service: Service = request.app.state.service()
        config = service.config()
        service.ledger.activity("health", "probe")
    except ConfigError:
        raise
    except TidegateError as error:
        raise RefusedError(503, "Ledger is not available", str(error)) from error
    if missing := missing_files(config, service.settings.config_file.parent):
        raise RefusedError(503, "A file is missing", "; ".join(missing))
    return Health(status="ok", feeds=list(config.feeds), configuration=config.digest)


@router.get("/feeds", summary="List feeds")
def feeds(service: Services) -> list[FeedView]:
    """Return the feeds of tidegate.yml."""
    return [FeedView.of(name, feed) for name, feed in service.config().feeds.items()]


@router.get("/feeds/{feed}", summary="Show a feed", responses=documented(404))
def feed(named: FeedInPath) -> FeedView:
    """Return a feed of tidegate.yml."""
    return FeedView.of(named.name, named.feed)


@router.get(
    "/feeds/{feed}/check", summary="Check a feed without changing anything", responses=documented(404)
)
def check_feed(named: FeedInPath, service: Services) -> FeedCheckView:
    """List the feed's files, and return which partitions are complete and which jobs would start.

    Nothing is changed. All files of the feed are listed, which takes some seconds for each 100,000.
    """
    return FeedCheckView.of(named.name, service.dry_runs.feed(named.name))


@router.get("/feeds/{feed}/months", summary="List the months of a feed", responses=documented(404))
def months(named: FeedInPath, service: Services) -> list[MonthSummary]:
    """Return the months of a feed that have a record, newest first."""
    records = sorted(service.ledger.months(named.name), key=lambda record: record.month, reverse=True)
    return [MonthSummary.of(record, named.feed) for record in records]


@router.get("/feeds/{feed}/months/{month}", summary="Show a month", responses=documented(404))
def month(feed_month: MonthInPath, service: Services) -> MonthView:
    """Return a month with its versions, their scorings, and its activities."""
    record, feed = feed_month.record, feed_month.feed
    activities = service.ledger.activities(f"{record.feed}:{record.month}")
    if record.etag is None and not activities:
        detail = f"No file of {record.feed} {record.month} has arrived yet. The feed starts in {feed.starts}"
        raise RefusedError(404, "Not found", detail)
    return month_view(record, feed, activities)


@router.get(
    "/feeds/{feed}/months/{month}/check",
    summary="Check a month without changing anything",
    responses=documented(404),
)
def check_month(named: FeedInPath, month: MonthId, service: Services) -> PartitionCheckView:
    """List the month's files, and return whether they are complete and which job would start.

    Nothing is changed.
    """
    return PartitionCheckView.of(service.dry_runs.partition(named.name, month))


@router.get(
    "/feeds/{feed}/months/{month}/jobs", summary="List the scorings of a month", responses=documented(404)
)
def scorings(feed_month: MonthInPath) -> list[ScoringView]:
    """Return every scoring of a month, oldest first."""
    return [ScoringView.of(claim, feed_month.feed.workspace) for claim in feed_month.record.claims]


@router.post(
    "/feeds/{feed}/months/{month}/jobs",
    summary="Score a month again",
    status_code=202,
    responses=documented(400, 404, 409, 503),
)
def rerun(
    feed_month: MonthInPath,
    request: RerunRequest,
    reruns: Annotated[RerunService, Depends(_reruns)],
    response: Response,
    key: IdempotencyKey = None,
) -> ScoringView:
    """Score a version of a month again, as a new generation.

    The header `Location` and the field `url` have the address of the scoring.
    """
    claim = reruns.rerun(feed_month.feed, feed_month.record, request, key)
    view = ScoringView.of(claim, feed_month.feed.workspace)
    response.headers["Location"] = view.url
    return view


@router.get(
    "/feeds/{feed}/months/{month}/jobs/{scoring}", summary="Show a scoring", responses=documented(404)
)
def scoring(
    feed_month: MonthInPath,
    scoring: Annotated[str, Path(description="The name of the scoring, for example `202611-1-g2`.")],
) -> ScoringView:
    """Return a scoring of a month by its name."""
    by_name = {view.name: view for view in scorings(feed_month)}
    if scoring not in by_name:
        detail = (
            f"{feed_month.record.month} has no scoring {scoring!r}; it has {', '.join(by_name) or 'none yet'}"
        )
        raise RefusedError(404, "Not found", detail)
    return by_name[scoring]


@router.get("/jobs", summary="List jobs")
def jobs(
    service: Services,
    all: Annotated[bool, Query(description="Include the jobs that have ended.")] = False,
    kind: Annotated[JobKind | None, Query(description="Only the jobs of this kind.")] = None,
) -> list[JobView]:
    """Return the Azure ML jobs that the service submitted and that have not ended, newest first."""
    records = sorted(service.ledger.jobs(open_only=not all), key=lambda job: job.submitted_at, reverse=True)
    return [JobView.of(job) for job in records if kind in (None, job.kind)]


@router.get("/jobs/{workspace}/{job}", summary="Show a job", responses=documented(404))
def job(
    workspace: Annotated[str, Path(description="`development` or `production`.")], job: str, service: Services
) -> JobView:
    """Return an Azure ML job that the service submitted."""
    record = service.ledger.job(workspace, job)
    if record is None:
        detail = (
            f"The service has submitted no job {job!r} in the workspace {workspace!r}. "
            "GET /api/jobs?all=true lists all jobs"
        )
        raise RefusedError(404, "Not found", detail)
    return JobView.of(record)
