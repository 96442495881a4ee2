"""The preview of a partition: what a check of its files would find, and which files it would leave out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tidegate.config.arrival import AfterDeadline, Completion
from tidegate.config.schema import Feed
from tidegate.domain.partitions.calendar import partition_of
from tidegate.domain.partitions.completeness import (
    ChangedAfterCompletion,
    CompletenessDecision,
    NewVersion,
    ScoreAgain,
    Unchanged,
    WaitForFiles,
    decide_completeness,
    files_of,
    quiet_at_of,
)
from tidegate.domain.partitions.left_out import LeftOut
from tidegate.domain.partitions.listing import PartitionListing
from tidegate.domain.partitions.manifest import ListedBlob
from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.omissions import absent_names, left_out_of
from tidegate.domain.partitions.records import Partition

_NAMES_IN_A_TEXT = 5


class PreviewState(StrEnum):
    """What a check would find: a new version, files to wait for, a change to announce, or nothing new."""

    COMPLETE = "complete"
    WAITING = "waiting"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    BEFORE_START = "before_start"


@dataclass(frozen=True)
class PartitionPreview:
    """The result of a check that changes nothing. `decision` is None if the feed ignores the partition."""

    partition: str
    state: PreviewState
    why: str
    until: datetime | None = None
    deadline: datetime | None = None
    files: int = 0
    decision: CompletenessDecision | None = None
    left_out: LeftOut = field(default_factory=LeftOut)


@dataclass(frozen=True)
class FolderContents:
    """The blobs below a feed's path: those in a partition's folder by partition, and all others."""

    partitions: Mapping[str, Sequence[ListedBlob]]
    outside: tuple[ListedBlob, ...]


def preview_partition(
    feed: Feed, record: Partition, listing: PartitionListing, now: datetime, deadline: datetime | None
) -> PartitionPreview:
    """Return what a check of a partition would find. A real check makes the same decision."""
    partition, files = record.partition, len(listing.files)
    if not feed.covers(partition):
        why = f"the feed starts with {feed.starts}"
        return PartitionPreview(partition, PreviewState.BEFORE_START, why, files=files)
    decision = decide_completeness(feed, record, listing, now, deadline)
    state, why, until = _describe(decision, feed, record, listing, now)
    left_out = left_out_of(feed, listing, decision)
    return PartitionPreview(partition, state, why, until, deadline, files, decision, left_out)


def sort_by_partition(feed: Feed, blobs: Sequence[ListedBlob]) -> FolderContents:
    """Sort all blobs below a feed's path by partition. `outside` has the files of no partition."""
    partitions: dict[str, list[ListedBlob]] = {}
    outside: list[ListedBlob] = []
    for blob in blobs:
        partition = partition_of(feed.path, blob.name)
        if partition:
            partitions.setdefault(partition, []).append(blob)
        elif not blob.name.endswith("/"):
            outside.append(blob)
    return FolderContents(partitions, tuple(outside))


def what_is_missing(feed: Feed, listing: PartitionListing, now: datetime) -> str:
    """Return what an incomplete partition waits for: "marker _SUCCESS or 24 files (23 have arrived)"."""
    return " or ".join(_missing(way, listing, now) for way in feed.complete_when)


def _describe(
    decision: CompletenessDecision,
    feed: Feed,
    record: Partition,
    listing: PartitionListing,
    now: datetime,
) -> tuple[PreviewState, str, datetime | None]:
    match decision:
        case NewVersion(_, reason):
            return PreviewState.COMPLETE, reason, None
        case WaitForFiles(until) if record.latest:
            return PreviewState.WAITING, f"changed after {_latest(record)}, and may change again", until
        case WaitForFiles(until, late):
            why = f"waits for {what_is_missing(feed, listing, now)}{_after_deadline(feed, late=late)}"
            return PreviewState.WAITING, why, until
        case ChangedAfterCompletion(_, why):
            return PreviewState.CHANGED, f"{why}; people are notified", None
        case ScoreAgain():
            return PreviewState.UNCHANGED, f"{_latest(record)} has these files, and is scored again", None
        case Unchanged():
            return PreviewState.UNCHANGED, f"{_latest(record)} has these files", None


def _latest(record: Partition) -> str:
    return version_name(record.partition, len(record.versions))


def _after_deadline(feed: Feed, *, late: bool) -> str:
    if late:
        return "; the deadline has passed, and people are notified"
    scores = feed.deadline and feed.deadline.then is AfterDeadline.SCORE
    return ", or for the deadline" if scores else ""


def _missing(way: Completion, listing: PartitionListing, now: datetime) -> str:
    """Return which conditions of a rule for completeness are not met."""
    return " and ".join(_unmet(way, listing, now)) or "files"


def _unmet(way: Completion, listing: PartitionListing, now: datetime) -> Iterator[str]:
    if way.marker and all(way.marker != file.name for file in listing.signals):
        yield f"marker {way.marker}"
    if way.listed_in and way.listed_in not in listing.lists:
        yield f"list {way.listed_in}"
    elif way.listed_in and (absent := absent_names(listing, way.listed_in)):
        names = ", ".join(absent[:_NAMES_IN_A_TEXT]) + (" ..." if len(absent) > _NAMES_IN_A_TEXT else "")
        yield f"{len(absent)} files of {way.listed_in} ({names})"
    if way.min_files and len(listing.files) < way.min_files and not files_of(way, listing):
        yield f"{way.min_files} files ({len(listing.files)} have arrived)"
    quiet_at = quiet_at_of(listing, way.quiet_for)
    if way.quiet_for and (quiet_at is None or quiet_at > now):
        yield f"{way.quiet_for} without a change"
