"""The files below a feed's path that are in no partition: list them once a day, and announce changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from tidegate.config.path_pattern import PathPattern
from tidegate.config.schema import Feed
from tidegate.domain.activities import feed_texts
from tidegate.domain.activities.activity import Trigger
from tidegate.domain.partitions.calendar import partition_of
from tidegate.domain.partitions.catch_up import FeedRecord
from tidegate.domain.partitions.left_out import NamedFiles
from tidegate.errors import ConflictError, NotFoundError
from tidegate.messages.commands import Next
from tidegate.service.context import ServiceContext

if TYPE_CHECKING:
    from tidegate.cloud.blobs import FeedFiles

_EVERY = timedelta(days=1)
_MOST_COUNTED = 1_000
_OWN_RESULTS = "predictions/"


@dataclass(frozen=True)
class OutsideFiles:
    """The files of a feed's container that no feed takes, because their folder is no partition's folder."""

    context: ServiceContext
    feed_files: "FeedFiles"

    def look(self, feed: Feed, record: FeedRecord, cause: str, *, now_due: bool = False) -> list[Next]:
        """Update the feed's record after a day, or if `now_due`. Return the notification of a change."""
        now, before = self.context.now(), record.outside
        if not now_due and record.outside_listed_at and now - record.outside_listed_at < _EVERY:
            return []
        record.outside, record.outside_listed_at = self.find(feed), now
        try:
            self.context.ledger.save(record)
        except ConflictError:  # another worker changed the record, and the next check lists the files again
            return []
        if not record.outside.count or record.outside == before:
            return []
        return [self.context.announce(feed_texts.files_outside(record, Trigger(now, cause)))]

    def find(self, feed: Feed) -> NamedFiles:
        """Return the files, at most 1,000. A missing container has none."""
        feeds = self.context.config().feeds.values()
        patterns = [other.path for other in feeds if other.storage == feed.storage]
        try:
            names = list(islice(self._walk(feed, patterns, feed.path.common_prefix), _MOST_COUNTED))
        except NotFoundError:
            names = []
        return NamedFiles.of(names)

    def _walk(self, feed: Feed, patterns: list[PathPattern], prefix: str) -> Iterator[str]:
        """Yield the files at one level, and those in folders that are not on the way to a partition.

        The folders of partitions are not listed.
        """
        files, folders = self.feed_files.level(feed.storage, prefix)
        yield from files
        for folder in folders:
            if folder == _OWN_RESULTS or any(partition_of(pattern, folder) for pattern in patterns):
                continue
            if any(pattern.leads_to_partitions(folder) for pattern in patterns):
                yield from self._walk(feed, patterns, folder)
            else:
                yield from self.feed_files.names(feed.storage, folder, _MOST_COUNTED)
