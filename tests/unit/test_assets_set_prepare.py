"""A set's `prepare(table)`: training, scoring, judging, renewal and endpoint run it on the same raw rows."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import plan_training
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from compare_actuals import read_actuals
from forecast_bucket import forecast_bucket
from holdout import forecast_holdout
from model_sets.bucket import read_bucket
from model_sets.contents import cloudpickle_content
from model_sets.errors import SetError, TableError
from model_sets.format import open_set, write_set
from model_sets.index import rows_to_table
from model_sets.info import SetInfo
from model_sets.prepared import PREPARE, file_hash
from model_sets.sources import Source
from score_set_online import RequestError, SetServer
from split_partition import split_partition
from split_rows import Splitter
from tests.support.model_sets import Doubler, write_small_set

# The raw files call the store `shop`, and have the price in cents.
CODE = """
import pandas as pd

def prepare(table):
    table = table.rename(columns={"shop": "store"})
    if (table["store"] == "bad").any():
        raise ValueError("a bad store")
    return table.assign(store=table["store"].str.zfill(3), price=pd.to_numeric(table["cents"]) / 100)
"""
INFO = SetInfo(("store", "product"), "sold", "day", horizon=7, covariates=("price",))
DAYS = [f"2026-10-{day:02}" for day in range(1, 31)]


def raw(shops: list[str]) -> pa.Table:
    size = len(shops) * len(DAYS)
    return pa.table(
        {
            "day": DAYS * len(shops),
            "shop": [shop for shop in shops for _ in DAYS],
            "product": ["x"] * size,
            "cents": [100 * (number % 5) for number in range(size)],
            "sold": [2.0 * (number % 5) for number in range(size)],
        }
    )


@pytest.fixture
def prepare(tmp_path: Path) -> Path:
    file = tmp_path / "my_prepare.py"
    file.write_text(CODE)
    return file


@pytest.fixture
def model(tmp_path: Path, prepare: Path) -> Path:
    """A set whose member forecasts twice the price."""
    info = replace(INFO, prepare=file_hash(prepare))
    doubler = ("cloudpickle", cloudpickle_content(Doubler()))
    write_small_set(tmp_path / "plain", {("007", "x"): doubler}, info=INFO)
    plain = open_set(tmp_path / "plain")
    shards = {"00.zip": plain.shard_path("00.zip")}
    write_set(tmp_path / "set", info, rows_to_table(plain.rows(), INFO.keys), shards, prepare)
    return tmp_path / "set"


def save(folder: Path, **tables: pa.Table) -> tuple[Path, Path]:
    """Write CSV and Parquet files, and return their folder and their manifest."""
    data, manifest = folder / "data", folder / "manifest.jsonl"
    data.mkdir(exist_ok=True)
    names = [name.replace("_", ".") for name in tables]
    for name, table in zip(names, tables.values(), strict=True):
        if name.endswith(".csv"):
            pa.csv.write_csv(table, data / name)
        else:
            pq.write_table(table, data / name)
    manifest.write_text("".join(json.dumps({"name": name}) + "\n" for name in names))
    return data, manifest


def test_a_training_splits_the_prepared_rows(
    tmp_path: Path, prepare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, manifest = save(tmp_path, a_parquet=raw(["7", "12"]), b_csv=raw(["8"]))
    settings = {"keys": '["store", "product"]', "covariates": '["price"]', "target": "sold", "time": "day"}
    more = {"horizon": "7", "frequency": "day", "min-rows": "5", "trainer": "ridge", "training": "t"}
    limits = {"member-time-limit-s": "9", "bucket-count": "1", "part-count": "2", "model-name": "sales"}
    places = {name: str(tmp_path / name) for name in ("plan", "parts-list", "buckets-list")}
    files = {"data": str(data), "manifest": str(manifest), "prepare": str(prepare)}
    options = {**settings, **more, **limits, **places, **files}
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    monkeypatch.setattr(sys, "argv", ["plan_training.py", *words])

    plan_training.main()
    splitter = Splitter(tmp_path / "plan", data, tmp_path / "rows")
    for part in sorted((tmp_path / "parts-list").iterdir()):
        splitter.split(part)

    bucket = read_bucket(tmp_path / "rows", 0, INFO)
    assert bucket.keys == [("007", "x"), ("008", "x"), ("012", "x")]
    assert (bucket.covariates[:, 0] * 2 == bucket.values).all()
    assert (tmp_path / "plan" / PREPARE).read_text() == CODE


def test_scoring_judging_and_renewal_prepare_the_raw_rows(tmp_path: Path, model: Path) -> None:
    data, manifest = save(tmp_path, a_csv=raw(["7"]), b_parquet=raw(["7"]))
    members, sources = open_set(model), [Source("a.csv", data / "a.csv")]

    rows = split_partition(data, manifest, model, tmp_path / "buckets", 1)
    scored = forecast_bucket(members, read_bucket(tmp_path / "buckets", 0, members.info))
    judged = forecast_holdout({"candidate": model}, sources, tmp_path / "scratch", 7)
    [actuals] = read_actuals(members, data, manifest, tmp_path / "actuals")

    assert rows == scored.num_rows == 60
    assert scored["store"].unique().to_pylist() == ["007"]
    assert scored["forecast"].to_pylist()[:4] == [0.0, 0.0, 2.0, 2.0]
    assert judged["candidate"].to_pylist() == judged["actual"].to_pylist()
    assert pq.read_table(actuals, partitioning=None).num_rows == 60


def test_an_endpoint_and_mlflow_prepare_the_raw_rows(model: Path) -> None:
    row: dict[str, Any] = {"shop": "7", "product": "x", "day": "2026-11-01", "cents": 350}
    server = SetServer(model)

    [answer] = server.answer(json.dumps({"rows": [row]}))
    [plain] = mlflow.pyfunc.load_model(str(model)).predict(pa.Table.from_pylist([row]).to_pandas())[
        "forecast"
    ]

    assert answer["forecast"] == plain == 7.0
    with pytest.raises(RequestError, match="the table: prepare raised ValueError: a bad store"):
        server.answer(json.dumps({"rows": [row | {"shop": "bad"}]}))
    with pytest.raises(RequestError, match=r"prepare raised KeyError: 'cents'"):
        server.answer(json.dumps({"rows": [{"shop": "7", "product": "x", "day": "2026-11-01"}]}))
    with pytest.raises(RequestError, match="the set has no key store=008"):
        server.answer(json.dumps({"rows": [row | {"shop": "8"}]}))


def test_a_prepare_that_fails_is_named_with_its_file(tmp_path: Path, model: Path) -> None:
    data, manifest = save(tmp_path, a_csv=raw(["7"]), b_csv=raw(["bad"]))

    with pytest.raises(TableError, match=r"^b\.csv: prepare raised ValueError: a bad store"):
        split_partition(data, manifest, model, tmp_path / "buckets")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def prepare(table): return table[1:]", r"a\.csv: prepare returned 29 rows for 30 rows"),
        ("prepared = 1", r"my_prepare\.py defines no function prepare"),
    ],
)
def test_a_prepare_that_is_none_is_named(tmp_path: Path, prepare: Path, code: str, message: str) -> None:
    from model_sets.prepared import load_prepare, prepare_files

    prepare.write_text(code)
    data, _ = save(tmp_path, a_csv=raw(["7"]))

    with pytest.raises(SetError, match=message):
        prepare_files([Source("a.csv", data / "a.csv")], load_prepare(prepare), tmp_path / "scratch")


def test_a_changed_prepare_file_of_a_set_is_named(tmp_path: Path, model: Path) -> None:
    (model / PREPARE).unlink()
    (model / PREPARE).write_text(CODE + "# changed")
    data, manifest = save(tmp_path, a_csv=raw(["7"]))

    with pytest.raises(SetError, match=r"prepare\.py of the set is missing, or does not match its hash"):
        split_partition(data, manifest, model, tmp_path / "buckets")


def test_a_column_may_have_other_types_in_later_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from model_sets import prepared

    monkeypatch.setattr(prepared, "BATCH_ROWS", 10)
    table = pa.table({"n": pa.array([*range(25), *[None] * 5], pa.int64()), "t": [None] * 20 + ["x"] * 10})
    pq.write_table(table, tmp_path / "a.parquet")

    [file] = prepared.prepare_files(
        [Source("a.csv", tmp_path / "a.parquet")], lambda rows: rows, tmp_path / "p"
    )

    read = pq.read_table(file.path)
    assert (file.name, file.format) == ("a.csv", "parquet")
    assert np.array_equal(read["n"].to_numpy(), table["n"].to_numpy(), equal_nan=True)
    assert read["t"].to_pylist() == table["t"].to_pylist()
