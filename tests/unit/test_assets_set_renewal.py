"""Which keys of a set are trained again, and why."""

import json
import math
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from compare_actuals import read_actuals, renewals, write
from key_history import Comparison, compare, with_earlier
from key_renewal import KeyNow, RenewalRule, decide_key, is_breached
from model_sets.format import ModelSet, open_set
from model_sets.index import IndexRow
from tests.support.model_sets import seasonal_content, write_small_set

RULE = RenewalRule("mae", factor=1.5, breaches=2, of_last=3, min_n=5, min_rows=100)


@pytest.mark.parametrize(
    ("error", "reference", "rows", "breached"),
    [
        (1.5, 1, 28, False),
        (1.6, 1, 28, True),
        (1.6, 1, 4, None),
        (0, 0, 28, False),
        (0.1, 0, 28, True),
        (math.nan, 1, 28, None),
        (1, math.nan, 28, None),
    ],
)
def test_an_error_counts_if_there_are_rows_and_a_reference(
    error: float, reference: float, rows: int, breached: bool | None
) -> None:
    assert is_breached(RULE, error, reference, rows) is breached


@pytest.mark.parametrize(
    ("partitions", "kind"),
    [
        ([True], None),  # one bad partition is not enough
        ([True, False, True], "worse"),
        ([True, False, False, True], None),
        ([True, True], "worse"),
        ([], None),
    ],
)
def test_a_key_is_worse_after_several_of_its_last_partitions(
    partitions: list[bool], kind: str | None
) -> None:
    renewal = decide_key(RULE, KeyNow("candidate", 28), partitions)

    assert (renewal and renewal.kind) == kind


@pytest.mark.parametrize(
    ("now", "kind", "reason"),
    [
        (KeyNow(None, 28), "new", "the set has no member for it, and the partition has 28 rows of it"),
        (KeyNow("missing", 1), "new", "28|1 rows"),
        (KeyNow("failed", 28, failure="ValueError: constant"), "failed", "ValueError: constant"),
        (KeyNow("champion", 28, failure="the forecast is not finite"), "failed", "not finite"),
        (KeyNow("too_few_rows", 30, known_rows=70), "grown", "it has 100 rows now, and needs 100"),
    ],
)
def test_keys_without_a_good_member_are_trained_as_soon_as_they_have_rows(
    now: KeyNow, kind: str, reason: str
) -> None:
    renewal = decide_key(RULE, now, [])

    assert renewal is not None
    assert renewal.kind == kind
    assert any(part in renewal.reason for part in reason.split("|"))


@pytest.mark.parametrize(
    "now",
    [KeyNow("candidate", 0), KeyNow("failed", 0), KeyNow(None, 0), KeyNow("too_few_rows", 29, known_rows=70)],
)
def test_keys_without_enough_rows_are_not_trained(now: KeyNow) -> None:
    assert decide_key(RULE, now, [True, True, True]) is None


@pytest.mark.parametrize("changes", [{"breaches": 4}, {"breaches": 0}, {"factor": 0}])
def test_a_rule_that_can_never_hold_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        RenewalRule(**changes)  # type: ignore[arg-type]


# With files: forecasts of a partition, actual values of a later one, and the errors over time

GOOD, BAD, FAILED, NEW, SILENT = ("001", "1"), ("1", "1"), ("failed", "1"), ("new", "1"), ("silent", "1")
DAYS = [f"2024-10-{day:02}" for day in range(4, 11)]


@pytest.fixture
def members(tmp_path: Path) -> ModelSet:
    naive = ("npz", seasonal_content())
    failed = [IndexRow(FAILED, "failed", reason="ValueError: constant")]
    write_small_set(tmp_path / "set", {GOOD: naive, BAD: naive, SILENT: naive}, failed)
    return open_set(tmp_path / "set")


def save_predictions(path: Path, forecasts: dict[tuple[str, str], float | None]) -> Path:
    keys = [key for key in forecasts for _ in DAYS]
    columns = {
        "store": [key[0] for key in keys],
        "product": [key[1] for key in keys],
        "day": pa.array([date.fromisoformat(day) for _ in forecasts for day in DAYS]),
        "forecast": pa.array([forecasts[key] for key in keys], pa.float64()),
        "member": ["train-1"] * len(keys),
        "error": [None if forecasts[key] is not None else "the member raised KeyError: 1" for key in keys],
    }
    pq.write_table(pa.table(columns), path)
    return path


