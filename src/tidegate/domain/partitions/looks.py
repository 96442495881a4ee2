"""The looks at a partition: how often it is listed, and what a listing says besides Last-Modified."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tidegate.domain.partitions.completeness import PartitionListing
from tidegate.domain.partitions.records import Partition

_PAUSE_PER_FILE = timedelta(milliseconds=3)  # about ten times as long as listing it takes


def next_look(record: Partition) -> datetime:
    """Return from when on a delayed check may list the files again.

    A long listing is not repeated at once.
    """
    since = record.listed_at or datetime.min.replace(tzinfo=UTC)
    return since + record.listed_files * _PAUSE_PER_FILE


def with_arrivals(record: Partition, listing: PartitionListing, now: datetime) -> PartitionListing:
    """Return the listing with the time at which old files arrived: now, or as the record says.

    Old files have arrived now if more files are older than the last listing than at that time.
    """
    since = record.listed_at or now
    moved_here = listing.older_than(since) > (record.listed_old if record.listed_at else 0)
    return replace(listing, arrived_at=now if moved_here else record.arrived_at)
