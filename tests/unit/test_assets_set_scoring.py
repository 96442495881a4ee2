"""The steps that score a set, called one after another on real files: split, score, publish."""

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from model_sets.contents import cloudpickle_content
from model_sets.errors import CorruptShardError, TableError
from model_sets.format import open_set
from model_sets.index import IndexRow
from publish_set import read_files
from score_set import SetScorer
from scored_rows import CsvForm, ScoredRows
from set_reconcile import SetReconciliation
from split_partition import split_partition, write_batches
from tests.support.model_sets import Doubler, boosted_content, seasonal_content, write_small_set

ODD = ("a/b=c%2F", '日本, "x"\n=1')


class Whims:
    """A member of a user's own: no number for a price of 0, an error for a negative one."""

    def predict(self, table: Any) -> Any:
        if (table["price"] < 0).any():
            raise ZeroDivisionError("price")
        return [math.nan if price == 0 else price for price in table["price"]]


class Short:
    def predict(self, table: Any) -> Any:
        return [1.0]


class Unloadable:
    """A member whose content cannot be loaded where it is used."""

    def __reduce__(self) -> tuple[Any, ...]:
        return __import__, ("a_module_of_the_training_only",)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scoring") / "set"
    naive = ("npz", seasonal_content())
    write_small_set(
        folder,
        {
            ("001", "1"): naive,
            ("1", "1"): ("lightgbm-text", boosted_content()),
            ODD: ("cloudpickle", cloudpickle_content(Doubler())),
            ("whims", "1"): ("cloudpickle", cloudpickle_content(Whims())),
            ("short", "1"): ("cloudpickle", cloudpickle_content(Short())),
            ("away", "1"): ("cloudpickle", cloudpickle_content(Unloadable())),
        },
        [
            IndexRow(("failed", "1"), "failed", reason="ValueError: the target is constant"),
            IndexRow(("gone", "1"), "missing", reason="the data has no rows of this key"),
        ],
    )
    return folder


@dataclass
class Scored:
    outcome: SetReconciliation
    rows: list[dict[str, Any]]
    folder: Path

    def of(self, store: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["store"] == store]


def score(
    folder: Path,
    model: Path,
    tables: Mapping[str, pa.Table | str],
    errors: Mapping[str, str] | None = None,
    form: CsvForm = "exact",
) -> Scored:
    """Run the three steps on files, of which a text is a CSV file."""
    data = folder / "data"
    for name, table in tables.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(table, str):
            (data / name).write_text(table, encoding="utf-8")
        else:
            pq.write_table(table, data / name)
    entries = [{"name": name} for name in tables]
    entries += [{"name": name, "error": error} for name, error in (errors or {}).items()]
    (folder / "manifest.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    split_partition(data, folder / "manifest.jsonl", model, folder / "buckets", bucket_count=4)
    write_batches(folder / "buckets", folder / "batches")
    members = open_set(model)
    scorer = SetScorer(members, folder / "buckets", folder / "scored")
    for file in sorted((folder / "batches").iterdir()):
        scorer.score(file.stem.partition("-")[2])
    rows = ScoredRows(folder / "scored", members.info, folder / "scratch")
    outcome = rows.reconcile(members.index, read_files(folder / "buckets"), 0.5)
    rows.write(folder / "predictions", form)
    return Scored(outcome, pq.read_table(folder / "predictions/predictions.parquet").to_pylist(), folder)


def table(*rows: tuple[Any, ...]) -> pa.Table:
    """Return a table of (store, product, day, price)."""
    columns = list(zip(*rows, strict=True)) or [[]] * 4
    names = ("store", "product", "day", "price")
    types = (pa.string(), pa.string(), pa.string(), pa.float64())
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, types, strict=True)], names)


def days(store: str, product: str, count: int, price: float = 1.5) -> list[tuple[Any, ...]]:
    return [(store, product, f"2024-10-{day:02}", price) for day in range(4, 4 + count)]


