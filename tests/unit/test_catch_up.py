"""Which partitions start no job because they are old, and whose turn it is among the others."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.config_yaml import a_feed
from tests.support.records import NOW

from tidegate.config.schema import Feed
from tidegate.domain.partitions.calendar import needs_look
from tidegate.domain.partitions.catch_up import (
    FeedRecord,
    decide_turns,
    is_held_back,
    starts_by_itself,
    was_due_before,
    was_there_before,
)
from tidegate.domain.partitions.manifest import ListedBlob
from tidegate.domain.partitions.records import Generation, Partition, PartitionVersion, ScoringState

UTC = ZoneInfo("UTC")
INSTALLED = FeedRecord(feed="digits", first_seen_at=NOW, newest="202611")


def feed(**catch_up: Any) -> Feed:
    return Feed.model_validate(a_feed(starts=202401, catch_up=catch_up))


def partition(name: str, *states: ScoringState, old: bool = False) -> Partition:
    """A registered partition, with generations of its version in these states."""
    generations = [
        Generation(
            number=number,
            state=state,
            model_name="m",
            model_version="1",
            compute="c",
            reason="r",
            claimed_at=NOW,
        )
        for number, state in enumerate(states, 1)
    ]
    version = PartitionVersion(
        number=1,
        manifest_hash="h",
        manifest_path="p",
        files=1,
        bytes=1,
        reason="marker",
        snapshot_at=NOW,
        registered=True,
        before_installation=old,
        generations=generations,
    )
    return Partition(feed="digits", partition=name, versions=[version], listed_at=NOW)


def a_file(minutes: int) -> ListedBlob:
    return ListedBlob("a.png", 1, "md5", "etag", NOW + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("partition", "minutes", "expected"),
    [
        ("202610", -1, True),
        ("202610", 1, False),  # a file came after the installation
        ("202611", -1, False),
        ("202612", -1, False),
    ],
)
def test_old_is_what_was_complete_before_the_newest(partition: str, minutes: int, expected: bool) -> None:
    record = Partition(feed="digits", partition=partition)

    assert was_there_before(INSTALLED, record, [a_file(minutes)]) is expected


def test_nothing_is_old_for_a_feed_that_was_empty_or_known_before() -> None:
    known = INSTALLED.model_copy(update={"newest": None})

    assert not was_there_before(known, Partition(feed="digits", partition="202401"), [a_file(-1)])


def test_a_late_file_starts_an_old_partition_only_if_it_was_scored() -> None:
    scored = partition("202601", ScoringState.SCORED, old=True)

    assert was_there_before(INSTALLED, partition("202601", old=True), [a_file(1)])
    assert not was_there_before(INSTALLED, scored, [a_file(1)])
    assert not was_there_before(INSTALLED, partition("202601"), [a_file(-1)])


def test_a_deadline_before_the_installation_is_announced_only_for_the_newest() -> None:
    old, newest = Partition(feed="digits", partition="202610"), Partition(feed="digits", partition="202611")

    assert was_due_before(INSTALLED, old, NOW)
    assert not was_due_before(INSTALLED, old, NOW + timedelta(days=1))
    assert not was_due_before(INSTALLED, newest, NOW)


def test_an_old_partition_starts_only_with_all() -> None:
    old = partition("202601", old=True)

    assert (is_held_back(feed(), old), starts_by_itself(feed(), old)) == (True, False)
    every = feed(**{"from": "all"})
    assert (is_held_back(every, old), starts_by_itself(every, old)) == (False, True)


def test_the_timer_lists_an_old_partition_only_once_a_day() -> None:
    assert needs_look(partition("202612"), NOW, UTC)
    assert not needs_look(partition("202612", old=True), NOW, UTC)


def test_the_oldest_have_the_first_turns_and_keep_them_until_their_jobs_end() -> None:
    records = [partition("202603"), partition("202601"), partition("202602")]

    turns = decide_turns(feed(), [], records)
    still = decide_turns(feed(), turns, [partition("202512"), *records])
    one_ended = [
        partition("202601", ScoringState.FAILED),
        partition("202602", ScoringState.SUBMITTED),
        records[0],
    ]

    assert turns == still == ["202601-1", "202602-1"]
    assert decide_turns(feed(), turns, one_ended) == ["202602-1", "202603-1"]


def test_jobs_that_a_person_requested_count() -> None:
    records = [
        partition("202601", ScoringState.SCORED, ScoringState.SUBMITTED),
        partition("202602"),
        partition("202603"),
    ]

    assert decide_turns(feed(), [], records) == ["202602-1"]
    assert decide_turns(feed(max_live=1), [], records) == []


def test_rerun_requests_wait_for_their_turn_and_come_before_all_others() -> None:
    again = partition("202605", ScoringState.SCORED, ScoringState.CLAIMED, ScoringState.CLAIMED)
    for minutes, claim in enumerate(reversed(again.claims)):
        claim.generation.claimed_at = NOW + timedelta(minutes=minutes)
    running = partition("202604", ScoringState.SCORED, ScoringState.SUBMITTED)
    records = [partition("202601"), again]

    assert decide_turns(feed(), [], [running, *records]) == ["202605-1-g3"]
    assert decide_turns(feed(), [], records) == ["202605-1-g3", "202605-1-g2"]
    assert decide_turns(feed(max_live=3), ["202601-1"], records) == ["202601-1", "202605-1-g3", "202605-1-g2"]


def test_a_resubmitted_job_needs_no_turn_and_counts() -> None:
    resubmitted = partition("202605", ScoringState.CLAIMED)
    resubmitted.claims[0].generation.attempt = 2

    assert decide_turns(feed(), [], [resubmitted, partition("202601"), partition("202602")]) == ["202601-1"]


STATES = st.lists(st.sampled_from([None, *ScoringState]), min_size=1, max_size=8)


@given(STATES, st.integers(1, 3))
def test_turns_never_exceed_the_limit_and_all_get_one(
    states: list[ScoringState | None], max_live: int
) -> None:
    of = feed(max_live=max_live)
    live = [state for state in states if state and not state.final]
    records = [
        partition(f"2026{number:02}", *([state] if state else [])) for number, state in enumerate(states, 1)
    ]

    turns: list[str] = []
    for _ in range(2 * len(records) + 1):
        turns = decide_turns(of, turns, records)
        assert len(turns) <= max(max_live, len(live))
        for record in records:  # each job that has a turn starts, then ends
            if f"{record.partition}-1" in turns and not record.claims:
                record.versions = partition(record.partition, ScoringState.SUBMITTED).versions
            elif record.claims and not record.claims[0].generation.state.final:
                record.versions = partition(record.partition, ScoringState.SCORED).versions

    assert all(record.claims for record in records)
