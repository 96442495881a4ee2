"""The rows of an index: which conditions select them, and how they page."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.support.hand_made_sets import KEYS, write_set_folder

from tidegate.domain.model_sets.facts import SetFacts, read_facts
from tidegate.domain.model_sets.members import (
    Member,
    MemberQuery,
    member_of,
    members_query,
    parse_search,
    parse_where,
)

ODD = ["001", "1", "a/b", "a=b", "ä", "é'\"; --", "k" * 200, "新"]


def read(folder: Path, query: MemberQuery, after: str | None = None, limit: int = 1000) -> list[Member]:
    connection = sqlite3.connect(folder / "index.sqlite")
    connection.row_factory = sqlite3.Row
    rows = connection.execute(*members_query(KEYS, query, after, limit)).fetchall()
    connection.close()
    return [member_of(dict(row), KEYS) for row in rows]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [
        {"store": store, "product": product, "state": "failed" if product == "1" else "candidate"}
        for store in ODD
        for product in ("1", "2")
    ]
    return write_set_folder(tmp_path, rows)


@pytest.mark.parametrize("store", ODD)
def test_a_key_is_found_as_it_is_spelled(folder: Path, store: str) -> None:
    where = parse_where([f"store={store}"], KEYS)

    found = read(folder, MemberQuery(where))

    assert [member.key for member in found] == [{"store": store, "product": p} for p in ("1", "2")]
    assert len(read(folder, MemberQuery(where, "failed"))) == 1


@pytest.mark.parametrize(
    ("search", "stores"),
    [
        ("/B", ["a/b"]),
        ("新", ["新"]),
        ("store=1", ["1"]),
        ("store=a=b, 2", ["a=b"]),
        ("%", []),
        ("_", []),
        ("; --, kkk", []),
        ("shop=1", []),
        ("  ,", ODD),
    ],
)
def test_search_finds_texts_in_keys_and_values_of_key_columns(
    folder: Path, search: str, stores: list[str]
) -> None:
    found = read(folder, parse_search(search, KEYS))

    assert {member.key["store"] for member in found} == set(stores)


def test_pages_have_every_key_once(folder: Path) -> None:
    pages, after = [], None
    while page := read(folder, MemberQuery(), after, 3):
        pages, after = [*pages, *page], page[-1].position

    assert pages == read(folder, MemberQuery())
    assert len(pages) == 2 * len(ODD)


@pytest.mark.parametrize("after", ["", "null", "[]", '["a"]', '["a", 1]', "{}"])
def test_a_place_that_is_none_is_refused(after: str) -> None:
    with pytest.raises(ValueError, match="no place in this list"):
        members_query(KEYS, MemberQuery(), after, 1)


@pytest.mark.parametrize("condition", ["store", "stores=1", "state=failed", "=", ""])
def test_only_key_columns_are_conditions(condition: str) -> None:
    with pytest.raises(ValueError, match=r"write store=\.\.\. or product="):
        parse_where([condition], KEYS)


def test_a_column_with_an_equals_sign_is_told_from_its_prefix() -> None:
    assert parse_where(["a=b=c"], ["a", "a=b"]) == {"a=b": "c"}


@pytest.mark.parametrize(
    "metadata", [{"tidegate_set": {}}, {"tidegate_set": {"keys": 1}}, {"tidegate_set": "yes"}]
)
def test_a_set_whose_metadata_lack_something_is_an_error(metadata: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="metadata tidegate_set cannot be read"):
        read_facts({"metadata": metadata})


def test_the_tags_of_a_set_say_what_is_in_it() -> None:
    facts = SetFacts(KEYS, "f00", "ba4", 200, {"candidate": 197, "failed": 3})

    assert read_facts({"metadata": {}}) is None
    assert facts.tags == {
        "tidegate_set": "1",
        "set_keys": "store,product",
        "set_members": "200",
        "set_failed": "3",
        "set_index": "f00",
    }
