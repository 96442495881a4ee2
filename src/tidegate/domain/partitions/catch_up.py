"""Catching up: which partitions start no job because they are old, and whose turn it is among the others."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from pydantic import Field

from tidegate.config.arrival import CatchUpFrom
from tidegate.config.schema import Feed
from tidegate.domain.ledger_record import LedgerRecord
from tidegate.domain.partitions.left_out import NamedFiles
from tidegate.domain.partitions.manifest import ListedBlob
from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.records import Claim, Partition
from tidegate.messages.commands import Name

BEFORE_INSTALLATION = "not scored: before the feed was installed"


class FeedRecord(LedgerRecord):
    """A feed's record in the ledger: what was there when the feed was first seen, and whose turn it is."""

    feed: Name
    first_seen_at: datetime
    newest: str | None = Field(
        default=None,
        description="The newest partition with files at that time, or None if all partitions count as new.",
    )
    outside: NamedFiles = Field(
        default=NamedFiles(), description="Files below the feed's path in no partition, at most 1,000."
    )
    outside_listed_at: datetime | None = None
    turns: list[str] = Field(
        default=[],
        description="The versions (`202611-1`) and re-runs (`202611-1-g2`) that may start or run a job.",
    )


def was_there_before(installed: FeedRecord, record: Partition, files: Sequence[ListedBlob]) -> bool:
    """Return whether the next version of a partition, with these files, is from before the installation.

    This is a partition older than the newest of that time, without a newer file. Later versions of it are
    treated as the first one until a person has the partition scored.
    """
    if record.latest is not None:
        return record.latest.before_installation and not record.claims
    old = installed.newest is not None and record.partition < installed.newest
    return old and all(file.modified <= installed.first_seen_at for file in files)


def was_due_before(installed: FeedRecord, record: Partition, deadline: datetime | None) -> bool:
    """Return whether the deadline of an old partition passed before the installation.

    People are not notified of such a partition.
    """
    old = installed.newest is not None and record.partition < installed.newest
    return old and deadline is not None and deadline <= installed.first_seen_at


def is_held_back(feed: Feed, record: Partition) -> bool:
    """Return whether a partition is not scored because it was there before the feed was installed."""
    latest, newest_only = record.latest, feed.catch_up.start is CatchUpFrom.NEWEST
    return bool(newest_only and latest and latest.before_installation and not record.claims)


def lacks_result(feed: Feed, record: Partition, deadline: datetime | None, now: datetime) -> bool:
    """Return whether a partition was complete before its deadline, and is not scored although it passed.

    People are notified of a deadline once: nothing is late if it was announced that files were missing.
    """
    latest = record.latest
    if deadline is None or latest is None or record.deadline_announced or is_held_back(feed, record):
        return False
    return record.result is None and record.versions[0].snapshot_at < deadline <= now


def starts_by_itself(feed: Feed, record: Partition) -> bool:
    """Return whether the latest version waits for a job that no person has to request."""
    latest = record.latest
    waits = latest is not None and latest.registered and not latest.generations
    return waits and feed.covers(record.partition) and not is_held_back(feed, record)


def turn_of(claim: Claim) -> str:
    """Return the name of the turn of a generation: of the first one, that of its version."""
    return claim.version_name if claim.generation.number == 1 else claim.name


def decide_turns(feed: Feed, turns: Sequence[str], records: Sequence[Partition]) -> list[str]:
    """Return the versions and re-runs that may start or run a job now: at most `max_live`.

    Generations that are claimed and wait for their job come first, oldest claim first: a person requested
    them, or a crash interrupted their submission. Then come versions, oldest partition first, and at last the
    generations of backfills. A turn is kept until its job has ended, or until nothing waits for it any more.
    """
    claims = [claim for record in records for claim in record.claims if not claim.generation.state.final]
    claims.sort(key=lambda claim: claim.generation.claimed_at)
    live = [turn_of(claim) for claim in claims if not claim.awaits_submission]
    claimed = [claim for claim in claims if claim.awaits_submission]
    requested = [turn_of(claim) for claim in claimed if not claim.generation.backfill]
    backfilled = [turn_of(claim) for claim in claimed if claim.generation.backfill]
    waiting = [*requested, *_waiting(feed, records), *backfilled]
    kept = [turn for turn in turns if turn in waiting or turn in live]
    others = [name for name in live if name not in kept]
    free = max(feed.catch_up.max_live - len(kept) - len(others), 0)
    return kept + [name for name in waiting if name not in kept][:free]


def _waiting(feed: Feed, records: Sequence[Partition]) -> Iterator[str]:
    for record in sorted(records, key=lambda record: record.partition):
        if starts_by_itself(feed, record):
            yield version_name(record.partition, len(record.versions))
