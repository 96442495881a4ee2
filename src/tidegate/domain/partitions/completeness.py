"""The decision whether a partition is complete, late or changed, from a listing of its files."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from tidegate.config.arrival import AfterDeadline, Completion, LatePolicy
from tidegate.config.schema import Feed
from tidegate.domain.partitions.left_out import NamedFiles
from tidegate.domain.partitions.listing import PartitionListing
from tidegate.domain.partitions.manifest import ListedBlob, Manifest, etags_digest
from tidegate.domain.partitions.names import manifest_path
from tidegate.domain.partitions.records import Partition, PartitionVersion


@dataclass(frozen=True)
class NewVersion:
    """These files become the partition's next version."""

    files: tuple[ListedBlob, ...]
    reason: str

    @cached_property
    def manifest(self) -> Manifest:
        return Manifest.of(self.files)


@dataclass(frozen=True)
class WaitForFiles:
    """The partition is not complete, or its files still change.

    `until` is the time at which the partition may be complete without another file, or None if another file
    must arrive. `late` means that the deadline has passed and was not announced yet.
    """

    until: datetime | None = None
    late: bool = False


@dataclass(frozen=True)
class ChangedAfterCompletion:
    """Files changed after the last version, and the feed's policy makes no new version.

    The change is announced once for each `hash`.
    """

    hash: str
    why: str


@dataclass(frozen=True)
class Unchanged:
    """The last version has the same files with the same content."""


@dataclass(frozen=True)
class ScoreAgain:
    """The files are those of the last version again, and its predictions were superseded in the meantime."""


CompletenessDecision = ScoreAgain | NewVersion | WaitForFiles | ChangedAfterCompletion | Unchanged


def decide_completeness(
    feed: Feed, record: Partition, listing: PartitionListing, now: datetime, deadline: datetime | None
) -> CompletenessDecision:
    """Decide what a listing means for a partition, whose record has its versions so far."""
    if record.latest is None:
        return _decide_first(feed, record, listing, now, deadline)
    return _decide_later(feed, record, listing, now)


def next_version(
    record: Partition, new: NewVersion, now: datetime, *, before_installation: bool
) -> PartitionVersion:
    """Return the version that these files would become. The record is not changed.

    What the version leaves out is what the record says of the same listing.
    """
    manifest = new.manifest
    return PartitionVersion(
        number=len(record.versions) + 1,
        manifest_hash=manifest.hash,
        manifest_path=manifest_path(record.feed, record.partition, manifest.text_hash),
        etags=etags_digest(new.files),
        other_md5=sum(file.has_other_md5 for file in new.files),
        files=len(manifest),
        bytes=manifest.bytes,
        reason=new.reason,
        snapshot_at=now,
        before_installation=before_installation,
        left_out=record.left_out,
        unusable=NamedFiles.of([f"{name} ({error})" for name, error in sorted(manifest.errors.items())]),
        archived=sum(file.archived for file in new.files),
    )


def unclaimed(feed: Feed, record: Partition, listing: PartitionListing) -> tuple[ListedBlob, ...]:
    """Return the files if they differ from the last version and the policy makes no new version."""
    files, late = complete_files(feed, listing), feed.late_files
    latest = record.latest
    by_itself = late.then is LatePolicy.NEW_VERSION and len(record.versions) < late.max_versions
    if latest is None or by_itself or Manifest.of(files).hash == latest.manifest_hash:
        return ()
    return files


def _decide_first(
    feed: Feed, record: Partition, listing: PartitionListing, now: datetime, deadline: datetime | None
) -> NewVersion | WaitForFiles:
    quiet_times: list[datetime] = []
    for way in feed.complete_when:
        if not files_of(way, listing):
            continue
        quiet_at = quiet_at_of(listing, way.quiet_for)
        if quiet_at is None or quiet_at <= now:
            return NewVersion(complete_files(feed, listing), _reason(way))
        quiet_times.append(quiet_at)
    overdue = deadline is not None and deadline <= now
    if overdue and listing.files and feed.deadline and feed.deadline.then is AfterDeadline.SCORE:
        return NewVersion(complete_files(feed, listing) or listing.files, "the deadline has passed")
    return WaitForFiles(until=min(quiet_times, default=None), late=overdue and not record.deadline_announced)


def _decide_later(
    feed: Feed, record: Partition, listing: PartitionListing, now: datetime
) -> CompletenessDecision:
    files = complete_files(feed, listing)
    latest, manifest = record.versions[-1], Manifest.of(files)
    late, back = feed.late_files, latest.archived - sum(file.archived for file in files)
    same = manifest.hash == latest.manifest_hash
    if files and same and back <= 0:
        return ScoreAgain() if latest.superseded else Unchanged()
    # A change during the scoring cannot be ignored: the partition would have no result.
    ignored = late.then is LatePolicy.IGNORE and not latest.superseded
    if not files or ignored:
        return Unchanged()
    quiet_at = quiet_at_of(listing, late.quiet_for)
    if quiet_at is not None and quiet_at > now:
        return WaitForFiles(until=quiet_at)
    what = f"files changed after version {latest.number}: {len(files)} now, {latest.files} before"
    if same:
        what = f"{back} files were brought back from the archive tier"
    full = late.then is not LatePolicy.ALERT
    if full and len(record.versions) < late.max_versions:
        return NewVersion(files, what)
    if manifest.hash in record.late_announced:
        return Unchanged()
    why = f"{what}; max_versions allows {late.max_versions} versions" if full else what
    return ChangedAfterCompletion(manifest.hash, why)


def complete_files(feed: Feed, listing: PartitionListing) -> tuple[ListedBlob, ...]:
    """Return the files that count, whatever the quiet time is.

    These are the files of the first complete list, or all files if one of the feed's rules for completeness
    has no list. The rule is the same before and after completion, so that the same files make no second
    version.
    """
    listed = (files for way in feed.complete_when if way.listed_in and (files := files_of(way, listing)))
    all_files = listing.files if any(not way.listed_in for way in feed.complete_when) else ()
    return next(listed, all_files)


def files_of(way: Completion, listing: PartitionListing) -> tuple[ListedBlob, ...]:
    """Return the files that meet this rule, whatever the quiet time is, or an empty tuple."""
    files: tuple[ListedBlob, ...] = listing.files
    if way.marker and all(way.marker != file.name for file in listing.signals):
        return ()
    if way.listed_in:
        by_name = {file.name: file for file in (*listing.files, *listing.others)}
        names = listing.lists.get(way.listed_in, ())
        if not all(name in by_name for name in names):
            return ()
        files = tuple(by_name[name] for name in names)
    return files if len(files) >= (way.min_files or 1) else ()


def quiet_at_of(listing: PartitionListing, quiet_for: timedelta | None) -> datetime | None:
    """Return when the files have not changed for `quiet_for`, or None if `quiet_for` is not set."""
    return listing.newest + quiet_for if quiet_for and listing.newest else None


def _reason(way: Completion) -> str:
    conditions = [
        f"marker {way.marker}" if way.marker else "",
        f"all of {way.listed_in}" if way.listed_in else "",
        f"at least {way.min_files} files" if way.min_files else "",
        f"quiet for {way.quiet_for}" if way.quiet_for else "",
    ]
    return ", ".join(filter(None, conditions))
