"""Where things are in the API, as paths: for what it answers, and for links in notifications. Pure."""

import re

from tidegate.domain.activities.activity import Activity

_MONTH = re.compile(r"([a-z0-9-]+):([0-9]{6})")
_MODEL = re.compile(r"model:development:(.+)")
_JOB = re.compile(r"(development|production):([^:]+)")


def feed_url(feed: str) -> str:
    return f"/api/feeds/{feed}"


def month_url(feed: str, month: str) -> str:
    return f"{feed_url(feed)}/months/{month}"


def job_url(workspace: str, job: str) -> str:
    return f"/api/jobs/{workspace}/{job}"


def model_url(model: str) -> str:
    return f"/api/models/{model}"


def version_url(model: str, version: str) -> str:
    return f"{model_url(model)}/versions/{version}"


def failure_url(id: str) -> str:
    return f"/api/failures/{id}"


def url_of(activity: Activity) -> str | None:
    """Where to look after what an activity tells of: the failure, the month, the model or the job."""
    if activity.replayable:
        return failure_url(activity.short_id)
    for pattern, url in ((_MONTH, month_url), (_MODEL, model_url), (_JOB, job_url)):
        if found := pattern.fullmatch(activity.subject):
            return str(url(*found.groups()))
    return None
