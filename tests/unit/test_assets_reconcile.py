"""Rows against the manifest: each file once, whatever was appended how often."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reconcile import Reconciliation, Verdict, reconcile
from rows import Row, format_row, parse_rows


def row(img: str, label: str = "cat", score: float | None = 0.9, error: str = "") -> Row:
    return Row(img, label, score, error)


def broken(img: str, error: str = "the file is empty") -> Row:
    return Row(img, "", None, error)


def outcome(rows: list[Row | None], manifest: list[str], max_error_rate: float = 0.0) -> Reconciliation:
    return reconcile(rows, manifest, max_error_rate)


def test_rows_come_in_the_order_of_the_manifest() -> None:
    result = outcome([row("b"), row("a")], ["a", "b"])

    assert [published.img for published in result.rows] == ["a", "b"]
    assert result.verdict == "ok"


def test_a_file_that_cannot_be_read_has_a_row_with_its_error_whatever_was_scored() -> None:
    errors = {"b": "it is in the archive tier", "c": "the file is empty"}

    result = reconcile([row("a"), row("b"), broken("b")], ["a", "b", "c"], 0.5, errors)

    assert [(published.img, published.error) for published in result.rows] == [("a", ""), *errors.items()]
    assert (result.verdict, result.errors, result.doubled) == ("too_many_errors", 2, [])


def test_a_file_without_a_row_is_missing() -> None:
    result = outcome([row("a")], ["a", "b", "c"])

    assert result.missing == ["b", "c"]
    assert result.verdict == "incomplete"


@pytest.mark.parametrize(
    "again",
    [row("a"), row("a", score=0.9004)],
    ids=["identical", "a score as a GPU repeats it"],
)
def test_a_row_that_says_the_same_again_is_counted_and_dropped(again: Row) -> None:
    result = outcome([row("a"), again, again], ["a"])

    assert (len(result.rows), result.repeated, result.doubled) == (1, 2, [])
    assert result.verdict == "ok"


@pytest.mark.parametrize(
    "other",
    [row("a", label="dog"), row("a", score=0.7), row("a", score=None), broken("a")],
    ids=["label", "score", "no score", "error"],
)
def test_rows_that_differ_make_the_file_doubled(other: Row) -> None:
    result = outcome([row("a"), other, other], ["a"])

    assert (result.doubled, result.repeated, len(result.rows)) == (["a"], 1, 1)
    assert result.verdict == "incomplete"


def test_rows_of_files_that_are_not_listed_are_dropped_and_counted() -> None:
    result = outcome([row("a"), broken("late", "not in the manifest")], ["a"])

    assert (result.unlisted, result.errors, result.verdict) == (1, 0, "ok")


@pytest.mark.parametrize(
    ("broken_files", "max_error_rate", "verdict"),
    [
        (0, 0.0, "ok"),
        (1, 0.0, "too_many_errors"),
        (1, 0.1, "ok"),
        (2, 0.1, "too_many_errors"),
        (10, 1.0, "ok"),
    ],
)
def test_more_errors_than_allowed_fail_the_month(
    broken_files: int, max_error_rate: float, verdict: Verdict
) -> None:
    names = [f"{number}.png" for number in range(10)]
    rows: list[Row | None] = [broken(name) for name in names[:broken_files]]
    rows += [row(name) for name in names[broken_files:]]

    assert outcome(rows, names, max_error_rate).verdict == verdict


def test_missing_files_weigh_more_than_errors() -> None:
    assert outcome([broken("a")], ["a", "b"]).verdict == "incomplete"


def test_an_empty_manifest_divides_nothing_by_zero() -> None:
    result = outcome([], [])

    assert (result.error_rate, result.verdict) == (0.0, "ok")
    assert "mean_score" not in result.metrics()


def test_the_summary_shows_the_most_frequent_errors_first() -> None:
    rows: list[Row | None] = [broken("a"), broken("b", "not an image"), broken("c", "not an image"), row("d")]

    summary = outcome(rows, ["a", "b", "c", "d"]).summary()

    assert summary["worst_errors"] == [
        {"error": "not an image", "count": 2, "images": ["b", "c"]},
        {"error": "the file is empty", "count": 1, "images": ["a"]},
    ]
    assert summary["labels"] == {"cat": 1}


def test_the_summary_counts_the_notes_about_scored_images() -> None:
    rows: list[Row | None] = [row("a"), *(Row(img, "cat", 0.9, "", "too dark") for img in ("b", "c"))]

    result = outcome(rows, ["a", "b", "c"])

    assert result.summary()["notes"] == [{"note": "too dark", "count": 2, "images": ["b", "c"]}]
    assert (result.errors, result.verdict) == (0, "ok")


def test_the_summary_of_a_lost_month_stays_small() -> None:
    summary = outcome([], [f"{number}.png" for number in range(50_000)]).summary()

    assert summary["missing"] == 50_000
    assert len(json.dumps(summary)) < 50_000


NAMES = st.text(min_size=1).filter(lambda name: name.isprintable() or "\n" in name or "," in name)
ROWS = st.builds(
    Row,
    NAMES,
    st.text(),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    more=st.just(()),
)


@given(ROWS)
def test_a_row_survives_the_file_whatever_it_holds(original: Row) -> None:
    line = format_row(original)

    assert len(line.splitlines()) == 1
    assert list(parse_rows([line, "\n"])) == [original]


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ('{"file": "a", "label": 3, "boxes": [1]}', Row("a", "3", None, "", more=(("boxes", [1]),))),
        ('{"img": "a", "score": "0.5", "file": "b"}', Row("a", "", 0.5, "", more=(("file", "b"),))),
        ('{"img": "a", "score": NaN}', Row("a", "", None, "the score is nan")),
        ('{"img": "a", "error": "broken", "label": null}', Row("a", "", None, "broken")),
        ('{"label": "cat"}', None),
        ('{"img": "a", "score": "high"}', None),
        ('["a", "cat", 0.5, "", "", ["more"]]', None),
        ("3", None),
    ],
)
def test_a_step_of_a_user_writes_dictionaries(line: str, parsed: Row | None) -> None:
    assert list(parse_rows([line])) == [parsed]


@given(ROWS, st.data())
def test_a_torn_line_is_no_row(original: Row, data: st.DataObject) -> None:
    line = format_row(original)
    torn = line[: data.draw(st.integers(1, len(line) - 1))]

    assert list(parse_rows([torn, torn + line])) == [None, None]


@pytest.mark.parametrize("line", ["3", "null", "{}", '["a"]', '["a", "b", 0.5, "", "x", "y"]', "a 3"])
def test_a_line_of_another_shape_is_no_row(line: str) -> None:
    assert list(parse_rows([line])) == [None]


@given(
    st.lists(st.sampled_from("abcde"), unique=True), st.lists(st.sampled_from("abcdefg")), st.integers(0, 3)
)
def test_every_listed_file_is_published_once_or_reported_missing(
    manifest: list[str], appended: list[str], torn: int
) -> None:
    result = outcome([*map(row, appended), *[None] * torn], manifest)

    assert [published.img for published in result.rows] == [name for name in manifest if name in appended]
    assert set(result.missing) == set(manifest) - set(appended)
    assert len(result.rows) + result.repeated + result.unlisted == len(appended)
    assert result.torn == torn
