"""The training of a model set: every key ends in one row, whatever its rows or its training do."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from member_trainers import trainer_of
from model_sets.bucket import Bucket, bucket_files
from model_sets.errors import SetError, TableError
from model_sets.features import FeaturePlan, Grid, build
from model_sets.format import ModelSet, open_set, write_set
from model_sets.index import IndexRow, rows_to_table
from model_sets.info import SetInfo
from model_sets.ridge import standardized
from model_sets.shards import ShardWriter
from model_sets.sources import Source
from model_sets.split import plan_split, split
from model_sets.times import steps_of
from plan_training import bucket_count, parts_of
from ridge_regression import solve
from tests.support.set_training import INFO, SetTraining, row_of
from training_grid import chunks, examine
from training_settings import Settings

DAYS = 60
FIRST = np.datetime64("2026-01-01")


def rows(
    keys: Sequence[tuple[Any, Any]], days: Sequence[int] = range(DAYS), sold: Sequence[float] | None = None
) -> pa.Table:
    """Return rows of the keys: by default they sell 10 times the number of the weekday."""
    dates = [FIRST + day for day in days]
    values = sold if sold is not None else [((day + 3) % 7) * 10.0 for day in days]
    return pa.table(
        {
            "store": [key[0] for key in keys for _ in dates],
            "product": [key[1] for key in keys for _ in dates],
            "day": pa.array(np.array([date for _ in keys for date in dates], "datetime64[D]")),
            "sold": pa.array([value for _ in keys for value in values], pa.float64()),
        }
    )


@pytest.fixture
def training(tmp_path: Path) -> SetTraining:
    return SetTraining(tmp_path)


ODD = [("a/b", "x=1"), ("Zürich ☂", "ё"), ("s" * 200, "p" * 200), ("a'b", 'q"r'), ("-", ".."), ("1,2", "a b")]


@pytest.fixture(scope="module")
def odd_training(tmp_path_factory: pytest.TempPathFactory) -> SetTraining:
    """Return files whose names, columns, keys and rows are unusual, before their training."""
    training = SetTraining(tmp_path_factory.mktemp("odd"))
    training.add("odd.parquet", rows(ODD))
    training.add("padded.csv", rows([("001", "1"), ("010", "1")]))
    training.add("plain.csv", rows([("1", "1"), ("10", "1")]).select(["sold", "day", "product", "store"]))
    named = rows([("named", "1")]).append_column("filename", pa.array(["x"] * DAYS))
    training.add("store=7/sales[1].parquet", named)
    training.add("sales*?.csv", rows([("named", "2")]).append_column("", pa.array(["y"] * DAYS)))
    training.add("no_key.csv", rows([("1", None), ("", "1"), ("key", "1")]))
    timeless = rows([("timeless", "1")]).set_column(2, "day", pa.nulls(DAYS, pa.date32()))
    training.add("no_time.parquet", timeless)
    training.add("jan/a.parquet", rows([("twice", "1")]))
    training.add("feb/b.csv", rows([("twice", "1")], days=[7]))
    training.add("few.parquet", rows([("few", "1")], days=range(9)))
    training.add("unknown.parquet", rows([("unknown", "1")], sold=[float("nan")] * DAYS))
    return training


@pytest.fixture(scope="module")
def odd_members(odd_training: SetTraining) -> ModelSet:
    """Return the set that is trained on them, and that expects two keys."""
    return odd_training.train(expected=[("1", "1"), ("gone", "1")])


def test_keys_are_kept_as_they_are_spelled(odd_members: ModelSet) -> None:
    keys = [*ODD, *((store, "1") for store in ("001", "010", "1", "10"))]

    assert {row_of(odd_members, *key).state for key in keys} == {"candidate"}
    assert {row_of(odd_members, *key).rows for key in keys} == {DAYS}
    assert odd_members.forecast(rows(keys).drop_columns(["sold"]))["forecast"].null_count == 0


def test_every_key_has_one_row(odd_members: ModelSet) -> None:
    stores = ("001", "010", "1", "10", "key", "twice", "few", "unknown", "gone", "named")
    keys = [*ODD, *((store, "1") for store in stores), ("named", "2")]

    assert sorted(row.key for row in odd_members.rows()) == sorted(keys)


def test_names_of_files_and_columns_are_taken_as_they_are(odd_members: ModelSet) -> None:
    assert [row_of(odd_members, "named", product).state for product in "12"] == ["candidate"] * 2


def test_all_parts_together_give_what_one_pass_gives(training: SetTraining) -> None:
    for number in range(3):
        days = range(number * 20, number * 20 + 20)
        training.add(f"{number}.parquet", rows([("1", "1"), ("2", "1"), (None, "1")], days))

    one, several = training.train(), training.train(parts=3)

    assert one.index.drop_columns(["trained_in"]).equals(several.index.drop_columns(["trained_in"]))
    assert {row.rows for row in one.rows()} == {DAYS}


def test_rows_without_a_key_or_a_time_are_kept_apart(
    odd_training: SetTraining, odd_members: ModelSet
) -> None:
    apart = (odd_training.folder / "run-0" / "rows" / "bucket=none").glob("*.parquet")

    assert sum(pq.read_metadata(path).num_rows for path in apart) == 3 * DAYS


def test_a_key_with_two_rows_of_one_day_fails_and_names_both_files(odd_members: ModelSet) -> None:
    row = row_of(odd_members, "twice", "1")

    assert (row.state, row.entry) == ("failed", None)
    assert row.reason == "2026-01-08 has several rows, in jan/a.parquet and in feb/b.csv"


def test_few_rows_give_the_baseline_and_no_rows_a_missing_key(odd_members: ModelSet) -> None:
    few, unknown, missing = (row_of(odd_members, key, "1") for key in ("few", "unknown", "gone"))

    assert (few.state, few.fallback, few.rows, few.loader) == ("too_few_rows", "baseline", 9, "npz")
    assert few.reason is not None
    assert "9 rows" in few.reason
    asked = rows([("few", "1")], days=[9]).drop_columns(["sold"])
    assert odd_members.forecast(asked).to_pylist()[0]["state"] == "fallback"
    assert odd_members.forecast(asked).to_pylist()[0]["forecast"] == ((9 + 3) % 7) * 10
    assert (unknown.state, missing.state) == ("missing", "missing")
    assert missing.reason == "the data have no rows of this key"


def test_parameters_change_a_built_in_trainer_and_unknown_ones_are_named(training: SetTraining) -> None:
    training.add("a.parquet", rows([("1", "1")]))

    members = training.train(trainer="lightgbm-fast", parameters={"rounds": 2.0, "min_data_in_leaf": 5})

    text = members.read(row_of(members, "1", "1")).decode()
    assert (text.count("Tree="), "[min_data_in_leaf: 5]" in text) == (2, True)
    for trainer, parameters, message in (
        ("lightgbm", {"num_leaf": 3}, "parameter 'num_leaf': trainer lightgbm takes rounds, num_leaves"),
        ("lightgbm", {"num_leaves": 3.5}, "parameter 'num_leaves' is 3.5, and must be a whole number"),
        ("seasonal-naive", {"rounds": 3}, "parameter 'rounds': trainer seasonal-naive takes no parameters"),
    ):
        settings = Settings(INFO, "m", "t", trainer, 20, 60, 1, parameters=parameters)
        with pytest.raises(ValueError, match=message):
            trainer_of(settings, Path())


def test_few_rows_give_the_member_of_the_group_at_the_level_of_the_key(training: SetTraining) -> None:
    week = [((day + 3) % 7) * 10.0 + 5 for day in range(DAYS)]
    for product, level in (("a", 1.0), ("b", 7.0), ("c", 30.0)):
        training.add(f"{product}.parquet", rows([("1", product)], sold=[value * level for value in week]))
    training.add("few.parquet", rows([("1", "few"), ("2", "few")], range(3), [v * 100 for v in week[:3]]))

    members = training.train(trainer="ridge", group_by=("store",))

    few, alone = row_of(members, "1", "few"), row_of(members, "2", "few")
    assert (few.state, few.fallback, few.loader) == ("too_few_rows", "group", "lightgbm-text")
    assert str(few.reason).endswith("are needed: the member of the group store=1 is used")
    assert (alone.state, alone.fallback, alone.loader) == ("too_few_rows", "baseline", "npz")
    assert str(alone.reason).endswith("because no key of the group store=2 has enough rows")
    asked = rows([("1", "few")], days=range(3, 10)).drop_columns(["sold"])
    answers = members.forecast(asked).to_pylist()
    assert {answer["state"] for answer in answers} == {"fallback"}
    forecasts = [answer["forecast"] for answer in answers]
    assert forecasts == pytest.approx([value * 100 for value in week[3:10]], rel=0.25, abs=500)


@pytest.mark.parametrize("trainer", ["lightgbm-fast", "ridge", "seasonal-naive"])
def test_each_built_in_trainer_learns_weekdays_and_a_constant(training: SetTraining, trainer: str) -> None:
    chance = np.random.default_rng(1)
    days = range(300)
    weekly = [((day + 3) % 7) * 10 + 30 + chance.normal(0, 1) for day in days]
    training.add("a.parquet", rows([("1", "1")], days, weekly))
    training.add("b.parquet", rows([("2", "1")], days, [5.0] * 300))

    members = training.train(trainer=trainer)

    assert [row.state for row in members.rows()] == ["candidate", "candidate"]
    weekly_error, constant_error = (row_of(members, key, "1").mae for key in "12")
    assert weekly_error is not None
    assert weekly_error < 3
    assert constant_error == pytest.approx(0, abs=0.05)
    later = rows([("1", "1"), ("2", "1")], days=range(300, 307)).drop_columns(["sold"])
    forecasts = members.forecast(later)["forecast"].to_numpy()
    assert forecasts[:7] == pytest.approx([((day + 3) % 7) * 10 + 30 for day in range(300, 307)], abs=6)
    assert forecasts[7:] == pytest.approx([5.0] * 7, abs=0.05)


BAD_TRAINER = """
import os, time
class Mean:
    def __init__(self, value):
        self.value = value
    def predict(self, table):
        return [self.value] * len(table)
