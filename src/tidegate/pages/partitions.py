"""The pages of a feed and of a partition."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from tidegate.api.access import Services
from tidegate.api.partitions import FeedInPath, PartitionInPath
from tidegate.bootstrap import Service
from tidegate.domain.activities.links import job_url
from tidegate.domain.activities.subjects import partition_subject
from tidegate.domain.costs import estimate, total
from tidegate.domain.jobs.records import Job
from tidegate.domain.lifecycle.training_records import SignalRecord
from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.records import Claim, Partition, ScoringOutcome
from tidegate.domain.pauses import feed_target
from tidegate.errors import RefusedError
from tidegate.pages.access import visitor
from tidegate.pages.paging import page_of
from tidegate.pages.rendering import render
from tidegate.pages.studio import studio_url

_CELLS_OF_PAGE = 120
_ACTIVITIES_OF_PAGE = 50
_SCORINGS_OF_PAGE = 20

router = APIRouter(dependencies=[Depends(visitor)])  # first of all: who asks
After = Annotated[str, Query(max_length=2000)]


@router.get("/feeds/{feed}")
def feed(
    request: Request,
    named: FeedInPath,
    service: Services,
    only: Annotated[str | None, Query(pattern="^(failed|late|missing)$")] = None,
    after: After = "",
) -> HTMLResponse:
    """Show a feed with all its partitions, newest first."""
    names = service.overviews.partitions(named.name)
    if only:
        every = service.overviews.standings(named.name, names)
        names = [row.partition for row in every if getattr(row, only)]
    page = page_of(names, after, _CELLS_OF_PAGE, key=str)
    return render(
        request,
        "feed.html",
        name=named.name,
        feed=named.feed,
        installed=service.ledger.feed(named.name),
        paused=service.ledger.pause(feed_target(named.name)),
        only=only,
        count=len(names),
        page=page,
        cells=service.overviews.standings(named.name, page.rows),
    )


@router.get("/feeds/{feed}/partitions/{partition}")
def partition(
    request: Request,
    feed_partition: PartitionInPath,
    service: Services,
    after: After = "",
    scorings: After = "",
) -> HTMLResponse:
    """Show a partition: its result, versions, scorings with all attempts, and what happened to it."""
    record, feed = feed_partition.record, feed_partition.feed
    activities = service.ledger.activities(partition_subject(record.feed, record.partition))
    expected = service.overviews.standing(record)
    if record.etag is None and not activities and not feed.covers(record.partition):
        raise RefusedError(404, "Not found", f"The feed {record.feed} starts in {feed.starts}")
    prices = service.config().prices
    jobs = service.ledger.jobs_of_partition(feed.workspace, record.feed, record.partition)
    result = _result(record)
    claims = page_of(record.claims[::-1], scorings, _SCORINGS_OF_PAGE, key=lambda claim: claim.name)
    return render(
        request,
        "partition.html",
        record=record,
        feed=feed,
        standing=expected,
        result=result,
        published=next((job for job in jobs if result and job.name == result[0].generation.job), None),
        newest=record.claims[-1] if record.claims else None,
        names={version.number: version_name(record.partition, version.number) for version in record.versions},
        claims=claims,
        attempts=_attempts(service, jobs),
        cost=total(estimate(job, prices) for job in jobs),
        currency=prices.currency if prices else None,
        drift=_drift(service, record, feed.score.model),
        activities=page_of(
            activities[::-1], after, _ACTIVITIES_OF_PAGE, key=lambda activity: activity.short_id
        ),
        activities_count=len(activities),
    )


def _result(record: Partition) -> tuple[Claim, ScoringOutcome] | None:
    """Return the published result of a partition with what was published."""
    claim = next((claim for claim in record.claims if claim.name == record.result), None)
    return (claim, claim.generation.outcome) if claim and claim.generation.outcome else None


def _attempts(service: Service, jobs: list[Job]) -> dict[str, list[tuple[Job, str, str | None]]]:
    """Return the attempts of each scoring by its name: the job, its path, and its address in Studio."""
    by_scoring: dict[str, list[tuple[Job, str, str | None]]] = {}
    for job in jobs:
        link = studio_url(service, job.workspace, job.name)
        by_scoring.setdefault(job.work, []).append((job, job_url(job.workspace, job.name), link))
    for entries in by_scoring.values():
        entries.sort(key=lambda entry: entry[0].attempt)
    return by_scoring


def _drift(service: Service, record: Partition, model: str) -> list[SignalRecord]:
    """Return the drift signals about the partition, newest first."""
    about = f"{record.feed}:{record.partition}"
    signals = service.ledger.model(model.partition(":")[0]).signals
    return [signal for signal in signals[::-1] if signal.about == about]
