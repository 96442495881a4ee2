"""The HTTP API: health, feeds, partitions, scorings and jobs.

The Functions host checks the function key before it calls the app. Modules on the event path must not import
this one, because FastAPI would lengthen their cold start.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from pydantic import BaseModel, Field

from tidegate.api import approvals, docs_page, failures, pauses
from tidegate.api import models as model_api
from tidegate.api.access import FUNCTION_KEY, IdempotencyKey, Services
from tidegate.api.check_views import FeedCheckView, PartitionCheckView
from tidegate.api.paging import PAGED, PageInQuery, first, in_order
from tidegate.api.problems import Responses, documented, handle_problems
from tidegate.api.views import FeedView, JobView, PartitionSummary, PartitionView, ScoringView, partition_view
from tidegate.bootstrap import Service
from tidegate.config.loader import missing_files
from tidegate.config.schema import Feed
from tidegate.domain.jobs.records import JobKind
from tidegate.domain.partitions.records import Partition
from tidegate.errors import ConfigError, RefusedError, TidegateError
from tidegate.messages.partition_id import PartitionId, period_of
from tidegate.service.manual_actions.rerun import RerunRequest, RerunService

_DESCRIPTION = """Tidegate scores the files of each partition and reconciles the predictions with them.
This API shows what happened to partitions, jobs and models. People can also send requests: score a partition
again, judge or approve a model version, go back to the previous champion, replay a failure, pause a feed.
Send the function key in the header `x-functions-key`."""


class Health(BaseModel):
    """The response of a healthy service."""

    status: str
    feeds: list[str]
    configuration: str
    poison_messages: int = Field(description="Messages that crashed the service, approximately.")
    dead_letters: int = Field(description="Deliveries that Event Grid gave up. At most 1000 are counted.")
    failures: int = Field(description="Failed work that waits for a person.")
    delayed: int = Field(description="Pieces of work that are retried.")


@dataclass(frozen=True)
class NamedFeed:
    """A feed of the configuration with its name."""

    name: str
    feed: Feed


@dataclass(frozen=True)
class FeedPartition:
    """A partition of a feed, with its record in the ledger."""

    feed: Feed
    record: Partition


def _feed(feed: str, service: Services) -> NamedFeed:
    feeds = service.config().feeds
    if feed not in feeds:
        raise RefusedError(404, "Not found", f"There is no feed {feed!r}; there are: {', '.join(feeds)}")
    return NamedFeed(feed, feeds[feed])


FeedInPath = Annotated[NamedFeed, Depends(_feed)]


def _feed_partition(named: FeedInPath, partition: PartitionId, service: Services) -> FeedPartition:
    period = named.feed.path.period
    if period_of(partition) != period:
        example = "202611" if period == "month" else "20261105"
        detail = f"The partitions of {named.name} are {period}s, such as {example}: {partition} is none"
        raise RefusedError(404, "Not found", detail)
    return FeedPartition(named.feed, service.ledger.partition(named.name, partition))


def _reruns(service: Services) -> RerunService:
    return service.reruns


PartitionInPath = Annotated[FeedPartition, Depends(_feed_partition)]

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
    """Check that the configuration is valid, that its files are there, and that the storage can be read.

    The response counts what is stuck. If a check fails, the response is 503 with the reason.
    """
    try:
        service: Service = request.app.state.service()
        config = service.config()
        failures, delays = service.replays.failures(replayed=False), service.ledger.delays()
        undelivered = service.undelivered.count()
    except ConfigError:
        raise
    except TidegateError as error:
        raise RefusedError(503, "Storage is not available", str(error)) from error
    if missing := missing_files(config, service.settings.config_file.parent):
        raise RefusedError(503, "A file is missing", "; ".join(missing))
    return Health(
        status="ok",
        feeds=list(config.feeds),
        configuration=config.digest,
        poison_messages=undelivered.poison_messages,
        dead_letters=undelivered.dead_letters,
        failures=len(failures),
        delayed=sum(delay.chain is not None for delay in delays),
    )


@router.get("/feeds", summary="List feeds", responses=PAGED)
def feeds(service: Services, page: PageInQuery) -> list[FeedView]:
    """Return the feeds of tidegate.yml."""
    feeds = page.of(in_order(service.config().feeds.items()), first)
    return [FeedView.of(name, feed, service.ledger.feed(name)) for _, (name, feed) in feeds]


@router.get("/feeds/{feed}", summary="Show a feed", responses=documented(404))
def feed(named: FeedInPath, service: Services) -> FeedView:
    """Return a feed of tidegate.yml."""
    return FeedView.of(named.name, named.feed, service.ledger.feed(named.name))


@router.get(
    "/feeds/{feed}/check", summary="Check a feed without changing anything", responses=documented(404)
)
def check_feed(named: FeedInPath, service: Services) -> FeedCheckView:
    """List the feed's files, and return which partitions are complete and which jobs would start.

    Nothing is changed. All files of the feed are listed, which takes some seconds for each 100,000.
    """
    return FeedCheckView.of(named.name, service.dry_runs.feed(named.name))


@router.get(
    "/feeds/{feed}/partitions", summary="List the partitions of a feed", responses=documented(404) | PAGED
)
def partitions(named: FeedInPath, service: Services, page: PageInQuery) -> list[PartitionSummary]:
    """Return the partitions of a feed that have a record, newest first."""
    records = page.of(service.ledger.partitions(named.name), lambda record: record.partition, descending=True)
    return [PartitionSummary.of(record, named.feed) for record in records]


@router.get("/feeds/{feed}/partitions/{partition}", summary="Show a partition", responses=documented(404))
def partition(feed_partition: PartitionInPath, service: Services) -> PartitionView:
    """Return a partition with its versions, their scorings, and its activities."""
    record, feed = feed_partition.record, feed_partition.feed
    activities = service.ledger.activities(f"{record.feed}:{record.partition}")
    if record.etag is None and not activities:
        detail = (
            f"The service has seen no file of {record.feed} {record.partition} yet. "
            f"The feed starts in {feed.starts}"
        )
        raise RefusedError(404, "Not found", detail)
    return partition_view(record, feed, activities)


@router.get(
    "/feeds/{feed}/partitions/{partition}/check",
    summary="Check a partition without changing anything",
    responses=documented(404),
)
def check_partition(feed_partition: PartitionInPath, service: Services) -> PartitionCheckView:
    """List the partition's files, and return whether they are complete and which job would start.

    Nothing is changed.
    """
    record, dry_runs = feed_partition.record, service.dry_runs
    run = dry_runs.partition(record.feed, record.partition)
    return PartitionCheckView.of(run, dry_runs.pauses(record.feed))


@router.get(
    "/feeds/{feed}/partitions/{partition}/jobs",
    summary="List the scorings of a partition",
    responses=documented(404) | PAGED,
)
def scorings(feed_partition: PartitionInPath, page: PageInQuery) -> list[ScoringView]:
    """Return every scoring of a partition, oldest first."""
    claims = page.of(in_order(feed_partition.record.claims), first)
    return [ScoringView.of(claim, feed_partition.feed.workspace) for _, claim in claims]


@router.post(
    "/feeds/{feed}/partitions/{partition}/jobs",
    summary="Score a partition again",
    status_code=202,
    responses=documented(400, 404, 409, 503),
)
def rerun(
    feed_partition: PartitionInPath,
    request: RerunRequest,
    reruns: Annotated[RerunService, Depends(_reruns)],
    response: Response,
    key: IdempotencyKey = None,
) -> ScoringView:
    """Score a version of a partition again, as a new generation.

    The header `Location` and the field `url` have the address of the scoring.
    """
    claim = reruns.rerun(feed_partition.feed, feed_partition.record, request, key)
    view = ScoringView.of(claim, feed_partition.feed.workspace)
    response.headers["Location"] = view.url
    return view


@router.get(
    "/feeds/{feed}/partitions/{partition}/jobs/{scoring}", summary="Show a scoring", responses=documented(404)
)
def scoring(
    feed_partition: PartitionInPath,
    scoring: Annotated[str, Path(description="The name of the scoring, for example `202611-1-g2`.")],
) -> ScoringView:
    """Return a scoring of a partition by its name."""
    record = feed_partition.record
    by_name = {claim.name: claim for claim in record.claims}
    if scoring not in by_name:
        names = ", ".join(by_name) or "none yet"
        raise RefusedError(404, "Not found", f"{record.partition} has no scoring {scoring!r}; it has {names}")
    return ScoringView.of(by_name[scoring], feed_partition.feed.workspace)


@router.get("/jobs", summary="List jobs", responses=PAGED)
def jobs(
    service: Services,
    page: PageInQuery,
    all: Annotated[bool, Query(description="Include the jobs that have ended.")] = False,
    kind: Annotated[JobKind | None, Query(description="Only the jobs of this kind.")] = None,
) -> list[JobView]:
    """Return the Azure ML jobs that the service submitted and that have not ended, newest first."""
    records = (job for job in service.ledger.jobs(open_only=not all) if kind in (None, job.kind))
    newest_first = page.of(
        records, lambda job: f"{job.submitted_at:%Y%m%dT%H%M%S%f} {job.workspace} {job.name}", descending=True
    )
    return [JobView.of(job) for job in newest_first]


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
