"""Decide whether a month is complete, late or changed, from a listing of its files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from tidegate.config.schema import AfterDeadline, Completion, Feed, LatePolicy
from tidegate.domain.partitions.manifest import ListedBlob, Manifest
from tidegate.domain.partitions.records import Month


@dataclass(frozen=True)
class PartitionListing:
    """What a listing of a month shows. Names are relative to the month's folder."""

    files: tuple[ListedBlob, ...]  # that match `only`
    others: tuple[ListedBlob, ...]  # that do not; a list file may name them
    signals: tuple[ListedBlob, ...]  # marker and list files that are there
    lists: Mapping[str, tuple[str, ...]]  # names in each list file that is there

    @property
    def newest(self) -> datetime | None:
        return max((file.modified for file in (*self.files, *self.signals)), default=None)


@dataclass(frozen=True)
class NewVersion:
    """These files are the month's next version."""

    files: tuple[ListedBlob, ...]
    reason: str


@dataclass(frozen=True)
class WaitForFiles:
    """Not complete, or still changing. `until` is when it may be; None where only another file can tell.

    `late`: the deadline has passed, and nobody was told yet.
    """

    until: datetime | None = None
    late: bool = False


@dataclass(frozen=True)
class ChangedAfterCompletion:
    """Files changed after the last version, and no version will be made of it; to be told once a `hash`."""

    hash: str
    why: str


@dataclass(frozen=True)
class Unchanged:
    """The last version has it all."""


CompletenessDecision = NewVersion | WaitForFiles | ChangedAfterCompletion | Unchanged


def list_files(feed: Feed) -> set[str]:
    return {way.listed_in for way in feed.complete_when if way.listed_in}


def sort_listing(
    feed: Feed, prefix: str, listing: Sequence[ListedBlob], lists: Mapping[str, str]
) -> PartitionListing:
    """Sort all below `prefix`; `lists` has the texts of its list files, by name in the month."""
    relative = [
        ListedBlob(name, file.size, file.md5, file.etag, file.modified)
        for file in listing
        if (name := file.name.removeprefix(prefix)) and not name.endswith("/")
    ]
    names = {way.marker for way in feed.complete_when if way.marker} | list_files(feed)
    data = [file for file in relative if file.name not in names]
    return PartitionListing(
        files=tuple(file for file in data if fnmatchcase(file.name, feed.only)),
        others=tuple(file for file in data if not fnmatchcase(file.name, feed.only)),
        signals=tuple(file for file in relative if file.name in names),
        lists={name: _listed_names(text, names) for name, text in lists.items()},
    )


def decide_completeness(
    feed: Feed, record: Month, seen: PartitionListing, now: datetime, deadline: datetime | None
) -> CompletenessDecision:
    """What the listing means for a month whose versions so far are in the record."""
    if record.latest is None:
        return _decide_first(feed, record, seen, now, deadline)
    return _decide_later(feed, record, seen, now)


def unclaimed(feed: Feed, record: Month, seen: PartitionListing) -> tuple[ListedBlob, ...]:
    """Files that differ from the last version's, where the policy makes no version of them; else none."""
    files, late = _complete_files(feed, seen), feed.late_files
    latest = record.latest
    by_itself = late.then is LatePolicy.NEW_VERSION and len(record.versions) < late.max_versions
    if latest is None or by_itself or Manifest.of(files).hash == latest.manifest_hash:
        return ()
    return files


def _decide_first(
    feed: Feed, record: Month, seen: PartitionListing, now: datetime, deadline: datetime | None
) -> NewVersion | WaitForFiles:
    ready: list[datetime] = []
    for way in feed.complete_when:
        if not _files_of(way, seen):
            continue
        quiet_at = _quiet_at(seen, way.quiet_for)
        if quiet_at is None or quiet_at <= now:
            return NewVersion(_complete_files(feed, seen), _reason(way))
        ready.append(quiet_at)
    overdue = deadline is not None and deadline <= now
    if overdue and seen.files and feed.deadline and feed.deadline.then is AfterDeadline.SCORE:
        return NewVersion(_complete_files(feed, seen) or seen.files, "the deadline has passed")
    return WaitForFiles(until=min(ready, default=None), late=overdue and not record.deadline_announced)


def _decide_later(feed: Feed, record: Month, seen: PartitionListing, now: datetime) -> CompletenessDecision:
    files = _complete_files(feed, seen)
    latest, manifest = record.versions[-1], Manifest.of(files)
    late = feed.late_files
    if not files or manifest.hash == latest.manifest_hash or late.then is LatePolicy.IGNORE:
        return Unchanged()
    quiet_at = _quiet_at(seen, late.quiet_for)
    if quiet_at is not None and quiet_at > now:
        return WaitForFiles(until=quiet_at)
    what = f"files changed after version {latest.number}: {len(files)} now, {latest.files} before"
    if late.then is LatePolicy.NEW_VERSION and len(record.versions) < late.max_versions:
        return NewVersion(files, what)
    if manifest.hash in record.late_announced:
        return Unchanged()
    full = late.then is LatePolicy.NEW_VERSION
    return ChangedAfterCompletion(
        manifest.hash, f"{what}; {late.max_versions} versions are the most" if full else what
    )


def _complete_files(feed: Feed, seen: PartitionListing) -> tuple[ListedBlob, ...]:
    """Which files count, apart from when: those of a list that holds, or else all, if a way allows that.

    The same before and after completion, whichever way it came about: the same files make no second version.
    """
    listed = (files for way in feed.complete_when if way.listed_in and (files := _files_of(way, seen)))
    anything = seen.files if any(not way.listed_in for way in feed.complete_when) else ()
    return next(listed, anything)


def _files_of(way: Completion, seen: PartitionListing) -> tuple[ListedBlob, ...]:
    """The files that make the month complete in this way, quiet time aside; none where they do not."""
    files: tuple[ListedBlob, ...] = seen.files
    if way.marker and all(way.marker != file.name for file in seen.signals):
        return ()
    if way.listed_in:
        there = {file.name: file for file in (*seen.files, *seen.others)}
        wanted = seen.lists.get(way.listed_in, ())
        if not all(name in there for name in wanted):
            return ()
        files = tuple(there[name] for name in wanted)
    return files if len(files) >= (way.min_files or 1) else ()


def _quiet_at(seen: PartitionListing, quiet_for: timedelta | None) -> datetime | None:
    return seen.newest + quiet_for if quiet_for and seen.newest else None


def _reason(way: Completion) -> str:
    said = [
        f"marker {way.marker}" if way.marker else "",
        f"all of {way.listed_in}" if way.listed_in else "",
        f"at least {way.min_files} files" if way.min_files else "",
        f"quiet for {way.quiet_for}" if way.quiet_for else "",
    ]
    return ", ".join(filter(None, said))


def _listed_names(text: str, signals: set[str]) -> tuple[str, ...]:
    """Names of a list file, once each: one a line, `./` and blanks around it do not count."""
    names = (line.strip(" \t\r").removeprefix("./") for line in text.split("\n"))
    return tuple(dict.fromkeys(name for name in names if name and name not in signals))
