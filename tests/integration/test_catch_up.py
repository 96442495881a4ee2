"""A feed is installed on a container that has old months: how many jobs start, and in which order."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from tests.support.handler_harness import FEED, HandlerHarness
from tests.support.installation import LIVE, Installation

from tidegate.domain.partitions.records import Partition
from tidegate.messages.commands import CheckJob, CheckPartition, Reconcile, ScorePartition
from tidegate.service.manual_actions.rerun import RerunRequest

TICK = Reconcile(cause="timer")


def old_months(harness: HandlerHarness, count: int, start: str = "all", max_live: int = 2) -> list[str]:
    """Upload complete months of the years from 2024 on, before the service sees the feed."""
    installation = harness.installation
    months = [f"{2024 + number // 12}{number % 12 + 1:02}" for number in range(count)]
    installation.configure(starts=months[0], catch_up={"from": start, "max_live": max_live})
    for partition in months:
        installation.upload(partition, {"a.png": "cat"})
    harness.clock.now = datetime.now(UTC)
    return months


def states(harness: HandlerHarness) -> dict[str, list[str]]:
    """The states of each month's generations, of months that have a version."""
    return {
        record.partition: [claim.generation.state.value for claim in record.claims]
        for record in harness.ledger.partitions(FEED)
        if record.versions
    }


def scored(months: list[str]) -> dict[str, list[str]]:
    return {partition: ["scored"] for partition in months}


def submitted(months: list[str]) -> dict[str, list[str]]:
    return {partition: ["submitted"] for partition in months}


def live(harness: HandlerHarness) -> int:
    return sum(state in LIVE for states_of in states(harness).values() for state in states_of)


def run(harness: HandlerHarness, *, look: bool = True) -> int:
    """Carry out a timer's commands and all that follows. Return the most jobs that were live at once.

    Without `look`, no submitted job is looked at.
    """
    queue, most = deque(step.command for step in harness.do(TICK)), 0
    while queue:
        command = queue.popleft()
        if isinstance(command, CheckJob):
            if not look:
                continue
            harness.installation.cloud.settle()
        follows = harness.do(command)
        queue.extend(step.command for step in follows if not getattr(step.command, "due", None))
        most = max(most, live(harness)) if isinstance(command, ScorePartition) else most
    return most


def test_only_the_newest_of_old_months_starts_a_job(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.hold_jobs()
    months = old_months(harness, 6, "newest")
    promised = harness.service.dry_runs.feed(FEED)

    run(harness, look=False)

    assert promised.starts == "1 jobs start now; 5 partitions are not scored: before the feed was installed"
    assert [name for name, found in states(harness).items() if found] == [months[-1]]
    assert set(states(harness)) == set(months)
    assert len(installation.jobs()) == 1
    assert "registered" in str(harness.ledger.activities(f"{FEED}:{months[0]}"))
    told = [message for message in installation.notifications() if f"{months[0]}-1" in str(message)]
    assert told == []

    harness.clock.move(days=2)
    run(harness, look=False)
    assert len(installation.jobs()) == 1

    record = harness.ledger.partition(FEED, months[0])
    feed = harness.config().feeds[FEED]
    claim = harness.service.reruns.rerun(feed, record, RerunRequest(reason="asked"), None)
    run(harness, look=False)
    assert states(harness)[months[0]] == ["submitted"]
    assert claim.name == f"{months[0]}-1-g1"


def test_of_24_old_months_two_are_promised_now_and_the_others_after_them(
    installation: Installation, harness: HandlerHarness
) -> None:
    months = old_months(harness, 24)

    promised = harness.service.dry_runs.feed(FEED)

    assert promised.starts == "2 jobs start now; 22 follow when others have ended"
    assert [run.preview.partition for run in promised.partitions if run.job] == months[1::-1]


def test_rerun_requests_start_at_most_max_live_jobs_and_come_before_other_months(
    installation: Installation, harness: HandlerHarness
) -> None:
    months = old_months(harness, 2, max_live=1)
    run(harness)
    feed = harness.config().feeds[FEED]
    for month in months:
        record = harness.ledger.partition(FEED, month)
        harness.service.reruns.rerun(feed, record, RerunRequest(reason="asked"), None)
    installation.upload("202404", {"a.png": "cat"})
    harness.do(CheckPartition(cause="test", feed=FEED, partition="202404"))
    promised = harness.service.dry_runs.feed(FEED)
    asked = {month: harness.ledger.partition(FEED, month).claims[-1].ids for month in months}

    harness.do(ScorePartition(cause="test", feed=FEED, partition="202404", version=1))
    for ids in asked.values():
        harness.do(ScorePartition(cause="test", **ids))
        harness.do(ScorePartition(cause="test", **ids))

    assert promised.starts == "1 jobs start now; 2 follow when others have ended"
    assert sum(name.endswith("-g2-a1") for name in installation.jobs()) == 1
    assert states(harness)["202404"] == []

    installation.cloud.settle()
    run(harness)

    assert states(harness) == {**{month: ["scored", "scored"] for month in months}, "202404": ["scored"]}


def test_competing_workers_start_no_more_than_max_live(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.hold_jobs()
    months = old_months(harness, 5)
    for partition in months:
        harness.do(CheckPartition(cause="test", feed=FEED, partition=partition))
    scorings = [
        ScorePartition(cause="test", feed=FEED, partition=partition, version=1) for partition in months
    ]

    with ThreadPoolExecutor(5) as workers:
        list(workers.map(harness.do, scorings))

    assert live(harness) == 2
    assert [partition for partition, found in states(harness).items() if found] == months[:2]


def test_a_worker_that_dies_with_a_turn_is_followed_by_one_that_uses_it(
    installation: Installation, harness: HandlerHarness
) -> None:
    months = old_months(harness, 2, max_live=1)
    for partition in months:
        harness.do(CheckPartition(cause="test", feed=FEED, partition=partition))
    record = harness.ledger.feed(FEED)
    assert record is not None
    record.turns = [f"{months[0]}-1"]  # saved, and then the worker was killed
    harness.ledger.save(record)

    run(harness)

    assert states(harness) == scored(months)


def test_a_feed_that_the_ledger_knows_has_no_old_months(
    installation: Installation, harness: HandlerHarness
) -> None:
    harness.installation.hold_jobs()
    months = old_months(harness, 2, "newest")
    harness.ledger.save(Partition(feed=FEED, partition=months[1]))  # an earlier release wrote it

    run(harness, look=False)

    assert states(harness) == submitted(months)


def test_an_old_month_whose_files_come_after_the_installation_is_scored(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.hold_jobs()
    [newest] = old_months(harness, 1, "newest")
    harness.clock.move(hours=-1)
    before = harness.service.feed_records.first_seen(FEED)
    again = harness.service.feed_records.first_seen(FEED)
    installation.configure(starts="202306")
    installation.upload("202306", {"a.png": "cat"})
    harness.clock.move(hours=2)

    run(harness, look=False)

    assert (before.newest, again.etag) == (newest, before.etag)
    assert states(harness) == submitted(["202306", newest])


def test_junk_in_the_future_makes_nothing_old(installation: Installation, harness: HandlerHarness) -> None:
    months = old_months(harness, 1, "newest")
    installation.upload("999912", {"a.png": "cat"})

    assert harness.service.feed_records.preview(FEED).newest == months[0]


def test_a_preview_of_an_installation_without_files_is_not_saved(harness: HandlerHarness) -> None:
    assert harness.service.feed_records.preview(FEED).newest is None
    assert harness.ledger.feed(FEED) is None
