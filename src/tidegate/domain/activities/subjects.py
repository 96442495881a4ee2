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
_VERSION = re.compile(r"version:([^:]+):([^:]+)")
_RESULT = re.compile(r"([a-z0-9-]+):([0-9]{6}(?:[0-9]{2})?)-([0-9]{1,9})(?:-g([0-9]{1,9}))?")
_PUBLISHED = re.compile(
    r"(?:^|/)predictions/([a-z0-9-]+)/([0-9]{6}(?:[0-9]{2})?)/\2-([0-9]{1,9})/g([0-9]{1,9})(?:/|$)"
)
_REFERENCE = re.compile(r"([^:/]+):([^:/]+)")
_SHORT_ID = re.compile(r"[0-9a-f]{12}")
_BACKFILL = re.compile(r"backfill:([^:]+):([^:]+)")
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


@dataclass(frozen=True)
class BackfillSubject:
    """A backfill of a feed."""

    feed: str
    backfill: str


@dataclass(frozen=True)
class ScoringSubject:
    """A scoring of a partition, and the predictions that it published."""

    feed: str
    partition: str
    version: int
    generation: int


@dataclass(frozen=True)
class PartitionVersionSubject:
    """A version of a partition."""

    feed: str
    partition: str
    version: int


@dataclass(frozen=True)
class ModelVersionSubject:
    """A model version, by its number in the development workspace."""

    model: str
    version: str


@dataclass(frozen=True)
class BlobSubject:
    """A blob of a feed: its container and path."""

    path: str


@dataclass(frozen=True)
class ActivitySubject:
    """An activity, by its short id."""

    id: str


@dataclass(frozen=True)
class CauseSubject:
    """An event, a request or a tick of the timer, by its id."""

    id: str


Subject = PartitionSubject | FeedSubject | ModelSubject | JobSubject | BackfillSubject
NamedSubject = (
    ScoringSubject
    | PartitionVersionSubject
    | PartitionSubject
    | ModelVersionSubject
    | ModelSubject
    | JobSubject
    | BlobSubject
    | ActivitySubject
    | CauseSubject
)

# What people may write to have it explained, with an example of each.
SPELLINGS = (
    ("the path or address of a file of predictions", "predictions/digits/202611/202611-1/g1/predictions.csv"),
    ("a blob of a feed, as CONTAINER/PATH", "images/202611/a.png"),
    ("a partition", "digits:202611"),
    ("a version of a partition", "digits:202611-1"),
    ("a scoring", "digits:202611-1-g1"),
    ("a model", "classifier"),
    ("a model version in development", "classifier:3"),
    ("a job", "score-digits-202611-1-g1-a1"),
    ("an activity or a failure", "3f2a9c81d04e"),
    ("an event, a request or a tick of the timer", "9d1c2f0e-5a4b-4c1e-8f0e-2b7a6c1d3e4f"),
)


def partition_subject(feed: str, partition: str) -> str:
    """Return the subject of a partition: `digits:202611`."""
    return f"{feed}:{partition}"


def feed_subject(feed: str) -> str:
    """Return the subject of a feed as a whole: `files:feed:digits`."""
    return f"files:feed:{feed}"


def backfill_subject(feed: str, backfill: str) -> str:
    """Return the subject of a backfill: `backfill:digits:202601-202610-1`."""
    return f"backfill:{feed}:{backfill}"


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


def channel_subject(key: str) -> str:
    """Return the subject of a notification channel, given by its hash: `channel:0f3a...`."""
    return f"channel:{key}"


def pause_subject(target: str) -> str:
    """Return the subject of a pause: `pause:feed:digits`, `pause:all`."""
    return f"pause:{target}"


def dead_letter_subject(blob: str) -> str:
    """Return the subject of a delivery that Event Grid gave up: `dead-letter:` and the name of its blob."""
    return f"dead-letter:{blob}"


def rejection_subject(about: str) -> str:
    """Return the subject of events that were rejected: `rejected:digits 202613`."""
    return f"rejected:{about}"


def version_subject(model: str, version: str) -> str:
    """Return the subject of a model version in development: `version:classifier:3`."""
    return f"version:{model}:{version}"


def command_subject(command: AnyCommand) -> str:
    """Return the subject that a command works on, or the command's kind if the command has no subject."""
    ids = command_ids(command)
    if "model" in ids:
        return model_subject(str(ids["model"]))
    if "backfill" in ids:
        return backfill_subject(str(ids["feed"]), str(ids["backfill"]))
    parts = [ids[name] for name in ("feed", "partition", "workspace", "job", "subject") if name in ids]
    return ":".join(str(part) for part in parts) or command.kind


def parse_subject(subject: str) -> Subject | None:
    """Return the partition, feed, model, backfill or job that a subject names, or None for others.

    Try to read the subject as a partition first. A feed may be called `development` or `model`, which
    are also the first words of other subjects.
    """
    if match := _PARTITION.fullmatch(subject):
        return PartitionSubject(match[1], match[2])
    if match := _FEED.fullmatch(subject):
        return FeedSubject(match[1])
    if match := _MODEL.fullmatch(subject):
        return ModelSubject(match[1])
    if match := _BACKFILL.fullmatch(subject):
        return BackfillSubject(match[1], match[2])
    if match := _JOB.fullmatch(subject):
        return JobSubject(match[1], match[2])
    return None


def named_subjects(text: str) -> list[NamedSubject]:
    """Return what a text may name, the likeliest first: only the ledger knows which of them exists.

    `SPELLINGS` has what people may write. The subjects of activities and effects are understood, too.
    """
    if match := _PUBLISHED.search(text):
        return [ScoringSubject(match[1], match[2], int(match[3]), int(match[4]))]
    if "/" in text:
        return [BlobSubject(text)]
    if ":" in text:
        return [*_with_colon(text), CauseSubject(text)]
    if _SHORT_ID.fullmatch(text):
        return [ActivitySubject(text), ModelSubject(text)]
    jobs = [JobSubject(workspace, text) for workspace in ("development", "production")]
    return [*jobs, ModelSubject(text), CauseSubject(text)]


def _with_colon(text: str) -> list[NamedSubject]:
    named: list[NamedSubject] = []
    if match := _RESULT.fullmatch(text):
        feed, partition, version, generation = match.groups()
        if generation:
            named.append(ScoringSubject(feed, partition, int(version), int(generation)))
        else:
            named.append(PartitionVersionSubject(feed, partition, int(version)))
    subject = parse_subject(text)
    if subject is not None and not isinstance(subject, FeedSubject | BackfillSubject):
        named.append(subject)
    if match := _VERSION.fullmatch(text) or _REFERENCE.fullmatch(text):
        named.append(ModelVersionSubject(match[1], match[2]))
    return named
