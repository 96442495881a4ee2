"""The HTTP API of feeds, their partitions, and the scorings of a partition."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from tidegate.api.access import FUNCTION_KEY, IdempotencyKey, Services, SignedIn
from tidegate.api.check_views import FeedCheckView, PartitionCheckView
from tidegate.api.paging import PAGED, PageInQuery, first, in_order
from tidegate.api.problems import documented
from tidegate.api.tags import TagFilter, TagsInQuery
from tidegate.api.views import (
    ActivityView,
    FeedView,
    PartitionSummary,
    PartitionVersionView,
    PartitionView,
    ScoringView,
    partition_view,
)
from tidegate.config.schema import Feed
from tidegate.domain.activities.subjects import partition_subject
from tidegate.domain.partitions.names import partition_of_result, predictions_asset
from tidegate.domain.partitions.records import Partition
from tidegate.errors import RefusedError
from tidegate.messages.partition_id import PartitionId, period_of
from tidegate.service.manual_actions.requester import Requester
from tidegate.service.manual_actions.rerun import RerunRequest, RerunService

router = APIRouter(prefix="/api/feeds", dependencies=[Depends(FUNCTION_KEY)])


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


def _tagged_partitions(service: Services, named: NamedFeed, tags: TagFilter) -> set[str]:
    """Return the partitions with a Data asset that has these tags in Azure ML."""
    assets = service.workspace_of(named.feed).assets
    names = (named.name, predictions_asset(named.name))
    return {
        partition_of_result(version)
        for name in names
        for version, known in assets.tags_of_data(name).items()
        if tags.matches(known)
    }


def _reruns(service: Services) -> RerunService:
    return service.reruns


PartitionInPath = Annotated[FeedPartition, Depends(_feed_partition)]


@router.get("", summary="List feeds", responses=PAGED)
def feeds(service: Services, page: PageInQuery) -> list[FeedView]:
    """Return the feeds of tidegate.yml."""
    feeds = page.of(in_order(service.config().feeds.items()), first)
    return [FeedView.of(name, feed, service.ledger.feed(name)) for _, (name, feed) in feeds]


@router.get("/{feed}", summary="Show a feed", responses=documented(404))
def feed(named: FeedInPath, service: Services) -> FeedView:
    """Return a feed of tidegate.yml."""
    return FeedView.of(named.name, named.feed, service.ledger.feed(named.name))


@router.get("/{feed}/check", summary="Check a feed without changing anything", responses=documented(404))
def check_feed(named: FeedInPath, service: Services) -> FeedCheckView:
    """List the feed's files, and return which partitions are complete and which jobs would start.

    Nothing is changed. All files of the feed are listed, which takes some seconds for each 100,000.
    """
    return FeedCheckView.of(named.name, service.dry_runs.feed(named.name))


@router.get("/{feed}/partitions", summary="List the partitions of a feed", responses=documented(404) | PAGED)
def partitions(
    named: FeedInPath, service: Services, page: PageInQuery, tags: TagsInQuery
) -> list[PartitionSummary]:
    """Return the partitions of a feed that have a record, newest first.

    With tags, return those of which a Data asset, of the files or of the predictions, has these tags now.
    """
    tagged = _tagged_partitions(service, named, tags) if tags else None
    records = page.fetched(
        lambda before, count: service.overviews.newest(named.name, count, before, tagged),
        lambda record: record.partition,
    )
    return [PartitionSummary.of(record, named.feed) for record in records]


@router.get("/{feed}/partitions/{partition}", summary="Show a partition", responses=documented(404))
def partition(feed_partition: PartitionInPath, service: Services) -> PartitionView:
    """Return a partition with its newest versions, their newest scorings, and its newest activities."""
    record, feed = feed_partition.record, feed_partition.feed
    activities = service.ledger.activities(partition_subject(record.feed, record.partition))
    if record.etag is None and not activities:
        detail = (
            f"The service has seen no file of {record.feed} {record.partition} yet. "
            f"The feed starts in {feed.starts}"
        )
        raise RefusedError(404, "Not found", detail)
    return partition_view(record, feed, activities)


@router.get(
    "/{feed}/partitions/{partition}/versions",
    summary="List the versions of a partition",
    responses=documented(404) | PAGED,
)
def versions(feed_partition: PartitionInPath, page: PageInQuery) -> list[PartitionVersionView]:
    """Return every version of a partition, oldest first, each with its newest scorings."""
    record, workspace = feed_partition.record, feed_partition.feed.workspace
    rows = page.of(in_order(record.versions), first)
    return [PartitionVersionView.of(record, workspace, version) for _, version in rows]


@router.get(
    "/{feed}/partitions/{partition}/activities",
    summary="List the activities of a partition",
    responses=documented(404) | PAGED,
)
def activities(feed_partition: PartitionInPath, service: Services, page: PageInQuery) -> list[ActivityView]:
    """Return everything that happened to a partition, oldest first."""
    record = feed_partition.record
    subject = partition_subject(record.feed, record.partition)
    rows = page.of(in_order(service.ledger.activities(subject)), first)
    return [ActivityView.of(activity) for _, activity in rows]


@router.get(
    "/{feed}/partitions/{partition}/check",
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
    "/{feed}/partitions/{partition}/jobs",
    summary="List the scorings of a partition",
    responses=documented(404) | PAGED,
)
def scorings(feed_partition: PartitionInPath, page: PageInQuery) -> list[ScoringView]:
    """Return every scoring of a partition, oldest first."""
    claims = page.of(in_order(feed_partition.record.claims), first)
    return [ScoringView.of(claim, feed_partition.feed.workspace) for _, claim in claims]


@router.post(
    "/{feed}/partitions/{partition}/jobs",
    summary="Score a partition again",
    status_code=202,
    responses=documented(400, 404, 409, 503),
)
def rerun(  # noqa: PLR0913, PLR0917 - the parts of a request
    feed_partition: PartitionInPath,
    request: RerunRequest,
    reruns: Annotated[RerunService, Depends(_reruns)],
    signed_in: SignedIn,
    response: Response,
    key: IdempotencyKey = None,
) -> ScoringView:
    """Score a version of a partition again, as a new generation.

    The header `Location` and the field `url` have the address of the scoring.
    """
    requester = Requester.if_named(request.by, signed_in)
    claim = reruns.rerun(feed_partition.feed, feed_partition.record, request, key, requester)
    view = ScoringView.of(claim, feed_partition.feed.workspace)
    response.headers["Location"] = view.url
    return view


@router.get(
    "/{feed}/partitions/{partition}/jobs/{scoring}", summary="Show a scoring", responses=documented(404)
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
