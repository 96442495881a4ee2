"""The calendar of monthly and daily feeds: partitions, deadlines when clocks change, looks of the timer."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tidegate.config.arrival import Deadline
from tidegate.config.path_pattern import PathPattern
from tidegate.domain.partitions.calendar import (
    deadline_of,
    expected_partitions,
    needs_look,
    next_partition,
    partition_of,
)
from tidegate.domain.partitions.records import Generation, Partition, PartitionVersion
from tidegate.messages.partition_id import first_day

NOW = datetime(2026, 12, 31, 12, 0, tzinfo=UTC)
TOKYO, NEW_YORK = ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("deadline", "of", "expected"),
    [
        ({"day": 5, "at": "06:00"}, "202611", datetime(2026, 12, 4, 21, 0, tzinfo=UTC)),
        ({"day": 1}, "202612", datetime(2026, 12, 31, 15, 0, tzinfo=UTC)),
        ({"day": 28, "at": "23:59", "of": "same_month"}, "202602", datetime(2026, 2, 28, 14, 59, tzinfo=UTC)),
        ({"at": "06:00"}, "20261231", datetime(2026, 12, 31, 21, 0, tzinfo=UTC)),
        ({"at": "23:30", "of": "same_day"}, "20260228", datetime(2026, 2, 28, 14, 30, tzinfo=UTC)),
    ],
)
def test_deadlines_are_local_times(deadline: dict[str, Any], of: str, expected: datetime) -> None:
    assert deadline_of(Deadline.model_validate(deadline), of, TOKYO) == expected


@pytest.mark.parametrize(
    ("at", "of", "expected"),
    [
        ("06:00", "20261030", datetime(2026, 10, 31, 10, 0, tzinfo=UTC)),
        ("06:00", "20261031", datetime(2026, 11, 1, 11, 0, tzinfo=UTC)),  # the clocks were set back at 02:00
        ("02:30", "20260307", datetime(2026, 3, 8, 7, 30, tzinfo=UTC)),  # does not exist on that day
        ("01:30", "20261031", datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),  # exists twice on that day
    ],
)
def test_deadlines_of_days_when_the_clocks_change(at: str, of: str, expected: datetime) -> None:
    deadline = deadline_of(Deadline.model_validate({"of": "next_day", "at": at}), of, NEW_YORK)

    assert deadline.astimezone(UTC) == expected


def test_the_calendar_expects_every_month_up_to_the_present_one() -> None:
    new_year = datetime(2026, 12, 31, 15, 30, tzinfo=UTC)

    assert list(expected_partitions("202611", new_year, ZoneInfo("UTC"))) == ["202611", "202612"]
    assert list(expected_partitions("202611", new_year, TOKYO)) == ["202611", "202612", "202701"]
    assert list(expected_partitions("202702", new_year, TOKYO)) == []


def test_the_calendar_expects_every_day_up_to_the_present_one() -> None:
    new_year = datetime(2026, 12, 31, 15, 30, tzinfo=UTC)

    assert list(expected_partitions("20261230", new_year, ZoneInfo("UTC"))) == ["20261230", "20261231"]
    assert list(expected_partitions("20261230", new_year, TOKYO)) == ["20261230", "20261231", "20270101"]
    assert list(expected_partitions("20270102", new_year, TOKYO)) == []


@pytest.mark.parametrize("zone", ["America/Santiago", "Africa/Cairo", "Asia/Beirut", "America/New_York"])
def test_each_day_is_expected_exactly_once_where_midnight_may_not_exist(zone: str) -> None:
    begin, timezone = datetime(2026, 1, 1, 12, tzinfo=UTC), ZoneInfo(zone)
    days = [f"{date(2026, 1, 1) + timedelta(days=number):%Y%m%d}" for number in range(365)]

    times = [begin + timedelta(hours=hour) for hour in range(0, 364 * 24, 7)]
    shortly_before = [max("20260101", f"{time - timedelta(days=3):%Y%m%d}") for time in times]
    newest = [
        list(expected_partitions(first, time, timezone))[-1]
        for first, time in zip(shortly_before, times, strict=True)
    ]

    assert list(expected_partitions("20260101", begin + timedelta(days=364), timezone)) == days
    assert list(dict.fromkeys(newest)) == days[: len(set(newest))]


@pytest.mark.parametrize(
    ("partition", "following"),
    [
        ("202612", "202701"),
        ("202601", "202602"),
        ("20261231", "20270101"),
        ("20280228", "20280229"),
        ("20260228", "20260301"),
    ],
)
def test_the_next_partition_is_the_next_month_or_day(partition: str, following: str) -> None:
    assert next_partition(partition) == following


@pytest.mark.parametrize("partition", ["202613", "202600", "20260229", "20261100", "000001", "30000101"])
def test_what_the_calendar_does_not_have_is_no_partition(partition: str) -> None:
    with pytest.raises(ValueError, match=r"must be in|out of range|year from 1900"):
        first_day(partition)


@pytest.mark.parametrize(
    ("of", "finished", "hours_ago", "expected"),
    [
        ("202612", False, 0, True),
        ("202612", True, 1, False),
        ("202612", True, 25, True),
        ("202611", True, 25, True),
        ("202610", False, 0, True),
        ("202609", False, 1, False),
        ("202609", False, 24 * 4, True),
        ("202606", True, 24 * 5, False),  # it ended 184 days ago, so it is listed every six days
        ("202606", True, 24 * 7, True),
        ("201606", True, 24 * 100, False),
        ("201606", True, 24 * 130, True),
        ("209912", False, 24 * 300, False),  # one stray event made its record
        ("20261231", False, 0, True),
        ("20261224", False, 0, True),
        ("20261223", False, 1, False),
        ("20261223", False, 25, True),
        ("20261201", True, 25, True),
        ("20260601", True, 24 * 6, False),
        ("20260601", True, 24 * 8, True),
        ("20270101", False, 0, True),
    ],
)
def test_the_timer_lists_recent_and_unfinished_partitions_often_and_others_rarely(
    of: str, finished: bool, hours_ago: int, expected: bool
) -> None:
    scored = Generation(number=1, model_name="m", model_version="1", compute="c", reason="r", claimed_at=NOW)
    version = PartitionVersion(
        number=1,
        manifest_hash="h",
        manifest_path="p",
        files=1,
        bytes=1,
        reason="marker _SUCCESS",
        snapshot_at=NOW,
        registered=True,
        generations=[scored],
    )
    record = Partition(
        feed="digits",
        partition=of,
        versions=[version] if finished else [],
        listed_at=NOW - timedelta(hours=hours_ago),
    )

    assert needs_look(record, NOW, ZoneInfo("UTC")) is expected


@pytest.mark.parametrize(
    ("pattern", "partition", "folder"),
    [
        ("{yyyy}{MM}/", "202601", "202601/"),
        ("in/{yyyy}/{MM}/", "202611", "in/2026/11/"),
        ("{yyyy}/{MM}/{dd}/", "20261105", "2026/11/05/"),
        ("{yyyy}-{MM}-{dd}/", "20261105", "2026-11-05/"),
        ("in.put/{yyyy}.{MM}.{dd}/", "20261105", "in.put/2026.11.05/"),
        ("{yyyy}/{MM}_{dd}/", "20261105", "2026/11_05/"),
        ("year={yyyy}/month={MM}/", "202611", "year=2026/month=11/"),
        ("in/year={yyyy}/month={MM}/day={dd}/", "20261105", "in/year=2026/month=11/day=05/"),
    ],
)
def test_a_partition_is_a_folder(pattern: str, partition: str, folder: str) -> None:
    path = PathPattern.parse(pattern)

    assert path.folder(partition) == folder
    assert path.split(f"{folder}more/a.png") == (partition, "more/a.png")
    assert partition_of(path, f"{folder}a.png") == partition
    assert partition_of(path, f"x{folder}a.png") is None
    assert folder.startswith(path.common_prefix)
    assert folder.removeprefix(path.common_prefix).count("/") == path.depth
    parents = [folder[: at + 1] for at, character in enumerate(folder) if character == "/"]
    assert [path.leads_to_partitions(parent) for parent in parents] == [True] * (len(parents) - 1) + [False]
    assert not path.leads_to_partitions("other/")


def test_a_folder_that_the_calendar_does_not_have_is_no_partition() -> None:
    path = PathPattern.parse("{yyyy}/{MM}/{dd}/")

    assert path.split("2026/02/30/a.png") == ("20260230", "a.png")
    assert partition_of(path, "2026/02/30/a.png") is None
    assert path.split("2026/02/a.png") is None


@pytest.mark.parametrize(
    "pattern",
    [
        "{yyyy}/{MM}",
        "{MM}/{yyyy}/",
        "{yyyy}/",
        "{yyyy}/{dd}/{MM}/",
        "{yyyy}{MM}{dd}{hh}/",
        "/{yyyy}{MM}/",
        "a//{yyyy}{MM}/",
        "../{yyyy}{MM}/",
        "{yyyy}+{MM}/",
        "in/{yyyy}/x{MM}/",
        "predictions/{yyyy}{MM}/",
        "in*/{yyyy}{MM}/",
        7,
    ],
)
def test_other_paths_are_refused(pattern: object) -> None:
    with pytest.raises(ValueError, match=r"write a folder with|choose another folder"):
        PathPattern.parse(pattern)
