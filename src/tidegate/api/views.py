"""The views of feeds, partitions, scorings, jobs and activities that the API returns."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from tidegate.config.schema import Feed
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.links import feed_url, job_url, partition_url
from tidegate.domain.partitions.catch_up import FeedRecord, is_held_back
from tidegate.domain.partitions.left_out import LeftOut, NamedFiles
from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.records import Claim, Generation, Partition, PartitionVersion

# A partition shows its newest versions, scorings and activities. Each of them has a list with pages, too.
SHOWN_VERSIONS, SHOWN_SCORINGS, SHOWN_ACTIVITIES = 20, 20, 100


class FeedView(BaseModel):
    """A feed, as tidegate.yml configures it.

    `outside` has the files below its path that are in no partition's folder, listed at `outside_listed_at`.
    """

    name: str
    account: str
    container: str
    path: str
    starts: str
    workspace: str
    pipeline: str
    model: str
    compute: str
    outside: NamedFiles
    outside_listed_at: datetime | None
    url: str

    @classmethod
    def of(cls, name: str, feed: Feed, record: FeedRecord | None) -> Self:
        return cls(
            name=name,
            account=feed.storage.account,
            container=feed.storage.container,
            path=feed.path.text,
            starts=feed.starts,
            workspace=feed.workspace,
            pipeline=feed.score.pipeline_name,
            model=feed.score.model,
            compute=feed.score.compute,
            outside=record.outside if record else NamedFiles(),
            outside_listed_at=record.outside_listed_at if record else None,
            url=feed_url(name),
        )


class ScoringView(BaseModel):
    """A scoring of a partition version: one generation, with its newest job."""

    name: str
    feed: str
    partition: str
    version: int
    generation: int
    attempt: int
    state: str
    model: str
    compute: str
    reason: str
    by: str | None
    cause: str | None
    claimed_at: datetime
    ended_at: datetime | None
    outcome: dict[str, Any] | None
    error: str | None
    job: str | None
    job_url: str | None
    url: str

    @classmethod
    def of(cls, claim: Claim, workspace: str) -> Self:
        record, version, generation = claim.record, claim.version, claim.generation
        return cls(
            name=claim.name,
            feed=record.feed,
            partition=record.partition,
            version=version.number,
            generation=generation.number,
            attempt=generation.attempt,
            state=generation.state,
            model=f"{generation.model_name}:{generation.model_version}",
            compute=generation.compute,
            reason=generation.reason,
            by=generation.by,
            cause=generation.cause,
            claimed_at=generation.claimed_at,
            ended_at=generation.ended_at,
            outcome=_outcome(generation),
            error=generation.error,
            job=generation.job,
            job_url=job_url(workspace, generation.job) if generation.job else None,
            url=f"{partition_url(record.feed, record.partition)}/jobs/{claim.name}",
        )


class PartitionVersionView(BaseModel):
    """A version of a partition: a snapshot of its files, with the newest scorings of that snapshot.

    `scorings_count` is the number of all its scorings. The partition's jobs are the list of them.
    """

    name: str
    number: int
    files: int
    bytes: int
    manifest_hash: str
    manifest_path: str
    reason: str
    cause: str | None
    snapshot_at: datetime
    registered: bool
    left_out: LeftOut
    unusable: NamedFiles
    archived: int
    profile: str | None
    scorings: list[ScoringView]
    scorings_count: int

    @classmethod
    def of(cls, record: Partition, workspace: str, version: PartitionVersion) -> Self:
        return cls(
            name=version_name(record.partition, version.number),
            **version.model_dump(exclude={"generations", "left_out"}),
            left_out=version.left_out,
            scorings=[
                ScoringView.of(Claim(record, version, generation), workspace)
                for generation in version.generations[-SHOWN_SCORINGS:]
            ],
            scorings_count=len(version.generations),
        )


class ActivityView(BaseModel):
    """An event in the life of a partition or a model, as notifications report it."""

    id: str
    at: datetime
    kind: str
    title: str
    text: str
    cause: str

    @classmethod
    def of(cls, activity: Activity) -> Self:
        return cls.model_validate(activity.model_dump() | {"id": activity.short_id})


class PartitionSummary(BaseModel):
    """A summary of a partition.

    `state` is the state of the newest scoring of the latest version. Before the first scoring it is
    `arriving` or `complete`, or `not_scored` if the partition was there before the feed was installed.
    `outcome` belongs to the current result. `left_out` is the number of files in the last listing
    that are part of no version.
    """

    feed: str
    partition: str
    state: str
    version: str | None
    files: int | None
    left_out: int
    result: str | None
    outcome: dict[str, Any] | None
    url: str

    @classmethod
    def of(cls, record: Partition, feed: Feed) -> Self:
        return cls.model_validate(summary(record, feed))


class PartitionView(PartitionSummary):
    """A partition with its newest versions, their newest scorings, and its newest activities.

    The counts are those of all. The lists with pages are below the partition's address: `versions`, `jobs`
    and `activities`. `left_out_files` has the files of the last listing that are part of no version.
    """

    left_out_files: LeftOut
    check_due: datetime | None
    listed_at: datetime | None
    versions: list[PartitionVersionView]
    versions_count: int
    activities: list[ActivityView]
    activities_count: int


def partition_view(record: Partition, feed: Feed, activities: list[Activity]) -> PartitionView:
    """Return the view of a partition of a feed."""
    workspace = feed.workspace
    return PartitionView(
        **summary(record, feed),
        left_out_files=record.left_out,
        check_due=record.check_due,
        listed_at=record.listed_at,
        versions=[
            PartitionVersionView.of(record, workspace, version)
            for version in record.versions[-SHOWN_VERSIONS:]
        ],
        versions_count=len(record.versions),
        activities=[ActivityView.of(activity) for activity in activities[-SHOWN_ACTIVITIES:]],
        activities_count=len(activities),
    )


def _outcome(generation: Generation) -> dict[str, Any] | None:
    return generation.outcome.model_dump(mode="json") if generation.outcome else None


def summary(record: Partition, feed: Feed) -> dict[str, Any]:
    """Return the fields of PartitionSummary."""
    before_scoring = "not_scored" if is_held_back(feed, record) else "complete"
    latest = record.latest
    newest = latest.generations[-1] if latest and latest.generations else None
    result = next((claim for claim in record.claims if claim.name == record.result), None)
    return {
        "feed": record.feed,
        "partition": record.partition,
        "state": newest.state if newest else before_scoring if latest else "arriving",
        "version": version_name(record.partition, latest.number) if latest else None,
        "files": latest.files if latest else None,
        "left_out": record.left_out.files,
        "result": record.result,
        "outcome": _outcome(result.generation) if result else None,
        "url": partition_url(record.feed, record.partition),
    }
