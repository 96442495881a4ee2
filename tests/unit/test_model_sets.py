"""The folder of a model set: what is written can be read, and what is damaged is named."""

import shutil
import sqlite3
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from model_sets.accuracy import member_metrics
from model_sets.contents import cloudpickle_content
from model_sets.errors import (
    CorruptIndexError,
    CorruptShardError,
    NoMemberError,
    SetError,
    TableError,
    UnknownKeyError,
)
from model_sets.format import copy_members, open_set, write_set
from model_sets.index import IndexRow, rows_to_table
from model_sets.times import NO_STEP, steps_of, time_of
from tests.support.model_sets import END, INFO, Doubler, boosted_content, seasonal_content, write_small_set

ODD_KEYS = [("a/b", "x=1"), ("Zürich ☂", "ё"), ("s" * 200, "p" * 200), ("001", "1"), ("1", "1"), ("-", "..")]
FAILED = IndexRow(("9", "9"), "failed", reason="the trainer raised ValueError: too hot", rows=40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a set with a member of each kind, with keys of all sorts, and a key that failed."""
    folder = tmp_path_factory.mktemp("sets") / "model"
    members = {key: ("npz", seasonal_content()) for key in ODD_KEYS}
    members[("12", "7")] = ("lightgbm-text", boosted_content())
    members[("12", "8")] = ("cloudpickle", cloudpickle_content(Doubler()))
    write_small_set(folder, members, [FAILED])
    return folder


def copy_of(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


def table(*keys: tuple[str | None, str | None], days: int = 7, price: float = 3.0) -> pa.Table:
    dates = [str(np.datetime64(END + day, "D")) for day in range(days)]
    rows = [(*key, date, price) for key in keys for date in dates]
    columns = [list(column) for column in zip(*rows, strict=True)]
    return pa.table(columns, names=["store", "product", "day", "price"])


def test_each_key_of_any_spelling_has_its_row_and_its_member(folder: Path) -> None:
    members = open_set(folder)

    assert members.index.num_rows == len(ODD_KEYS) + 3
    for key in ODD_KEYS:
        row = members.find(key)
        assert row is not None
        assert row.key == key
        assert np.isfinite(members.forecast(table(key))["forecast"].to_numpy()).all()


def test_keys_without_a_member_say_why(folder: Path) -> None:
    members = open_set(folder)

    with pytest.raises(UnknownKeyError, match="store=12, product=nobody"):
        members.member(("12", "nobody"))
    with pytest.raises(NoMemberError, match="too hot"):
        members.member(FAILED.key)


def test_forecasts_come_in_the_order_of_the_rows_each_with_its_state(folder: Path) -> None:
    given = table(("12", "8"), ("9", "9"), ("12", None), ("13", "1"), ("12", "7"))
    shuffled = given.take(np.random.default_rng(1).permutation(given.num_rows))

    answers = open_set(folder).forecast(shuffled)

    keys = [(row["store"], row["product"]) for row in shuffled.to_pylist()]
    states = dict(zip(keys, answers["state"].to_pylist(), strict=True))
    assert states == {
        ("12", "8"): "ok",
        ("9", "9"): "failed",
        ("12", None): "no_key",
        ("13", "1"): "no_member",
        ("12", "7"): "ok",
    }
    for row, answer in zip(shuffled.to_pylist(), answers.to_pylist(), strict=True):
        weekday = np.datetime64(row["day"]).astype(np.int64) + 3
        if row["product"] == "8":
            assert answer["forecast"] == 6
        elif row["product"] == "7":
            assert answer["forecast"] == pytest.approx(weekday % 7 * 10 + 5, abs=1)
        else:
            assert answer["forecast"] is None
            assert answer["reason"]


def test_order_of_columns_and_further_columns_make_no_difference(folder: Path) -> None:
    members, given = open_set(folder), table(("12", "7"), ("12", "8"))
    other = given.select(["price", "day", "product", "store"]).append_column("note", [["x"] * 14])

    assert members.forecast(other).equals(members.forecast(given))
    with pytest.raises(TableError, match="'price'"):
        members.forecast(given.drop_columns(["price"]))


def test_later_steps_than_the_horizon_are_forecast_in_blocks(folder: Path) -> None:
    far = table(("12", "7"), days=40)

    forecasts = open_set(folder).forecast(far)["forecast"].to_numpy()

    expected = [(END + day + 3) % 7 * 10 + 5 for day in range(40)]
    assert forecasts == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("missing", [(), (3, 10, 17), (0, 3, 5, 10, 12, 13, 17, 20, 22)])
def test_the_seasonal_baseline_takes_the_value_of_its_own_weekday(
    tmp_path: Path, missing: tuple[int, ...]
) -> None:
    steps = np.arange(END - 28, END)
    values = np.where(np.isin(np.arange(28), missing), np.nan, (steps + 3) % 7)
    write_small_set(tmp_path / "m", {("1", "1"): ("npz", seasonal_content(values=values))})

    forecasts = open_set(tmp_path / "m").forecast(table(("1", "1")))["forecast"].to_pylist()

    assert forecasts == [(END + day + 3) % 7 for day in range(7)]


@pytest.mark.parametrize("key", [("1", "1"), ("12", "7")])
def test_known_values_of_a_table_are_history_for_later_rows_only(folder: Path, key: tuple[str, str]) -> None:
    members, given = open_set(folder), table(key, days=35)
    shifted = [100.0 + (END + day) % 7 for day in range(28)] + [None] * 7
    with_values = given.append_column("sold", pa.array(shifted, pa.float64()))
    other = [100.0 + (END + day) % 7 for day in range(21)] + [1e6] * 7 + [None] * 7
    with_others = given.append_column("sold", pa.array(other, pa.float64()))

    forecasts = members.forecast(with_values)["forecast"].to_numpy()

    assert forecasts[:7] == pytest.approx(members.forecast(given)["forecast"].to_numpy()[:7])
    assert members.forecast(with_others)["forecast"].to_numpy()[:28] == pytest.approx(forecasts[:28])
    if key == ("1", "1"):
        assert forecasts[28:].tolist() == [100.0 + (END + day) % 7 for day in range(28, 35)]


def test_mlflow_loads_the_set_and_answers_a_pandas_table(folder: Path) -> None:
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(str(folder))
    given = table(("12", "8"), ("001", "1")).to_pandas()
    given["day"] = pd.to_datetime(given["day"])

    answers = model.predict(given)

    assert list(answers.columns) == ["forecast", "trained_in", "state", "reason"]
    assert answers["forecast"].tolist()[:7] == [6.0] * 7
    assert answers["forecast"].notna().all()
    assert model.predict(given.assign(store="nowhere"))["forecast"].tolist() == [None] * len(given)


def test_the_service_finds_a_key_with_the_standard_library(folder: Path) -> None:
    with sqlite3.connect(folder / "index.sqlite") as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute(
            "SELECT * FROM members WHERE store = ? AND product = ?", FAILED.key
        ).fetchall()
    connection.close()

    assert [(row["state"], row["reason"], row["rows"]) for row in found] == [("failed", FAILED.reason, 40)]


def test_any_tool_opens_a_shard_and_lightgbm_a_member(folder: Path) -> None:
    import lightgbm

    members = open_set(folder)
    row = members.find(("12", "7"))
    assert row is not None
    assert row.shard is not None
    assert row.entry is not None
    with zipfile.ZipFile(members.shard_path(row.shard)) as archive:
        assert archive.testzip() is None
        text = archive.read(row.entry).decode()

    assert lightgbm.Booster(model_str=text).num_trees() == 60


def test_a_changed_index_is_named(folder: Path, tmp_path: Path) -> None:
    damaged = copy_of(folder, tmp_path / "m")
    content = bytearray((damaged / "index.parquet").read_bytes())
    content[100] ^= 1
    (damaged / "index.parquet").write_bytes(content)

    with pytest.raises(CorruptIndexError, match=r"index\.parquet does not match its hash"):
        open_set(damaged)


def test_a_truncated_shard_is_named(folder: Path, tmp_path: Path) -> None:
    damaged = copy_of(folder, tmp_path / "m")
    shard = damaged / "shards" / "00.zip"
    shard.write_bytes(shard.read_bytes()[:-100])

    with pytest.raises(
        CorruptShardError, match=r"shards/00\.zip is truncated or damaged.*store=12, product=7"
    ):
        open_set(damaged).member(("12", "7"))
    shard.unlink()
    with pytest.raises(CorruptShardError, match=r"shards/00\.zip is missing"):
        open_set(damaged).member(("12", "7"))


def test_a_flipped_byte_is_named_with_its_entry_and_key(folder: Path, tmp_path: Path) -> None:
    damaged = copy_of(folder, tmp_path / "m")
    shard = damaged / "shards" / "00.zip"
    row = open_set(damaged).find(("12", "7"))
    assert row is not None
    assert row.entry is not None
    with zipfile.ZipFile(shard) as archive:
        start = archive.getinfo(row.entry).header_offset
    content = bytearray(shard.read_bytes())
    content[start + 30 + len(row.entry) + 200] ^= 1
    shard.write_bytes(content)

    with pytest.raises(
        CorruptShardError, match=f"entry {row.entry} of shard shards/00.zip .*store=12, product=7"
    ):
        open_set(damaged).member(("12", "7"))
    assert open_set(damaged).member(("12", "8"))


def test_an_entry_of_another_member_is_found_by_its_hash(folder: Path, tmp_path: Path) -> None:
    swapped = open_set(folder).find(("12", "7"))
    assert swapped is not None
    other = IndexRow(**{**vars(swapped), "sha256": "0" * 64})
    write_set(tmp_path / "m", INFO, rows_to_table([other], INFO.keys), {"00.zip": folder / "shards/00.zip"})

    with pytest.raises(CorruptShardError, match="does not match its hash in the index"):
        open_set(tmp_path / "m").member(("12", "7"))


def test_an_index_needs_each_key_once_and_each_shard(folder: Path, tmp_path: Path) -> None:
    rows = [IndexRow(("1", "2"), "missing", reason="no rows"), IndexRow(("1", "2"), "failed")]

    with pytest.raises(SetError, match="2 rows for store=1, product=2"):
        write_set(tmp_path / "m", INFO, rows_to_table(rows, INFO.keys), {})
    with pytest.raises(SetError, match=r"shard 00\.zip, which is not given"):
        write_set(tmp_path / "n", INFO, open_set(folder).index, {})
    assert not (tmp_path / "n" / "MLmodel").exists()


def test_copied_members_answer_as_before_from_their_new_shard(folder: Path, tmp_path: Path) -> None:
    source = open_set(folder)
    rows = copy_members(source, source.rows(), tmp_path / "64.zip")
    write_set(tmp_path / "m", INFO, rows_to_table(rows, INFO.keys), {"64.zip": tmp_path / "64.zip"})

    given = table(*ODD_KEYS, ("12", "7"), ("12", "8"), ("9", "9"))
    assert open_set(tmp_path / "m").forecast(given).equals(source.forecast(given))


def test_a_percentage_of_zero_is_left_out() -> None:
    actual = np.array([0, 100, 0, 100, 0, 100])

    assert member_metrics(actual, np.full(6, 50.0)) == {"mae": 50, "rmse": 50, "mape": 0.5, "wape": 1}
    assert member_metrics(np.zeros(4), np.full(4, 50.0))["mape"] is None
    assert member_metrics(np.zeros(4), np.full(4, 50.0))["wape"] is None


def test_a_day_is_that_of_the_columns_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    instants = pa.array([0, 82_800], pa.timestamp("s"))  # 1970-01-01 00:00 and 23:00
    for zone in ("UTC", "America/New_York", "Pacific/Auckland"):
        monkeypatch.setenv("TZ", zone)
        assert steps_of(instants, "day").tolist() == [0, 0]
        assert steps_of(instants.cast(pa.timestamp("s", "UTC")), "day").tolist() == [0, 0]
        assert steps_of(instants.cast(pa.timestamp("s", "Asia/Tokyo")), "day").tolist() == [0, 1]
    texts = pa.array(["2026-03-01T00:30:00+02:00", "2026-03-01 23:00:00-05", "2026-03-01", None, ""])
    assert {time_of(step, "day") for step in steps_of(texts, "day")[:3]} == {"2026-03-01"}
    assert steps_of(texts, "day")[3:].tolist() == [NO_STEP] * 2
    with pytest.raises(TableError, match="'time'"):
        steps_of(pa.array(["soon"]), "day")


@pytest.mark.parametrize(
    ("frequency", "begin"),
    [("hour", "2026-11-05T13:00"), ("day", "2026-11-05"), ("week", "2026-11-02"), ("month", "2026-11-01")],
)
def test_a_step_begins_where_its_times_belong(frequency: str, begin: str) -> None:
    step = steps_of(pa.array(["2026-11-05T13:45:00"]), frequency)[0]

    assert time_of(step, frequency) == begin
    assert steps_of(pa.array([begin]), frequency)[0] == step
