"""A listing of a partition: its files by their role in the feed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tidegate.config.schema import Feed
from tidegate.domain.partitions.file_problems import with_problems
from tidegate.domain.partitions.list_files import resolve_names, written_names
from tidegate.domain.partitions.manifest import ListedBlob

_CLOCK_DIFFERENCE = timedelta(minutes=1)  # between storage and the service


@dataclass(frozen=True)
class PartitionListing:
    """The files of a partition, by their role in the feed. Names are relative to the partition's folder.

    `files` match the feed's `only`; `others` do not, but a list file may name them. `signals` are the marker
    and list files that exist. `lists` has the names in each list file. `arrived_at` is when old files were
    first listed, because they were moved here: their Last-Modified does not change.
    """

    files: tuple[ListedBlob, ...]
    others: tuple[ListedBlob, ...]
    signals: tuple[ListedBlob, ...]
    lists: Mapping[str, tuple[str, ...]]
    arrived_at: datetime | None = None

    @property
    def newest(self) -> datetime | None:
        """Return when the newest file was modified or seen to arrive, or None if there are no files."""
        times = [file.modified for file in (*self.files, *self.signals)]
        return max([*times, self.arrived_at] if times and self.arrived_at else times, default=None)

    @property
    def count(self) -> int:
        """Return how many files were listed."""
        return len(self.files) + len(self.others) + len(self.signals)

    def older_than(self, time: datetime) -> int:
        """Return how many files were modified a minute before a time, or earlier."""
        return sum(file.modified <= time - _CLOCK_DIFFERENCE for file in (*self.files, *self.signals))


def list_files(feed: Feed) -> set[str]:
    """Return the names of the feed's list files."""
    return {way.listed_in for way in feed.complete_when if way.listed_in}


def sort_listing(
    feed: Feed, prefix: str, listing: Sequence[ListedBlob], lists: Mapping[str, str]
) -> PartitionListing:
    """Sort the blobs below `prefix` by their role. `lists` has the text of each list file by its name."""
    relative = [
        replace(file, name=name)
        for file in listing
        if (name := file.name.removeprefix(prefix)) and not name.endswith("/")
    ]
    names = {way.marker for way in feed.complete_when if way.marker} | list_files(feed)
    data = with_problems((file for file in relative if file.name not in names), [f.name for f in relative])
    return PartitionListing(
        files=tuple(file for file in data if feed.only.match(file.name)),
        others=tuple(file for file in data if not feed.only.match(file.name)),
        signals=tuple(file for file in relative if file.name in names),
        lists={
            name: resolve_names(written_names(text), prefix, {file.name for file in data}, names)
            for name, text in lists.items()
        },
    )
