"""Subjects of activities: what an activity is about, and thus its partition in the ledger.

No other module writes or parses subjects.
"""

import re
from dataclasses import dataclass

from tidegate.messages.commands import AnyCommand, command_ids

QUEUE_SUBJECT = "queue"  # the subject of messages in the work queue that cannot be read

_PARTITION = re.compile(r"([a-z0-9-]+):([0-9]{6}(?:[0-9]{2})?)")
_FEED = re.compile(r"files:feed:(.+)")
_MODEL = re.compile(r"model:development:(.+)")
_JOB = re.compile(r"(development|production):([^:]+)")


@dataclass(frozen=True)
class PartitionSubject:
    """A partition of a feed."""

    feed: str
    partition: str


@dataclass(frozen=True)
class ModelSubject:
    """A model that is judged in the development workspace."""

    model: str


@dataclass(frozen=True)
class JobSubject:
    """A job in one of the two workspaces."""

    workspace: str
    job: str


@dataclass(frozen=True)
class FeedSubject:
    """A feed as a whole."""

    feed: str


Subject = PartitionSubject | FeedSubject | ModelSubject | JobSubject


def partition_subject(feed: str, partition: str) -> str:
    """Return the subject of a partition: `digits:202611`."""
    return f"{feed}:{partition}"


def feed_subject(feed: str) -> str:
    """Return the subject of a feed as a whole: `files:feed:digits`."""
    return f"files:feed:{feed}"


def model_subject(model: str, workspace: str = "development") -> str:
    """Return the subject of a model in a workspace: `model:development:classifier`."""
    return f"model:{workspace}:{model}"


def endpoint_subject(workspace: str, endpoint: str) -> str:
    """Return the subject of an online endpoint: `endpoint:production:classifier`."""
    return f"endpoint:{workspace}:{endpoint}"


def monitor_subject(workspace: str, monitor: str) -> str:
    """Return the subject of a drift monitor or of one of its signals: `drift:development:monitor`."""
    return f"drift:{workspace}:{monitor}"


def job_subject(workspace: str, job: str) -> str:
    """Return the subject of a job: `development:score-digits-202611-1-g1-a1`."""
    return f"{workspace}:{job}"


def pause_subject(target: str) -> str:
    """Return the subject of a pause: `pause:feed:digits`, `pause:all`."""
    return f"pause:{target}"


def dead_letter_subject(blob: str) -> str:
    """Return the subject of a delivery that Event Grid gave up: `dead-letter:` and the name of its blob."""
    return f"dead-letter:{blob}"


def rejection_subject(about: str) -> str:
    """Return the subject of events that were rejected: `rejected:digits 202613`."""
    return f"rejected:{about}"


def command_subject(command: AnyCommand) -> str:
    """Return the subject that a command works on, or the command's kind if the command has no subject."""
    ids = command_ids(command)
    if "model" in ids:
        return model_subject(str(ids["model"]))
    parts = [ids[name] for name in ("feed", "partition", "workspace", "job", "subject") if name in ids]
    return ":".join(str(part) for part in parts) or command.kind


def parse_subject(subject: str) -> Subject | None:
    """Return the partition, feed, model or job that a subject names, or None if it names something else.

    Try to read the subject as a partition first. A feed may be called `development` or `model`, which
    are also the first words of other subjects.
    """
    if match := _PARTITION.fullmatch(subject):
        return PartitionSubject(match[1], match[2])
    if match := _FEED.fullmatch(subject):
        return FeedSubject(match[1])
    if match := _MODEL.fullmatch(subject):
        return ModelSubject(match[1])
    if match := _JOB.fullmatch(subject):
        return JobSubject(match[1], match[2])
    return None