def train(table, key):
    print("a line on stdout is harmless")
    if key["store"] == "raises":
        raise ValueError("too hot")
    if key["store"] == "hangs":
        time.sleep(600)
    if key["store"] == "ends":
        os._exit(3)
    if key["store"] == "nan":
        return Mean(float("nan"))
    return Mean(table["sold"].mean())
"""


def test_members_that_raise_hang_end_or_answer_nan_are_rows_with_their_reason(training: SetTraining) -> None:
    stores = ("a", "ends", "hangs", "nan", "raises", "z")
    training.add("a.parquet", rows([(store, "1") for store in stores]))
    file = training.folder / "mean.py"
    file.write_text(BAD_TRAINER)

    started = time.monotonic()
    members = training.train(trainer=str(file), limit_s=3, buckets=1)

    assert time.monotonic() - started < 300
    reasons = {row.key[0]: row.reason for row in members.rows()}
    assert reasons == {
        "a": None,
        "z": None,
        "raises": "the training raised ValueError: too hot",
        "hangs": "the training took longer than 3 s",
        "ends": "the training ended its process with status 3",
        "nan": "the member gave no number for 7 of the 7 rows of its holdout",
    }
    states = {row.key[0]: row.state for row in members.rows()}
    assert [store for store in stores if states[store] == "candidate"] == ["a", "z"]
    asked = rows([(store, "1") for store in stores], days=[DAYS]).drop_columns(["sold"])
    answers = members.forecast(asked).to_pylist()
    assert [answer["state"] for answer in answers] == ["ok", *["failed"] * 4, "ok"]
    assert answers[0]["forecast"] == pytest.approx(np.mean([((day + 3) % 7) * 10 for day in range(DAYS - 7)]))


def test_only_some_keys_are_trained_again_into_one_new_shard(training: SetTraining) -> None:
    keys = [(str(store), "1") for store in range(8)]
    training.add("a.parquet", rows(keys))
    first = training.train()
    training.add("b.parquet", rows([*keys, ("new", "1")], days=range(DAYS, DAYS + 30)))

    second = training.train(previous=first, only=[("3", "1"), ("new", "1"), ("gone", "1")])

    rows_by_key = {row.key[0]: row for row in second.rows()}
    assert {key for key, row in rows_by_key.items() if row.state == "kept"} == set("01245678") - {"3", "8"}
    assert (rows_by_key["3"].state, rows_by_key["3"].rows, rows_by_key["3"].trained_in) == (
        "candidate",
        DAYS + 30,
        "run-1",
    )
    assert rows_by_key["3"].shard == rows_by_key["new"].shard == "02.zip"
    assert rows_by_key["gone"].state == "missing"
    for path in (first.folder / "shards").iterdir():
        assert (second.folder / "shards" / path.name).read_bytes() == path.read_bytes()
    assert second.read(rows_by_key["0"]) == first.read(row_of(first, "0", "1"))


def test_a_training_that_would_exceed_the_files_of_a_version_does_not_begin(tmp_path: Path) -> None:
    shard = ShardWriter(tmp_path / "one.zip").close()
    names = [f"{number:02}.zip" for number in range(1480)]
    kept = [IndexRow((name, "1"), "candidate", shard=name, entry="e", loader="npz") for name in names]
    write_set(tmp_path / "set", INFO, rows_to_table(kept, INFO.keys), dict.fromkeys(names, shard))
    previous = open_set(tmp_path / "set")

    assert bucket_count(64, None, None) == 64
    with pytest.raises(SetError, match=r"15\d\d files \(1481 shards\), and Azure takes at most 1500"):
        bucket_count(64, [("1", "1")], previous)
    with pytest.raises(SetError, match=r"\(1490 shards\)"):
        bucket_count(1490, None, previous)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"time": "STORE"}, "STORE, store are named twice: upper and lower case make no difference"),
        ({"covariates": ("Price", "price")}, "Price, price are named twice"),
        ({"keys": ("store", "Status")}, "'Status' has the name of a column that a set's jobs add"),
    ],
)
def test_columns_that_nothing_could_tell_apart_are_named(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(SetError, match=message):
        replace(INFO, **columns)


def test_a_partition_without_rows_adds_nothing_and_no_rows_at_all_give_an_empty_set(
    training: SetTraining,
) -> None:
    training.add("empty.parquet", rows([("1", "1")]).slice(0, 0))
    training.add("header.csv", rows([("1", "1")]).slice(0, 0))
    empty = training.train(expected=[("1", "1")])
    training.add("a.parquet", rows([("1", "1")]))

    assert [row.state for row in empty.rows()] == ["missing"]
    assert [row.state for row in training.train().rows()] == ["candidate"]


def plan(folder: Path, files: dict[str, pa.Table], info: SetInfo = INFO) -> Any:
    training = SetTraining(folder, info)
    for name, table in files.items():
        training.add(name, table)
    sources = [Source(name, folder / "data" / name) for name in training.names]
    return plan_split(sources, info, target=True, buckets=2)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (rows([(1, "1")]), r"key column 'store' has type string in a\.parquet, and int64 in b\.parquet"),
        (rows([(1.5, "1")]), r"column 'store' of b\.parquet has type double; keys are text"),
        (
            rows([("1", "1")]).drop_columns(["sold"]),
            r"b\.parquet has no column 'sold'; it has store, product",
        ),
        (
            rows([("1", "1")]).append_column("Store", pa.array([9] * DAYS)),
            r"b\.parquet has the columns 'store' and 'Store', which differ only in case",
        ),
        (
            rows([("1", "1")]).set_column(3, "sold", pa.array(["x"] * DAYS)),
            r"column 'sold' of b\.parquet has type string; a number is needed",
        ),
    ],
    ids=["mixed", "fractions", "missing", "case", "text"],
)
def test_files_that_do_not_fit_together_are_named_with_the_column(
    tmp_path: Path, second: pa.Table, message: str
) -> None:
    with pytest.raises(TableError, match=message):
        plan(tmp_path, {"a.parquet": rows([("1", "1")]), "b.parquet": second})


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_further_columns_that_differ_only_in_case_make_no_difference(tmp_path: Path, name: str) -> None:
    table = rows([("1", "1")])
    for further in ("Note", "note"):
        table = table.append_column(further, pa.array(["x"] * DAYS))

    assert split(plan(tmp_path, {name: table}), [0], tmp_path / "rows") == {0: DAYS}


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("sold", "1.234,5", r"column 'sold' of b\.csv has '1\.234,5', which is no number"),
        ("day", "31.12.2026", r"column 'day' of b\.csv has '31\.12\.2026', which is no date or time"),
    ],
)
def test_a_text_that_does_not_fit_is_named_with_file_and_column(
    tmp_path: Path, column: str, value: str, message: str
) -> None:
    good = rows([("1", "1")])
    place = good.column_names.index(column)
    texts = good[column].cast(pa.string()).to_pylist()
    bad = good.set_column(place, column, pa.array([*texts[:-1], value]))
    planned = plan(tmp_path, {"a.csv": good, "b.csv": bad})

    with pytest.raises(TableError, match=message):
        split(planned, range(2), tmp_path / "rows")


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(TableError, match=r"a\.parquet cannot be read"):
        plan_split([Source("a.parquet", tmp_path / "a.parquet")], INFO, target=True)
    with pytest.raises(TableError, match=r"a\.xlsx is no table"):
        plan_split([Source("a.xlsx", tmp_path / "a.xlsx")], INFO, target=True)


@pytest.mark.parametrize("frequency", ["hour", "day", "week", "month"])
def test_the_split_and_the_endpoint_find_the_same_step_whatever_the_machines_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frequency: str
) -> None:
    minutes = pa.array(np.arange(-20_000_000, 33_000_000, 1_234_567), pa.int64())
    instants = pa.compute.multiply(minutes, 60).cast(pa.timestamp("s"))
    texts = [f"{text}+05:30" for text in pa.compute.strftime(instants, "%Y-%m-%dT%H:%M:%S").to_pylist()]
    kinds = {
        "naive": instants,
        "utc": instants.cast(pa.timestamp("us", "UTC")),
        "zone": instants.cast(pa.timestamp("us", "America/New_York")),
        "offset": instants.cast(pa.timestamp("us", "+05:30")),
        "text": pa.array(texts),
        "date": instants.cast(pa.date32(), safe=False),
    }
    info = SetInfo(("store",), "sold", "day", 7, frequency)
    for zone in ("UTC", "America/New_York", "Pacific/Auckland"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        for kind, column in kinds.items():
            table = pa.table({"store": ["1"] * len(minutes), "day": column, "sold": [1.0] * len(minutes)})
            folder = tmp_path / f"{zone[:3]}-{kind}"
            split(plan(folder, {"a.parquet": table}, info), [0], folder / "rows")
            files = [file for bucket in range(2) for file in bucket_files(folder / "rows", bucket)]
            steps = np.sort(pq.read_table(files)["step"].to_numpy())
            assert steps.tolist() == np.sort(steps_of(column, frequency)).tolist(), (zone, kind)
    monkeypatch.undo()
    time.tzset()


def test_a_lag_of_seven_days_is_the_value_of_seven_days_ago() -> None:
    feature_plan = FeaturePlan(horizon=7, frequency="day", covariates=())
    values = np.arange(60, dtype=np.float32)[None]
    values[0, ::3] = np.nan
    built = build(feature_plan, Grid(values, np.array([20_000]), np.zeros((1, 60, 0), np.float32)), 40, 60)[0]

    lag = built[:, feature_plan.names.index("lag_7")]
    expected = [np.nan if (cell - 7) % 3 == 0 else cell - 7 for cell in range(40, 60)]
    assert np.array_equal(lag, np.array(expected, np.float32), equal_nan=True)
    mean = built[:, feature_plan.names.index("mean_7")]
    assert mean[0] == pytest.approx(np.nanmean(values[0, 27:34]))


def test_parts_have_similar_sizes_and_each_file_once(tmp_path: Path) -> None:
    sources = []
    for number, size in enumerate([900, 10, 500, 450, 20]):
        path = tmp_path / str(number)
        path.write_bytes(b"x" * size)
        sources.append(Source(path.name, path))

    assert parts_of(sources, 2) == [[0, 1, 4], [2, 3]]
    assert parts_of(sources[:1], 4) == [[0]]


def test_a_row_that_was_to_be_forecast_is_no_second_row_of_its_time() -> None:
    nan, days = float("nan"), 40
    steps = np.sort(
        np.concatenate([np.arange(days), [20, 21]])
    )  # two days of a plan came before their values
    values = np.arange(days + 2, dtype=np.float32)
    values[[20, 22]] = nan
    values[[21, 23]] = [7, 8]
    files = np.zeros(days + 2, np.int64)
    bucket = Bucket(
        [("a",)], np.array([0, days + 2]), steps, values, np.zeros((days + 2, 0), np.float32), files
    )
    info = SetInfo(("key",), "units", "date", 7, "day", ())

    [series] = examine(bucket, "day", ["sales.parquet"])
    [chunk] = chunks(bucket, [series], FeaturePlan.of(info))

    assert (series.refusal, series.rows) == ("", days)
    assert chunk.known.all()
    assert list(chunk.grid.values[0, 20:22]) == [7, 8]


def test_two_actual_values_of_one_time_are_refused_with_their_files() -> None:
    steps, values = np.array([0, 1, 1]), np.ones(3, np.float32)
    bucket = Bucket(
        [("a",)], np.array([0, 3]), steps, values, np.zeros((3, 0), np.float32), np.array([0, 0, 1])
    )

    [series] = examine(bucket, "day", ["a.parquet", "b.parquet"])

    assert series.refusal == "1970-01-02 has several rows, in a.parquet and in b.parquet"


def test_ridge_from_sums_of_products_is_ridge_on_standardized_rows() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(1e4, 3, (400, 6)).astype(np.float32)
    features[:, 1] = 2.5  # a constant
    features[:, 2] = np.arange(400) % 7
    features[:40, 3], features[rng.random(400) < 0.1, 4], features[:, 5] = np.nan, np.nan, np.nan
    values = (3 * features[:, 2] + features[:, 0] + rng.normal(0, 1, 400)).astype(np.float32)

    fit = solve(features, values, 2, 1.0)

    known = ~np.isnan(features[:, :5])
    assert fit.mean[:5] == pytest.approx([features[known[:, n], n].mean(dtype=float) for n in range(5)])
    assert fit.scale[1] == fit.scale[5] == 1
    wide = standardized(features, fit.mean, fit.scale, 2).astype(np.float64)
    shrunk = np.diag([*[1.0] * (wide.shape[1] - 1), 1e-6])
    expected = wide @ np.linalg.solve(wide.T @ wide + shrunk, wide.T @ values)
    assert wide @ fit.weights == pytest.approx(expected, abs=0.05)