def save_actuals(folder: Path, *lines: str) -> None:
    """Write a CSV file: two days more than the forecasts, and further lines."""
    days = [*DAYS, "2024-10-11", "2024-10-12"]
    rows = [f"{store},{product},{day},10,1" for store, product in (GOOD, BAD, FAILED, NEW) for day in days]
    folder.mkdir()
    (folder / "a.csv").write_text("\n".join(["store,product,day,sold,price", *rows, *lines]) + "\n")
    (folder / "manifest.jsonl").write_text('{"name": "a.csv"}\n')


def compared(
    folder: Path, members: ModelSet, forecasts: dict[tuple[str, str], float | None], *lines: str
) -> Comparison:
    predictions = save_predictions(folder / "predictions.parquet", forecasts)
    save_actuals(folder / "data", *lines)
    actuals = read_actuals(members, folder / "data", folder / "data/manifest.jsonl", folder / "scratch")
    return compare(members, predictions, actuals, "202410", RULE)


def test_forecasts_are_compared_by_key_and_day(tmp_path: Path, members: ModelSet) -> None:
    comparison = compared(tmp_path, members, {GOOD: 11, BAD: 15, FAILED: None, SILENT: 3})

    rows = {
        row["key"]: (row["rows"], row["mae"], row["reference"], row["breached"]) for row in comparison.rows()
    }
    assert rows == {GOOD: (7, 1, 1, False), BAD: (7, 5, 1, True)}


def test_only_keys_with_a_reason_are_trained_again(tmp_path: Path, members: ModelSet) -> None:
    comparison = compared(tmp_path, members, {GOOD: 11, BAD: 15, FAILED: None, SILENT: 3})
    before = comparison.errors.set_column(2, "partition", pa.array(["202409"] * 2))
    pq.write_table(before, tmp_path / "errors.parquet")

    history = with_earlier(comparison.errors, tmp_path / "errors.parquet")
    summary = renewals(members, comparison, history, RULE)
    write(tmp_path / "out", history, summary, members.info.keys)

    assert {tuple(entry["key"].values()): entry["why"] for entry in summary["keys"]} == {
        BAD: "worse",
        FAILED: "failed",
        NEW: "new",
    }
    assert summary["counts"] == {"keys": 5, "worse": 1, "failed": 1, "new": 1}
    lines = (tmp_path / "out/retrain.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == {"store": "1", "product": "1"}
    assert pq.read_table(tmp_path / "out/errors.parquet").num_rows == 4
    assert json.loads((tmp_path / "out/comparison.json").read_text()) == summary


def test_partitions_of_an_earlier_member_do_not_count(tmp_path: Path, members: ModelSet) -> None:
    comparison = compared(tmp_path, members, {BAD: 15})
    columns = {"partition": ["202409"], "member": ["train-0"]}
    before = comparison.errors
    for name, values in columns.items():
        before = before.set_column(before.column_names.index(name), name, pa.array(values))

    history = pa.concat_tables([before, comparison.errors])

    assert comparison.breaches(history) == {BAD: [True]}


def test_a_partition_that_is_compared_again_replaces_itself(tmp_path: Path, members: ModelSet) -> None:
    comparison = compared(tmp_path, members, {BAD: 15})
    pq.write_table(comparison.errors, tmp_path / "errors.parquet")

    assert with_earlier(comparison.errors, tmp_path / "errors.parquet").num_rows == 1


def test_days_with_several_actual_values_do_not_count_and_are_counted(
    tmp_path: Path, members: ModelSet
) -> None:
    comparison = compared(tmp_path, members, {GOOD: 11}, f"001,1,{DAYS[0]},99,1")

    (row,) = comparison.rows()
    assert (row["rows"], row["mae"], comparison.doubled) == (6, 1, 1)


def test_without_actual_values_nothing_is_trained(tmp_path: Path, members: ModelSet) -> None:
    predictions = save_predictions(tmp_path / "predictions.parquet", {GOOD: 11})

    comparison = compare(members, predictions, [], "202410", RULE)

    assert comparison.rows() == []
    assert renewals(members, comparison, comparison.errors, RULE)["keys"] == []
