"""When a month is complete, late or changed: decisions on listings, without I/O."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.config_yaml import a_feed

from tidegate.config.schema import Feed
from tidegate.domain.partitions.completeness import (
    ChangedAfterCompletion,
    CompletenessDecision,
    NewVersion,
    Unchanged,
    WaitForFiles,
    decide_completeness,
)
from tidegate.domain.partitions.listing import sort_listing
from tidegate.domain.partitions.looks import with_arrivals
from tidegate.domain.partitions.manifest import ListedBlob, Manifest
from tidegate.domain.partitions.records import Partition, PartitionVersion

NOW = datetime(2026, 12, 3, 12, 0, tzinfo=UTC)
TOKYO = ZoneInfo("Asia/Tokyo")
PREFIX = "202611/"
EARLIER = NOW - timedelta(hours=2)


def feed(*complete_when: dict[str, Any], **changes: Any) -> Feed:
    return Feed.model_validate(
        a_feed(complete_when=list(complete_when) or [{"marker": "_SUCCESS"}], **changes)
    )


def listed(
    name: str, *, modified: datetime = EARLIER, etag: str = "0x1", md5: str | None = None
) -> ListedBlob:
    return ListedBlob(PREFIX + name, 10, md5, etag, modified)


def partition(*versions: list[ListedBlob], **fields: Any) -> Partition:
    """A month whose versions had these files."""
    record = Partition(feed="digits", partition="202611", **fields)
    for number, files in enumerate(versions, 1):
        manifest = Manifest.of(
            [ListedBlob(f.name.removeprefix(PREFIX), f.size, f.md5, f.etag, NOW) for f in files]
        )
        record.versions.append(
            PartitionVersion(
                number=number,
                manifest_hash=manifest.hash,
                manifest_path="m",
                files=len(manifest),
                bytes=1,
                reason="marker",
                snapshot_at=EARLIER,
            )
        )
    return record


def decide(
    of: Feed,
    record: Partition,
    *files: ListedBlob,
    now: datetime = NOW,
    deadline: datetime | None = None,
    **lists: str,
) -> CompletenessDecision:
    texts = {f"{name}.txt": text for name, text in lists.items()}
    return decide_completeness(of, record, sort_listing(of, PREFIX, files, texts), now, deadline)


def names(decision: CompletenessDecision) -> list[str]:
    assert isinstance(decision, NewVersion), decision
    return [file.name for file in decision.files]


def test_a_marker_completes_a_month_with_all_its_files_and_without_the_marker() -> None:
    decision = decide(feed(), partition(), listed("a.png"), listed("sub/b.png"), listed("_SUCCESS"))

    assert names(decision) == ["a.png", "sub/b.png"]


def test_a_marker_alone_completes_nothing() -> None:
    assert decide(feed(), partition(), listed("_SUCCESS")) == WaitForFiles()


def test_files_that_are_not_of_the_kind_do_not_count() -> None:
    decision = decide(
        feed(only="*.png"), partition(), listed("a.png"), listed("notes.txt"), listed("_SUCCESS")
    )

    assert names(decision) == ["a.png"]


def test_a_list_completes_a_month_with_exactly_its_files() -> None:
    listing = [listed(name) for name in ("a.png", "b.png", "not listed.png", "scan.tif", "files.txt")]

    decision = decide(
        feed({"listed_in": "files.txt"}, only="*.png"),
        partition(),
        *listing,
        files="./b.png\r\n\r\na.png\nscan.tif\na.png\nfiles.txt\n",
    )

    assert sorted(names(decision)) == ["a.png", "b.png", "scan.tif"]


@pytest.mark.parametrize("text", ["a.png\nmissing.png\n", "../a.png", "", "\n \n"])
def test_a_list_that_the_files_do_not_fulfil_is_waited_for(text: str) -> None:
    decision = decide(
        feed({"listed_in": "files.txt"}), partition(), listed("a.png"), listed("files.txt"), files=text
    )

    assert decision == WaitForFiles()


def test_quiet_time_is_measured_from_the_newest_change() -> None:
    quiet = feed({"quiet_for": "15m"})
    newest = NOW - timedelta(minutes=14)
    listing = [listed("a.png"), listed("b.png", modified=newest)]

    assert decide(quiet, partition(), *listing) == WaitForFiles(until=newest + timedelta(minutes=15))
    assert isinstance(decide(quiet, partition(), *listing, now=NOW + timedelta(minutes=1)), NewVersion)


def test_quiet_time_is_also_measured_from_the_arrival_of_old_files() -> None:
    quiet, record = feed({"quiet_for": "15m", "min_files": 2}), partition()
    files = [listed("a.png"), listed("b.png")]

    first = with_arrivals(record, sort_listing(quiet, PREFIX, files, {}), NOW)
    assert decide_completeness(quiet, record, first, NOW, None) == WaitForFiles(
        until=NOW + timedelta(minutes=15)
    )

    record.arrived_at, record.listed_at, record.listed_old = first.arrived_at, NOW, first.older_than(NOW)
    later = NOW + timedelta(minutes=14)
    more = with_arrivals(record, sort_listing(quiet, PREFIX, [*files, listed("c.png")], {}), later)
    assert more.arrived_at == later
    same = with_arrivals(record, sort_listing(quiet, PREFIX, files, {}), NOW + timedelta(minutes=15))
    assert same.arrived_at == NOW
    assert names(decide_completeness(quiet, record, same, NOW + timedelta(minutes=15), None)) == [
        "a.png",
        "b.png",
    ]


def test_a_file_that_is_written_after_the_last_listing_has_not_been_moved() -> None:
    quiet, record = feed({"quiet_for": "15m"}), partition(listed_at=NOW, listed_old=1)
    files = [listed("a.png"), listed("b.png", modified=NOW + timedelta(minutes=5))]

    assert (
        with_arrivals(record, sort_listing(quiet, PREFIX, files, {}), NOW + timedelta(hours=1)).arrived_at
        is None
    )


def test_every_condition_of_an_entry_must_hold() -> None:
    both = feed({"quiet_for": "15m", "min_files": 2})

    assert decide(both, partition(), listed("a.png")) == WaitForFiles()
    assert names(decide(both, partition(), listed("a.png"), listed("b.png"))) == ["a.png", "b.png"]


def test_any_entry_suffices() -> None:
    either = feed({"marker": "_SUCCESS"}, {"quiet_for": "15m"})
    now = EARLIER + timedelta(minutes=1)

    assert isinstance(decide(either, partition(), listed("a.png"), listed("_SUCCESS"), now=now), NewVersion)
    assert decide(either, partition(), listed("a.png"), now=now) == WaitForFiles(
        until=EARLIER + timedelta(minutes=15)
    )


def test_a_month_is_late_once_after_its_deadline_files_or_not() -> None:
    due = feed(deadline={"day": 3})

    assert decide(due, partition(), deadline=NOW) == WaitForFiles(late=True)
    assert decide(due, partition(), listed("a.png"), deadline=NOW) == WaitForFiles(late=True)
    assert decide(due, partition(), deadline=NOW + timedelta(seconds=1)) == WaitForFiles()
    assert decide(due, partition(deadline_announced=True), deadline=NOW) == WaitForFiles()


def test_after_the_deadline_what_is_there_is_scored_where_that_is_wanted() -> None:
    due = feed(deadline={"day": 3, "then": "score"})

    assert names(decide(due, partition(), listed("a.png"), deadline=NOW)) == ["a.png"]
    assert decide(due, partition(), deadline=NOW) == WaitForFiles(late=True)


def test_the_same_files_again_change_nothing() -> None:
    files = [listed("a.png", md5="m1"), listed("b.png", etag="0x2")]
    again = [listed("b.png", etag="0x2", modified=NOW), listed("a.png", md5="m1", etag="0x9", modified=NOW)]

    assert decide(feed(), partition(files), *again, listed("_SUCCESS", modified=NOW)) == Unchanged()


@pytest.mark.parametrize(
    "changed",
    [
        [listed("a.png"), listed("late.png")],
        [listed("a.png", etag="0x2")],
        [listed("b.png")],
    ],
    ids=["late", "uploaded again", "another"],
)
def test_other_files_become_the_next_version_once_they_are_quiet(changed: list[ListedBlob]) -> None:
    record, marker = partition([listed("a.png")]), listed("_SUCCESS")
    fresh = listed("a.png", etag="0x3", modified=NOW)

    assert isinstance(decide(feed(), record, *changed, marker), NewVersion)
    assert decide(feed(), record, fresh, marker) == WaitForFiles(until=NOW + timedelta(minutes=15))


def test_a_month_stays_complete_when_its_marker_is_gone() -> None:
    record = partition([listed("a.png")])

    assert decide(feed(), record, listed("a.png")) == Unchanged()
    assert names(decide(feed(), record, listed("a.png"), listed("b.png"))) == ["a.png", "b.png"]


def test_a_listed_month_changes_with_its_list_only() -> None:
    by_list = feed({"listed_in": "files.txt"})
    record = partition([listed("a.png")])
    listing = [listed("a.png"), listed("b.png"), listed("files.txt")]

    assert decide(by_list, record, *listing, files="a.png") == Unchanged()
    assert decide(by_list, record, *listing, files="a.png\nb.png\nnot there.png") == Unchanged()
    assert names(decide(by_list, record, *listing, files="a.png\nb.png")) == ["a.png", "b.png"]


@pytest.mark.parametrize("quiet_first", [True, False])
def test_a_list_says_which_files_count_whatever_else_completes_the_month(quiet_first: bool) -> None:
    ways: list[dict[str, Any]] = [{"listed_in": "files.txt"}, {"marker": "_SUCCESS"}, {"quiet_for": "15m"}]
    of = feed(*(reversed(ways) if quiet_first else ways))
    fresh = NOW - timedelta(minutes=1)
    listing = [listed(name, modified=fresh) for name in ("a.png", "not listed.png", "files.txt")]

    assert names(decide(of, partition(), *listing, files="a.png")) == ["a.png"]

    record, tomorrow = partition([listed("a.png")]), NOW + timedelta(days=1)
    assert decide(of, record, *listing, now=tomorrow, files="a.png") == Unchanged()
    assert decide(of, record, *listing, listed("_SUCCESS"), now=tomorrow, files="a.png") == Unchanged()


def test_files_that_were_all_deleted_make_no_version() -> None:
    assert decide(feed(), partition([listed("a.png")])) == Unchanged()


def test_late_files_are_told_of_once_where_no_version_is_wanted() -> None:
    alert, late = (
        feed(late_files={"then": "alert"}),
        [listed("a.png"), listed("late.png"), listed("_SUCCESS")],
    )
    decision = decide(alert, partition([listed("a.png")]), *late)

    assert isinstance(decision, ChangedAfterCompletion)
    assert "2 now, 1 before" in decision.why
    assert decide(alert, partition([listed("a.png")], late_announced=[decision.hash]), *late) == Unchanged()
    ignore = feed(late_files={"then": "ignore"})
    assert decide(ignore, partition([listed("a.png")]), *late) == Unchanged()


def test_a_month_has_no_more_versions_than_allowed() -> None:
    few = feed(late_files={"max_versions": 2})

    decision = decide(
        few, partition([listed("a.png")], [listed("b.png")]), listed("c.png"), listed("_SUCCESS")
    )

    assert isinstance(decision, ChangedAfterCompletion)
    assert "max_versions allows 2 versions" in decision.why


FILES = st.lists(
    st.builds(
        listed,
        st.sampled_from(["a.png", "b.png", "c d.png", "ä.png", "_SUCCESS", "files.txt", "x.tmp"]),
        modified=st.integers(-120, 0).map(lambda minutes: NOW + timedelta(minutes=minutes)),
        etag=st.sampled_from(["0x1", "0x2"]),
        md5=st.sampled_from([None, "m1", "m2"]),
    ),
    unique_by=lambda file: file.name,
)
WAYS = st.lists(
    st.sampled_from(
        [{"marker": "_SUCCESS"}, {"listed_in": "files.txt"}, {"quiet_for": "15m"}, {"min_files": 2}]
    ),
    min_size=1,
    max_size=3,
    unique_by=str,
)


@given(FILES, FILES, WAYS, st.sampled_from(["a.png", "a.png\nb.png", "nothing"]))
def test_a_version_is_made_of_files_that_are_there_and_is_made_once(
    before: list[ListedBlob], now: list[ListedBlob], ways: list[dict[str, Any]], text: str
) -> None:
    of = feed(*ways, only="*.png")
    record = partition(*([before] if before else []))

    there = {file.name.removeprefix(PREFIX) for file in now}
    lists: dict[str, Any] = {"files": text} if "files.txt" in there else {}

    decision = decide(of, record, *now, **lists)

    if isinstance(decision, NewVersion):
        assert decision.files
        assert {file.name for file in decision.files} <= there - {"_SUCCESS", "files.txt"}
        made = [listed(file.name, etag=file.etag, md5=file.md5) for file in decision.files]
        later = partition(*([before] if before else []), made)
        assert decide(of, later, *now, now=NOW + timedelta(days=1), **lists) == Unchanged()


@given(FILES, st.integers(0, 200))
def test_a_month_that_still_changes_is_never_taken_for_quiet(files: list[ListedBlob], minutes: int) -> None:
    now = NOW + timedelta(minutes=minutes)
    counted = [file for file in files if file.name.endswith(".png")]

    decision = decide(feed({"quiet_for": "15m"}, only="*.png"), partition(), *files, now=now)

    newest = max((file.modified for file in counted), default=None)
    quiet = newest is not None and newest + timedelta(minutes=15) <= now
    assert isinstance(decision, NewVersion) is quiet
