"""The looks at a partition: how often it is listed, and what a listing says besides Last-Modified."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tidegate.domain.partitions.listing import PartitionListing
from tidegate.domain.partitions.records import Partition

_PAUSE_PER_FILE = timedelta(milliseconds=3)  # about ten times as long as listing it takes
_LONGEST_BURST = timedelta(minutes=15)


def next_look(record: Partition) -> datetime:
    """Return from when on a delayed check may list the files again.

    A long listing is not repeated at once.
    """
    since = record.listed_at or datetime.min.replace(tzinfo=UTC)
    return since + record.listed_files * _PAUSE_PER_FILE


def pending_check(record: Partition, now: datetime) -> datetime | None:
    """Return when the delayed check is due, or None if none is due later than now."""
    return record.check_due if record.check_due and record.check_due > now else None


def is_replaced(record: Partition, due: datetime) -> bool:
    """Return whether a later delayed check of the partition will list the files instead of this one."""
    return record.check_due is not None and due < record.check_due


def replaces_check(record: Partition, due: datetime, now: datetime) -> bool:
    """Return whether a check that is due later becomes the partition's delayed check.

    The files that arrive one after the other make a burst, and its last check lists them all. If files do not
    stop to arrive, they are listed every 15 minutes, or more rarely if the feed's quiet time is long.
    """
    pending = pending_check(record, now)
    if pending is None:
        return True
    longest = max(_LONGEST_BURST, 2 * (due - now))
    return due > pending and due - (record.arriving_since or now) <= longest


def with_arrivals(record: Partition, listing: PartitionListing, now: datetime) -> PartitionListing:
    """Return the listing with the time at which old files arrived: now, or as the record says.

    Old files have arrived now if more files are older than the last listing than at that time.
    """
    since = record.listed_at or now
    moved_here = listing.older_than(since) > (record.listed_old if record.listed_at else 0)
    return replace(listing, arrived_at=now if moved_here else record.arrived_at)