def test_each_row_comes_out_once_even_if_it_was_there_twice(tmp_path: Path, model: Path) -> None:
    rows = [*days("001", "1", 21), *days("1", "1", 21), days("001", "1", 21)[20]]

    scored = score(tmp_path, model, {"a.parquet": table(*rows[:10]), "deep/er/b.parquet": table(*rows[10:])})

    assert len(scored.rows) == 43 == scored.outcome.rows
    assert (scored.outcome.missing, scored.outcome.doubled) == ([], [])
    assert scored.of("001")[-1] == scored.of("001")[-2]
    assert all(math.isfinite(row["forecast"]) for row in scored.rows)


def test_csv_and_parquet_have_the_same_rows_whatever_a_key_contains(tmp_path: Path, model: Path) -> None:
    scored = score(tmp_path, model, {"a.parquet": table(*days(*ODD, 2), *days("001", "1", 2))})

    with (tmp_path / "predictions/predictions.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))

    assert [(row["store"], row["product"]) for row in read] == [("001", "1")] * 2 + [ODD] * 2
    assert [float(row["forecast"]) for row in read] == [row["forecast"] for row in scored.rows]
    assert read[-1] | {"forecast": 3} == {
        **{"store": ODD[0], "product": ODD[1], "day": "2024-10-05"},
        **{"forecast": 3, "member": "train-1", "status": "ok", "error": ""},
    }


def test_the_form_for_excel_has_a_mark_and_no_formulas(tmp_path: Path, model: Path) -> None:
    rows = days("=1+1", "-2", 1)
    score(tmp_path, model, {"a.parquet": table(*rows)}, form="excel")

    content = (tmp_path / "predictions/predictions.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfstore,product,day,")
    assert b"\n'=1+1,'-2,2024-10-04,,," in content


def test_keys_without_a_forecast_are_named_with_the_reason(tmp_path: Path, model: Path) -> None:
    rows = [
        *(days("001", "1", 3) + days("new", "5", 3) + days("failed", "1", 2)),
        *(days("whims", "1", 1) + days("whims", "1", 1, price=0) + days("short", "1", 2)),
    ]

    scored = score(tmp_path, model, {"a.parquet": table(*rows)})

    reasons = {key.key: key.reason for key in scored.outcome.without_forecast}
    assert reasons == {
        "store=failed, product=1": "ValueError: the target is constant",
        "store=gone, product=1": "the partition has no rows of this key; the data has no rows of this key",
        "store=new, product=5": "the set has no member for this key",
        "store=short, product=1": "the member raised SetError: the member answered 1 numbers for 2 rows",
        "store=1, product=1": "the partition has no rows of this key",
        "store=away, product=1": "the partition has no rows of this key",
        f"store={ODD[0]}, product={ODD[1]}": "the partition has no rows of this key",
    }
    assert {row["status"] for row in scored.of("new")} == {"no_member"}
    assert {row["status"] for row in scored.of("failed")} == {"failed"}
    whims = sorted(scored.of("whims"), key=lambda row: row["status"])
    assert [(row["status"], row["error"]) for row in whims] == [
        ("failed", "the member's forecast is not a finite number"),
        ("ok", None),
    ]
    assert (scored.outcome.keys, scored.outcome.error_rate) == (9, 7 / 9)
    assert scored.outcome.summary()["worst_errors"][0] == {
        "error": "the set has no member for this key",
        "count": 3,
        "images": ["store=new, product=5"],
    }


def test_a_member_that_cannot_be_loaded_costs_only_its_own_rows(tmp_path: Path, model: Path) -> None:
    scored = score(tmp_path, model, {"a.parquet": table(*days("away", "1", 2), *days("1", "1", 2))})

    (reason,) = {row["error"] for row in scored.of("away")}
    assert reason.startswith("loading the member raised ModuleNotFoundError: No module named 'a_module_of")
    assert all(row["status"] == "ok" for row in scored.of("1"))


def test_a_member_that_raises_costs_only_its_own_rows(tmp_path: Path, model: Path) -> None:
    scored = score(
        tmp_path, model, {"a.parquet": table(*days("whims", "1", 3, price=-1), *days("1", "1", 3))}
    )

    assert {row["error"] for row in scored.of("whims")} == {"the member raised ZeroDivisionError: price"}
    assert all(row["status"] == "ok" for row in scored.of("1"))


def test_rows_without_a_key_or_a_time_are_published_with_the_reason(tmp_path: Path, model: Path) -> None:
    rows = [("001", None, "2024-10-04", 1), ("001", "1", None, 1), *days("001", "1", 1)]

    scored = score(tmp_path, model, {"a.parquet": table(*rows)})

    assert sorted(str(row["error"]) for row in scored.rows) == [
        "None",
        "a key column has no value",
        "the time column has no value",
    ]
    assert scored.outcome.verdict != "incomplete"
    assert scored.outcome.keys == 8


def test_columns_in_another_order_and_more_of_them_make_no_difference(tmp_path: Path, model: Path) -> None:
    rows = table(*days("001", "1", 5), *days("1", "1", 5))
    other = rows.append_column("colour", pa.array(["red"] * 10)).select(
        ["price", "colour", "day", "product", "store"]
    )

    first = score(tmp_path / "first", model, {"a.parquet": rows})
    second = score(tmp_path / "second", model, {"a.parquet": other})

    assert first.rows == second.rows


def test_a_missing_column_is_named_before_anything_is_scored(tmp_path: Path, model: Path) -> None:
    rows = table(*days("001", "1", 5))

    with pytest.raises(TableError, match=r"b\.parquet has no column 'price'"):
        score(tmp_path, model, {"a.parquet": rows, "b.parquet": rows.drop_columns(["price"])})


def test_texts_of_csv_files_stay_as_they_are_spelled(tmp_path: Path, model: Path) -> None:
    lines = "day,price,store,product\n2024-10-04,1,001,1\n2024-10-04,1,1,1\n2024-10-04,1,01,1\n"

    scored = score(tmp_path, model, {"a.csv": lines})

    assert [(row["store"], row["status"]) for row in scored.rows] == [
        ("001", "ok"),
        ("01", "no_member"),
        ("1", "ok"),
    ]


def test_an_empty_partition_is_published_with_all_keys_named(tmp_path: Path, model: Path) -> None:
    scored = score(tmp_path, model, {"a.parquet": table()})

    assert (scored.rows, scored.outcome.verdict) == ([], "too_many_errors")
    assert len(scored.outcome.without_forecast) == 8
    assert (tmp_path / "predictions/predictions.csv").read_text().startswith("store,product,day,forecast,")


def test_files_that_cannot_be_read_count(tmp_path: Path, model: Path) -> None:
    error = "the file is in the archive tier"

    scored = score(tmp_path, model, {"b.parquet": table(*days("001", "1", 2))}, {"a.parquet": error})

    assert scored.outcome.error_rate == 7 / 8  # keys weigh more here than the one file of two
    assert scored.outcome.summary()["worst_errors"][0]["error"] == error
    assert (scored.outcome.metrics()["files"], scored.outcome.missing) == (2, [])


def test_a_row_that_gets_lost_or_doubled_is_found(tmp_path: Path, model: Path) -> None:
    score(tmp_path, model, {"a.parquet": table(*days("001", "1", 4)), "b.parquet": table(*days("1", "1", 4))})
    members = open_set(model)
    files = sorted((tmp_path / "scored").glob("*.parquet"))
    published = [(file, pq.read_table(file)) for file in files if pq.read_metadata(file).num_rows]
    file, rows = published[0]
    pq.write_table(rows.slice(1), file)
    pq.write_table(rows.slice(0, 0), tmp_path / "scored/9999.parquet")

    outcome = ScoredRows(tmp_path / "scored", members.info, tmp_path).reconcile(
        members.index, read_files(tmp_path / "buckets"), 1.0
    )

    assert outcome.verdict == "incomplete"
    assert len(outcome.missing) == 1


@pytest.mark.parametrize("damage", ["flip", "truncate"])
def test_a_damaged_shard_fails_the_scoring_and_is_named(tmp_path: Path, damage: str) -> None:
    damaged = tmp_path / "model" / "set"
    write_small_set(damaged, {("001", "1"): ("npz", seasonal_content())})
    shard = damaged / "shards/00.zip"
    content = bytearray(shard.read_bytes())
    content[len(content) // 3] ^= 1
    shard.unlink()
    shard.write_bytes(content if damage == "flip" else content[:-40])

    with pytest.raises(CorruptShardError, match=r"shards/00\.zip"):
        score(tmp_path, damaged, {"a.parquet": table(*days("001", "1", 2))})

    assert not (tmp_path / "predictions").exists()
