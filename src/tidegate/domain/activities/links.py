"""Paths of the API, for its answers, and of the pages, which links in notifications lead to."""

from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.newest import NewestActivity
from tidegate.domain.activities.subjects import (
    BackfillSubject,
    FeedSubject,
    JobSubject,
    ModelSubject,
    PartitionSubject,
    parse_subject,
)
from tidegate.domain.jobs.records import Job, JobKind
from tidegate.domain.partitions.names import partition_of_result


def page_url(url: str) -> str:
    """Return the path of the page for people about what is at a path of the API."""
    return url.removeprefix("/api") or "/"


def feed_url(feed: str) -> str:
    return f"/api/feeds/{feed}"


def partition_url(feed: str, partition: str) -> str:
    return f"{feed_url(feed)}/partitions/{partition}"


def backfill_url(feed: str, backfill: str) -> str:
    return f"{feed_url(feed)}/backfills/{backfill}"


def job_url(workspace: str, job: str) -> str:
    return f"/api/jobs/{workspace}/{job}"


def job_subject_url(job: Job) -> str:
    """Return the path of the partition, model version or model that a job works on."""
    match job.kind:
        case JobKind.SCORING:
            return partition_url(job.owner, partition_of_result(job.work))
        case JobKind.EVALUATION | JobKind.REGISTRATION:
            return version_url(job.owner, job.work)
        case JobKind.RETRAINING | JobKind.COMPARISON:
            return model_url(job.owner)


def model_url(model: str) -> str:
    return f"/api/models/{model}"


def version_url(model: str, version: str) -> str:
    return f"{model_url(model)}/versions/{version}"


def failure_url(id: str) -> str:
    return f"/api/failures/{id}"


def activity_url(activity: Activity | NewestActivity) -> str | None:  # noqa: PLR0911 - one for each subject
    """Return the path of the failure, partition, feed, model, backfill or job of an activity, or None."""
    if activity.replayable:
        return failure_url(activity.short_id)
    match parse_subject(activity.subject):
        case PartitionSubject(feed, partition):
            return partition_url(feed, partition)
        case FeedSubject(feed):
            return feed_url(feed)
        case ModelSubject(model):
            return model_url(model)
        case BackfillSubject(feed, backfill):
            return backfill_url(feed, backfill)
        case JobSubject(workspace, job):
            return job_url(workspace, job)
    return None
