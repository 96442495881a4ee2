"""Which partitions a backfill scores, how many at a time, and what a person can do to it."""

from typing import Any

import pytest
from tests.support.config_yaml import a_feed
from tests.support.records import NOW

from tidegate.config.schema import Feed
from tidegate.domain.activities import backfill_texts
from tidegate.domain.backfills.plan import decide_plan, decide_step, partitions_in
from tidegate.domain.backfills.records import Backfill, BackfillState, decide_state
from tidegate.domain.partitions.catch_up import decide_turns
from tidegate.domain.partitions.records import Generation, Partition, PartitionVersion, ScoringState
from tidegate.errors import RefusedError

MONTHS = ["202601", "202602", "202603", "202604"]


def feed(**catch_up: Any) -> Feed:
    return Feed.model_validate(a_feed(starts=202601, catch_up={"max_live": 9, **catch_up}))


def generation(state: str, **fields: Any) -> Generation:
    defaults = {"number": 1, "model_name": "m", "model_version": "1", "compute": "c", "reason": "r"}
    return Generation.model_validate({**defaults, "state": state, "claimed_at": NOW, **fields})


def partition(name: str, *generations: Generation, **fields: Any) -> Partition:
    version = PartitionVersion.model_validate(
        {
            "number": 1,
            "manifest_hash": "h",
            "manifest_path": "p",
            "files": 1,
            "bytes": 1,
            "reason": "marker",
            "snapshot_at": NOW,
            "registered": True,
            "generations": list(generations),
            **fields,
        }
    )
    scored = any(each.state is ScoringState.SCORED for each in generations)
    result = f"{name}-1-g1" if scored else None
    return Partition(feed="digits", partition=name, versions=[version], result=result, listed_files=1)


def scored(name: str) -> Partition:
    return partition(name, generation("scored"))


def backfilled(name: str, state: str, **fields: Any) -> Partition:
    return partition(name, generation("scored"), generation(state, number=2, backfill="b-1", **fields))


def backfill(state: str = "running", max_live: int = 2) -> Backfill:
    return Backfill(
        feed="digits",
        id="b-1",
        first=MONTHS[0],
        last=MONTHS[-1],
        model="m:2",
        max_live=max_live,
        by="Aoi",
        reason="r",
        requested_at=NOW,
        state=BackfillState(state),
        partitions=MONTHS,
    )


@pytest.mark.parametrize(
    ("text", "period", "first", "last", "count"),
    [
        ("202511..202602", "month", "202511", "202602", 4),
        ("202601", "month", "202601", "202601", 1),
        ("20260130..20260202", "day", "20260130", "20260202", 4),
        ("202601..202602", "day", "20260101", "20260228", 59),
    ],
)
def test_a_range_has_each_partition_of_the_calendar(
    text: str, period: Any, first: str, last: str, count: int
) -> None:
    partitions = partitions_in(text, period)

    assert (partitions[0], partitions[-1], len(partitions)) == (first, last, count)


