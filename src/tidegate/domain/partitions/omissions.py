"""What a listing of a partition leaves out: files that do not count, and listed names without a file."""

from datetime import datetime, timedelta

from tidegate.config.schema import Feed
from tidegate.domain.partitions.completeness import (
    ChangedAfterCompletion,
    CompletenessDecision,
    NewVersion,
    ScoreAgain,
    Unchanged,
    WaitForFiles,
    complete_files,
)
from tidegate.domain.partitions.left_out import LeftOut, NamedFiles
from tidegate.domain.partitions.listing import PartitionListing, list_files
from tidegate.domain.partitions.manifest import ListedBlob
from tidegate.domain.partitions.records import Partition

_PATIENCE_WITH_A_LIST = timedelta(hours=1)


def left_out_of(feed: Feed, listing: PartitionListing, decision: CompletenessDecision) -> LeftOut:
    """Return what the next version leaves out, or what counts for none if no version is made now.

    While the partition is incomplete, every file that matches may still count.
    """
    match decision:
        case NewVersion(files):
            counted = files
        case WaitForFiles():
            counted = listing.files
        case ChangedAfterCompletion() | ScoreAgain() | Unchanged():
            counted = complete_files(feed, listing)
    names = {file.name for file in counted}
    missing = [
        name for way in feed.complete_when if way.listed_in for name in absent_names(listing, way.listed_in)
    ]
    return LeftOut(
        only=str(feed.only),
        not_matching=NamedFiles.of([file.name for file in listing.others if file.name not in names]),
        not_listed=NamedFiles.of([file.name for file in listing.files if file.name not in names]),
        missing=NamedFiles.of(list(dict.fromkeys(missing))),
    )


def list_to_announce(
    feed: Feed, record: Partition, listing: PartitionListing, now: datetime
) -> ListedBlob | None:
    """Return the list file whose listed files have not arrived an hour after it, once for each list file."""
    for file in listing.signals:
        waited_for = file.name in list_files(feed) and now - file.modified >= _PATIENCE_WITH_A_LIST
        if waited_for and file.etag != record.missing_announced and absent_names(listing, file.name):
            return file
    return None


def absent_names(listing: PartitionListing, list_file: str) -> list[str]:
    """Return the names in a list file that have no file."""
    existing = {file.name for file in (*listing.files, *listing.others)}
    return [name for name in listing.lists.get(list_file, ()) if name not in existing]
