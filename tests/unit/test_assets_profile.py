"""The profile of a version's files."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import table_profile
from listed_files import ListedFiles
from PIL import Image
from profile_data import draw, profile


def write_files(folder: Path) -> ListedFiles:
    (folder / "deep").mkdir()
    (folder / "a.csv").write_text("store,price\n001,1.5\n010,\n1,nan\n")
    columns = {
        "store": pa.array(["001", None]),
        "day": pa.array([0, 1], pa.timestamp("us")),
        "price": [2.5, -1.0],
    }
    pq.write_table(pa.table(columns), folder / "deep/b.parquet")
    (folder / "torn.csv").write_text("a,a\n")
    Image.new("RGB", (30, 20)).save(folder / "x.png")
    Image.new("L", (8, 8)).save(folder / "y.jpg")
    (folder / "z.png").write_text("no image")
    names = ["a.csv", "deep/b.parquet", "torn.csv", "x.png", "y.jpg", "z.png", "old.png"]
    return ListedFiles(names, {"old.png": "it is in the archive tier"})


def test_a_profile_describes_tables_by_column_and_images_by_size(tmp_path: Path) -> None:
    outcome = profile(tmp_path, write_files(tmp_path))

    assert (outcome["files"], outcome["unreadable"], outcome["suffixes"][".png"]) == (7, 1, 3)
    columns = {column["name"]: column for column in outcome["tables"]["columns"]}
    assert (columns["store"]["rows"], columns["store"]["nulls"], columns["store"]["distinct"]) == (5, 1, 3)
    assert (columns["store"]["leading_zeros"], columns["store"]["frequent"][0]) == (3, ["001", 2])
    assert columns["price"]["types"] == {"string": 1, "double": 1}
    assert (columns["price"]["min"], columns["price"]["max"]) == (-1.0, 2.5)
    assert (columns["day"]["lacking_files"], columns["day"]["max"]) == (1, "1970-01-01 00:00:00.000001")
    assert outcome["tables"]["broken_files"] == ["torn.csv: the column a occurs twice"]
    images = outcome["images"]
    assert (images["sizes"], images["modes"]) == ({"30 x 20": 1, "8 x 8": 1}, {"RGB": 1, "L": 1})
    assert (images["not_image_files"], images["width"]["median"]) == (["z.png"], 19)
    json.dumps(outcome, allow_nan=False)
    assert draw(outcome, "sales 202611-1") is not None


def test_a_profile_of_many_rows_says_that_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_profile, "MOST_ROWS", 3)
    monkeypatch.setattr(table_profile, "MOST_DISTINCT", 2)

    tables = profile(tmp_path, write_files(tmp_path))["tables"]

    assert (tables["rows"], tables["files_read"], tables["all_rows"]) == (3, 1, False)
    assert tables["columns"][0]["distinct"] == "more than 2"