@pytest.mark.parametrize(
    ("text", "period", "why"),
    [
        ("202613..202701", "month", "not a range"),
        ("202602..202601", "month", "202602 is after 202601"),
        ("20260101..20260102", "month", "are months"),
        ("2026-01", "month", "not a range"),
        ("190001..299912", "day", "at most 4000"),
    ],
)
def test_what_is_no_range_is_refused_with_the_reason(text: str, period: Any, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        partitions_in(text, period)


def test_partitions_that_cannot_be_scored_are_skipped_with_the_reason() -> None:
    running = partition("202603", generation("submitted"))
    arriving = Partition(feed="digits", partition="202604", listed_files=3)
    records = [
        scored("202602"),
        running,
        arriving,
        partition("202605"),
        partition("202607", registered=False),
    ]
    months = ["202512", "202602", "202603", "202604", "202605", "202606", "202607"]

    plan = decide_plan(feed(), records, months, None)

    assert plan.partitions == ["202602"]
    assert {each.partition: each.why for each in plan.skipped} == {
        "202512": "before the feed's start 202601",
        "202603": "still running: 202603-1-g1 is being scored",
        "202604": "incomplete: 3 files have arrived",
        "202605": "still running: it waits for a scoring that starts by itself",
        "202606": "does not exist: no file has arrived",
        "202607": "incomplete: its newest version is being registered",
    }


def test_with_a_model_only_partitions_without_its_result_are_scored() -> None:
    old = partition("202601", generation("scored", model_version="2"))
    records = [scored("202602"), old]

    plan = decide_plan(feed(), records, ["202601", "202602"], "m:2")

    assert plan.partitions == ["202602"]
    assert plan.skipped[0].why == "already scored by m:2: 202601-1-g1"


def test_an_old_partition_that_was_never_scored_is_scored() -> None:
    old = partition("202601", before_installation=True)

    assert decide_plan(feed(), [old], ["202601"], None).partitions == ["202601"]


def test_the_first_unfinished_partitions_run_and_the_others_wait() -> None:
    records = [backfilled("202601", "scored"), backfilled("202602", "submitted"), *map(scored, MONTHS[2:])]

    step = decide_step(feed(), backfill(), records)

    assert step.claim == ["202603"]
    progress = step.progress
    assert (progress.done, progress.running, progress.waiting, progress.failed) == (1, 2, 1, [])
    assert step.state is BackfillState.RUNNING


def test_a_partition_that_a_person_scores_again_keeps_its_place() -> None:
    busy = partition("202601", generation("scored"), generation("submitted", number=2))
    records = [busy, *map(scored, MONTHS[1:])]

    assert decide_step(feed(), backfill(max_live=2), records).claim == ["202602"]


def test_newly_arrived_partitions_go_first() -> None:
    new, records = partition("202605"), list(map(scored, MONTHS))

    assert decide_step(feed(max_live=2), backfill(max_live=2), [*records, new]).claim == ["202601"]
    assert decide_step(feed(max_live=1), backfill(max_live=2), [*records, new]).claim == []


def test_a_turn_goes_to_a_new_partition_before_a_claimed_generation_of_a_backfill() -> None:
    records = [backfilled("202601", "claimed"), partition("202605")]

    assert decide_turns(feed(max_live=1), [], records) == ["202605-1"]
    assert decide_turns(feed(max_live=2), [], records) == ["202605-1", "202601-1-g2"]


@pytest.mark.parametrize(
    ("state", "live", "ended"), [("cancelling", True, "cancelling"), ("cancelling", False, "cancelled")]
)
def test_a_cancelled_backfill_ends_with_its_last_job(state: str, live: bool, ended: str) -> None:
    records = [backfilled("202601", "submitted" if live else "scored"), *map(scored, MONTHS[1:])]

    step = decide_step(feed(), backfill(state), records)

    assert (step.claim, step.state) == ([], ended)


def test_a_paused_backfill_claims_nothing_and_sends_what_it_has_claimed() -> None:
    records = [backfilled("202601", "claimed"), *map(scored, MONTHS[1:])]

    step = decide_step(feed(), backfill("paused"), records)

    assert (step.claim, [claim.name for claim in step.submit]) == ([], ["202601-1-g2"])


def test_the_end_tells_what_failed_and_why() -> None:
    records = [
        backfilled("202601", "failed", error="no nodes", job="j"),
        backfilled("202602", "superseded", job="j"),
        *(backfilled(name, "scored") for name in MONTHS[2:]),
    ]
    ended = backfill()
    step = decide_step(feed(), ended, records)
    ended.state, ended.progress, ended.ended_at = step.state, step.progress, NOW

    activity = backfill_texts.ended(ended, "c")

    assert activity.kind == "backfill.done"
    assert "2 of 4 partitions are scored by m:2, 2 failed" in activity.text
    assert "- 202601: failed: no nodes\n- 202602: superseded" in activity.text


def test_a_generation_without_a_job_that_was_cancelled_did_not_begin() -> None:
    records = [backfilled("202601", "cancelled"), *map(scored, MONTHS[1:])]

    step = decide_step(feed(), backfill("cancelling"), records)

    assert (step.progress.failed, step.progress.waiting) == ([], 4)


def test_actions_change_the_state_once_and_are_refused_after_the_end() -> None:
    assert decide_state(backfill("running"), "pause") is BackfillState.PAUSED
    assert decide_state(backfill("paused"), "pause") is BackfillState.PAUSED
    assert decide_state(backfill("paused"), "resume") is BackfillState.RUNNING
    assert decide_state(backfill("paused"), "cancel") is BackfillState.CANCELLING
    with pytest.raises(RefusedError, match="is done, so there is nothing to resume"):
        decide_state(backfill("done"), "resume")
    with pytest.raises(RefusedError, match="nothing to pause"):
        decide_state(backfill("cancelling"), "pause")
