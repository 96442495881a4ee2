"""Ids as people type and paste them, and times as the command line shows them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tidegate.cli.ids import PartitionName, parse_backfill, parse_model, parse_partition, without_quotes
from tidegate.local_time import local_time


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["202611"], PartitionName("202611")),
        (["digits", "202611"], PartitionName("202611", "digits")),
        (["digits:202611"], PartitionName("202611", "digits")),
        (["digits", "20261105-2"], PartitionName("20261105", "digits", 2)),
        (["202611-1-g2"], PartitionName("202611", None, 1)),
        (["score-my-digits-202611-1-g2-a1"], PartitionName("202611", "my-digits", 1)),
        ([" 'digits'", "“202611”,"], PartitionName("202611", "digits")),
        (["digits", "2026-11"], PartitionName("2026-11", "digits")),
    ],
)
def test_every_id_of_a_list_names_its_partition(words: list[str], named: PartitionName) -> None:
    assert parse_partition(words) == named


@pytest.mark.parametrize(
    ("what", "named"),
    [
        ("202601..202610", "202601..202610"),
        (" “202601-202610-1”,", "202601-202610-1"),
        ("backfill:digits:202601-202610-1", "202601-202610-1"),
    ],
)
def test_a_backfill_is_named_by_its_range_its_id_or_its_subject(what: str, named: str) -> None:
    assert parse_backfill("'digits'", what) == ("digits", named)


def test_three_words_are_no_partition() -> None:
    with pytest.raises(ValueError, match="write FEED PARTITION"):
        parse_partition(["a", "b", "c"])


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("sales",), ("sales", None)),
        (("sales", "3"), ("sales", "3")),
        (("sales:3",), ("sales", "3")),
        (('"sales:3" ',), ("sales", "3")),
        (("model:development:sales", "3"), ("sales", "3")),
        (("sales", " 3 "), ("sales", "3")),
    ],
)
def test_a_model_and_its_version_are_two_words_or_one(
    words: tuple[str, ...], named: tuple[str, str | None]
) -> None:
    assert parse_model(*words) == named


def test_quotes_and_blanks_around_an_id_are_dropped() -> None:
    assert without_quotes(" `3f2a9c81d04e` ") == "3f2a9c81d04e"


def test_a_time_has_the_offset_of_its_own_date() -> None:
    berlin = ZoneInfo("Europe/Berlin")

    assert local_time(datetime(2026, 1, 31, 23, 30, tzinfo=UTC), berlin) == "2026-02-01 00:30 +01:00"
    assert local_time(datetime(2026, 7, 1, 12, tzinfo=UTC), berlin) == "2026-07-01 14:00 +02:00"
    assert local_time(datetime(2026, 7, 1, 12, tzinfo=UTC), UTC) == "2026-07-01 12:00 +00:00"
