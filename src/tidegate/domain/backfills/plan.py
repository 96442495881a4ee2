"""The decisions of a backfill: which partitions of a range it scores, and what it does next."""

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from tidegate.config.schema import Feed
from tidegate.domain.backfills.records import Backfill, BackfillProgress, BackfillState, NamedPartition
from tidegate.domain.partitions.calendar import next_partition, partition_at
from tidegate.domain.partitions.catch_up import starts_by_itself
from tidegate.domain.partitions.records import Claim, Partition, ScoringState
from tidegate.errors import RefusedError
from tidegate.messages.partition_id import Period, first_day, period_of

LONGEST = 4000  # partitions: ten years of days
_RANGE = re.compile(r"(\d{6}(?:\d{2})?)(?:\.\.(\d{6}(?:\d{2})?))?")


@dataclass(frozen=True)
class Plan:
    """The partitions of a range that are scored, oldest first, and those that are not, with the reasons."""

    partitions: list[str]
    skipped: list[NamedPartition]


@dataclass(frozen=True)
class Step:
    """What a backfill does next: partitions to claim, claims to submit, its state and progress after that."""

    claim: list[str]
    submit: list[Claim]
    state: BackfillState
    progress: BackfillProgress


def partitions_in(text: str, period: Period) -> list[str]:
    """Return the partitions of `202601..202610`, or of `202601`. A month of a daily feed is all its days.

    Raise RefusedError if the text is not a range of such partitions.
    """
    match = _RANGE.fullmatch(text)
    first, last = (match[1], match[2] or match[1]) if match else ("", "")
    try:
        begin, end = first_day(first), first_day(last)
    except ValueError:
        example = "202601..202610" if period == "month" else "20260101..20260131 or 202601..202603"
        detail = f"range: {text!r} is not a range such as {example}"
        raise RefusedError(422, "Unprocessable", detail) from None
    if period == "month" and "day" in (period_of(first), period_of(last)):
        raise RefusedError(
            422, "Unprocessable", f"range: the partitions are months, such as 202601 (not {text})"
        )
    if period == "day" and period_of(last) == "month":
        end = end.replace(day=monthrange(end.year, end.month)[1])
    if begin > end:
        raise RefusedError(422, "Unprocessable", f"range: {first} is after {last}")
    partitions = list(islice(_between(partition_at(begin, period), partition_at(end, period)), LONGEST + 1))
    if len(partitions) > LONGEST:
        raise RefusedError(422, "Unprocessable", f"range: a backfill has at most {LONGEST} partitions")
    return partitions


def decide_plan(
    feed: Feed, records: Sequence[Partition], partitions: Sequence[str], missing_for: str | None
) -> Plan:
    """Decide which partitions are scored.

    With `missing_for` (`classifier:3`), those whose current result is of this model version are skipped.
    """
    known = {record.partition: record for record in records}
    reasons = {name: _why_skipped(feed, known.get(name), name, missing_for) for name in partitions}
    return Plan(
        [name for name, why in reasons.items() if why is None],
        [NamedPartition(partition=name, why=why) for name, why in reasons.items() if why],
    )


def decide_step(feed: Feed, backfill: Backfill, records: Sequence[Partition]) -> Step:
    """Decide what a backfill does next.

    The partitions that may run are always the first unfinished ones, so two workers that decide at the same
    time from different records never claim more than `max_live`. Partitions that arrived by themselves and
    re-runs come first: a generation is claimed only if `catch_up.max_live` leaves room beside them.
    """
    known = {record.partition: record for record in records}
    newest = {name: claim_of(known[name], backfill.id) for name in backfill.partitions if name in known}
    unfinished = [name for name in backfill.partitions if _is_unfinished(newest.get(name))]
    live = [claim for claim in newest.values() if claim and not claim.generation.state.final]
    to_claim = (
        [] if backfill.state is not BackfillState.RUNNING else _to_claim(feed, backfill, known, unfinished)
    )
    failed = [_failure(claim) for claim in newest.values() if claim and _has_failed(claim)]
    running = len(live) + len(to_claim)
    done = sum(bool(claim and claim.generation.state is ScoringState.SCORED) for claim in newest.values())
    progress = BackfillProgress(
        done=done,
        running=running,
        waiting=len(backfill.partitions) - done - running - len(failed),
        failed=failed,
    )
    submit = [claim for claim in live if claim.awaits_submission]
    return Step(to_claim, submit, _state(backfill, unfinished, bool(live)), progress)


