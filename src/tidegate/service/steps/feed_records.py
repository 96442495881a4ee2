"""The records of feeds: when a feed is first seen, record which partitions were there before."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.config.schema import Feed
from tidegate.domain.partitions.calendar import current_partition, partition_of
from tidegate.domain.partitions.catch_up import FeedRecord
from tidegate.domain.partitions.listing import sort_listing
from tidegate.errors import ConflictError, NotFoundError
from tidegate.log import Log
from tidegate.service.context import ServiceContext

if TYPE_CHECKING:
    from tidegate.cloud.blobs import FeedFiles

log = Log(__name__)


@dataclass(frozen=True)
class FeedRecords:
    """The record of each feed. It is made before the first record of a partition."""

    context: ServiceContext
    feed_files: "FeedFiles"

    def first_seen(self, name: str) -> FeedRecord:
        """Return the feed's record. Make it if the service sees the feed for the first time."""
        if record := self.context.ledger.feed(name):
            return record
        record = self.preview(name)
        try:
            self.context.ledger.save(record)
        except ConflictError:  # another worker saw the feed at the same time
            return self.context.ledger.feed(name) or record
        log.info("feed_first_seen", feed=name, newest=record.newest or "none")
        return record

    def preview(self, name: str) -> FeedRecord:
        """Return the record that a feed has, or that it would get now. Change nothing.

        If an earlier release has already worked on the feed, none of its partitions counts as old.
        """
        if record := self.context.ledger.feed(name):
            return record
        newest = None if self.context.ledger.partitions(name) else self._newest(self.context.feed(name))
        return FeedRecord(feed=name, first_seen_at=self.context.now(), newest=newest)

    def _newest(self, feed: Feed) -> str | None:
        """Return the newest partition that has files now.

        A partition that is later than the calendar's present one is never old, so it does not count.
        """
        current = current_partition(feed.path.period, self.context.now(), self.context.config().timezone)
        partitions = (
            partition
            for partition in self._partitions(feed)
            if feed.covers(partition) and partition <= current
        )
        return next((partition for partition in partitions if self._has_files(feed, partition)), None)

    def _partitions(self, feed: Feed) -> list[str]:
        """Return the partitions that have a folder, newest first."""
        try:
            folders = self.feed_files.folders(feed.storage, feed.path.common_prefix, feed.path.depth)
        except NotFoundError:
            return []
        partitions = {partition_of(feed.path, folder) for folder in folders}
        return sorted(filter(None, partitions), reverse=True)

    def _has_files(self, feed: Feed, partition: str) -> bool:
        prefix = feed.path.folder(partition)
        listing = sort_listing(feed, prefix, self.feed_files.listing(feed.storage, prefix), {})
        return bool(listing.files or listing.signals)
