"""How handlers look at a month: its feed in the configuration, and its files in storage."""

from typing import TYPE_CHECKING

from tidegate.config.schema import Config, Feed
from tidegate.domain.partitions.calendar import prefix_of
from tidegate.domain.partitions.completeness import PartitionListing, list_files, sort_listing
from tidegate.errors import NotFoundError, PermanentError

if TYPE_CHECKING:
    from tidegate.cloud.blobs import FeedFiles

_LONGEST_LIST = 64 * 1024 * 1024


def feed_of(config: Config, name: str) -> Feed:
    """PermanentError for a feed that tidegate.yml no longer has."""
    feed = config.feeds.get(name)
    if feed is None:
        raise PermanentError(f"tidegate.yml has no feed {name}")
    return feed


def look(feeds: "FeedFiles", feed: Feed, month: str) -> PartitionListing:
    """The month's files as they are now, with the texts of its list files. No container: no files."""
    prefix = prefix_of(feed.path, month)
    try:
        listing = feeds.listing(feed.storage, prefix)
    except NotFoundError:
        return sort_listing(feed, prefix, [], {})
    there = {file.name for file in listing}
    paths = {name: prefix + name for name in list_files(feed) if prefix + name in there}
    lists = {name: feeds.read_text(feed.storage, path, _LONGEST_LIST) for name, path in paths.items()}
    return sort_listing(feed, prefix, listing, lists)