def claim_of(record: Partition, backfill: str) -> Claim | None:
    """Return the newest generation of a partition that a backfill claimed, or None."""
    claims = [claim for claim in record.claims if claim.generation.backfill == backfill]
    return claims[-1] if claims else None


def _to_claim(
    feed: Feed, backfill: Backfill, known: Mapping[str, Partition], unfinished: Sequence[str]
) -> list[str]:
    room = feed.catch_up.max_live - sum(_others(feed, record, backfill.id) for record in known.values())
    window = unfinished[: max(min(backfill.max_live, room), 0)]
    return [name for name in window if name in known and _is_free(known[name])]


def _others(feed: Feed, record: Partition, backfill: str) -> int:
    """Return how many scorings of a partition run or wait that are not the backfill's."""
    live = (claim for claim in record.claims if not claim.generation.state.final)
    return sum(claim.generation.backfill != backfill for claim in live) + starts_by_itself(feed, record)


def _is_free(record: Partition) -> bool:
    """Return whether nothing scores the partition, so that a generation can be claimed."""
    return record.latest is not None and all(claim.generation.state.final for claim in record.claims)


def _is_unfinished(claim: Claim | None) -> bool:
    return claim is None or not claim.generation.state.final


def _has_failed(claim: Claim) -> bool:
    """Return whether a scoring ended without a result. A cancelled one without a job did not begin."""
    generation = claim.generation
    not_begun = generation.state is ScoringState.CANCELLED and generation.job is None
    return generation.state.final and generation.state is not ScoringState.SCORED and not not_begun


def _failure(claim: Claim) -> NamedPartition:
    state, error = claim.generation.state.value, claim.generation.error
    return NamedPartition(partition=claim.record.partition, why=f"{state}: {error}" if error else state)


def _state(backfill: Backfill, unfinished: Sequence[str], is_live: bool) -> BackfillState:
    if backfill.state is BackfillState.CANCELLING:
        return BackfillState.CANCELLING if is_live else BackfillState.CANCELLED
    return backfill.state if unfinished else BackfillState.DONE


def _why_skipped(feed: Feed, record: Partition | None, name: str, missing_for: str | None) -> str | None:
    """Return why a partition is not scored, or None if it is."""
    if not feed.covers(name):
        return f"before the feed's start {feed.starts}"
    if record is None or (not record.versions and not record.listed_files):
        return "does not exist: no file has arrived"
    if missing_for and _is_result_of(record, missing_for):
        return f"already scored by {missing_for}: {record.result}"
    return _why_not_ready(feed, record)


def _why_not_ready(feed: Feed, record: Partition) -> str | None:
    """Return why no scoring of a partition can be claimed now, or None if it can."""
    latest = record.latest
    if latest is None:
        return f"incomplete: {record.listed_files} files have arrived"
    if not latest.registered:
        return "incomplete: its newest version is being registered"
    if live := next((claim for claim in record.claims if not claim.generation.state.final), None):
        return f"still running: {live.name} is being scored"
    if latest.superseded or starts_by_itself(feed, record):
        return "still running: it waits for a scoring that starts by itself"
    return None


def _is_result_of(record: Partition, model: str) -> bool:
    """Return whether the result of the latest version is of a model version."""
    for claim in record.claims:
        if claim.name == record.result:
            generation = claim.generation
            is_latest = claim.version.number == len(record.versions)
            return is_latest and f"{generation.model_name}:{generation.model_version}" == model
    return False


def _between(first: str, last: str) -> Iterator[str]:
    while first <= last:
        yield first
        first = next_partition(first)
