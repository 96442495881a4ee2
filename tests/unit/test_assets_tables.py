"""Tables as the jobs read, convert and reconcile them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import table_files
from listed_files import ListedFiles
from prepared_model import load_prepare
from publish_tables import publish
from row_types import ModelColumn, convert
from table_files import BrokenTableError, read_chunks
from table_model import UnfitModelError, as_columns
from table_parts import FileRecord, PartWriter, parse_records
from table_reconciliation import Reconciliation, match

ALL_TYPES = [
    ModelColumn(kind, kind, required=True)
    for kind in ("string", "double", "float", "long", "integer", "boolean", "datetime")
]


def test_rows_keep_their_numbers_however_a_file_is_cut_into_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "BLOCK_BYTES", 150)
    torn = {number for number in range(300) if number % 7 == 3 or number in (0, 1, 298, 299)}
    lines = [f"{number:03}" if number in torn else f"{number:03},x" for number in range(300)]
    file = tmp_path / "a.csv"
    file.write_text("\n\n".join(["id,name", *lines]))

    chunks = list(read_chunks(file, {"id"}))

    assert len(chunks) > 3
    read = {
        number: text
        for chunk in chunks
        for number, text in zip(chunk.rows.tolist(), chunk.table.column("id").to_pylist(), strict=True)
    }
    assert read == {number: f"{number:03}" for number in range(300) if number not in torn}
    assert {number for chunk in chunks for number in chunk.broken} == torn


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.csv", b"", "it is empty"),
        ("a.csv", b"a,b,a\n1,2,3\n", "the column a occurs twice"),
        ("a.csv", b"a\n1\n\xff\n", "invalid UTF8"),
        ("a.csv", b"\xff\n1\n", "its header cannot be read"),
        ("a.csv.gz", b"a\n1\n", "cannot be read"),
        ("a.parquet", b"PAR1", "cannot be read"),
        ("a.json", b"{}", "it is no table"),
    ],
)
def test_a_file_that_is_no_whole_table_says_why(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(BrokenTableError, match=why):
        list(read_chunks(tmp_path / name))


def test_text_becomes_the_type_of_the_signature_row_by_row() -> None:
    rows: list[dict[str, Any]] = [
        {"string": "001", "double": "1.5", "long": "-9223372036854775808", "boolean": "TRUE"},
        {"string": None, "double": "", "long": "9223372036854775808", "boolean": "1"},
        {"string": "", "double": "one", "long": "1.0", "boolean": "maybe"},
        {"string": "x", "double": "nan", "long": None, "boolean": None},
    ]
    wanted = [column for column in ALL_TYPES if column.name in rows[0]]

    frame, errors = convert(pa.Table.from_pylist(rows), wanted)

    assert frame["string"].tolist() == ["001", None, "", "x"]
    assert (frame["long"][0], frame["double"][0], frame["boolean"][0]) == (-(2**63), 1.5, True)
    assert errors.tolist() == [
        "",
        "the value of long is not of type long",
        "the value of double is not of type double",
        "the value of long is empty, and the model takes long",
    ]


def test_a_key_that_is_a_number_is_no_text_and_a_number_that_would_change_is_an_error() -> None:
    table = pa.table({"string": [1, 10], "double": [2**53, 2**53 + 1], "integer": [2**31 - 1, 2**31]})

    _, keys = convert(table, ALL_TYPES[:1])
    _, doubles = convert(table, ALL_TYPES[1:2])
    _, integers = convert(table, [ALL_TYPES[4]])

    assert keys.tolist() == ["the column string is int64, and the model takes text"] * 2
    assert doubles.tolist() == ["", "the value of double is too large to be exact"]
    assert integers.tolist() == ["", "the value of integer is not of type integer"]


def test_times_are_those_of_the_table_and_never_of_the_machine() -> None:
    column = [ALL_TYPES[6]]
    texts = pa.table({"datetime": ["2026-11-01", "2026-11-01T01:30:00-05:00", "yesterday"]})
    zoned = pa.table({"datetime": pa.array([0], pa.timestamp("us", tz="Pacific/Auckland"))})

    frame, errors = convert(texts, column)

    assert frame["datetime"].astype(str).tolist()[:2] == ["2026-11-01 00:00:00", "2026-11-01 06:30:00"]
    assert errors.tolist() == ["", "", "the value of datetime is not of type datetime"]
    assert convert(zoned, column)[0]["datetime"].astype(str).tolist() == ["1970-01-01"]


@pytest.mark.parametrize(
    ("output", "columns"),
    [
        ([1, 2], {"prediction": [1, 2]}),
        (np.array([[1], [2]]), {"prediction": [1, 2]}),
        (np.array([[1, 2], [3, 4]]), {"prediction_0": [1, 3], "prediction_1": [2, 4]}),
        ({"label": ["a", "b"]}, {"label": ["a", "b"]}),
        ([{"low": 1, "high": 2}], {"low": [1], "high": [2]}),
        (pd.Series([5], index=[7]), {"prediction": [5]}),
        (pd.DataFrame({0: [5]}, index=[7]), {"0": [5]}),
    ],
)
def test_whatever_a_model_returns_becomes_columns(output: Any, columns: dict[str, Any]) -> None:
    assert as_columns(output).to_dict("list") == columns


def test_a_column_of_the_model_never_hides_ours() -> None:
    with pytest.raises(UnfitModelError, match="a column row"):
        as_columns(pd.DataFrame({"row": [1]}))


def write_part(folder: Path, name: str, *rows: dict[str, Any]) -> FileRecord:
    with PartWriter(folder, name) as writer:
        for row in rows:
            writer.write(pa.Table.from_pylist([row]))
    return writer.record


def published(tmp_path: Path, records: list[FileRecord], form: Any = "exact") -> Reconciliation:
    lines = [json.dumps(record.as_dict()) for record in records]
    names = ["a.csv", "b.csv", "archived.csv"]
    manifest = ListedFiles(names, {"archived.csv": "it is in the archive tier"})
    outcome = match(parse_records([*lines, '{"name": "a.c']), manifest, 0.5)
    publish(outcome, tmp_path, tmp_path, form)
    return outcome


def test_rows_of_several_parts_and_types_become_one_table(tmp_path: Path) -> None:
    a = write_part(
        tmp_path,
        "a.csv",
        {"row": 0, "error": "broken"},
        {"row": 1, "prediction": 1, "error": ""},
        {"row": 2, "prediction": 2.5, "error": ""},
    )
    b = write_part(tmp_path, "b.csv", {"row": 0, "prediction": 3, "error": "", "key": "=1+1"})

    outcome = published(tmp_path, [a, b, b, FileRecord("late.csv", error="not in the manifest")], "excel")

    table = pq.read_table(tmp_path / "predictions.parquet")
    assert table.column_names == ["file", "row", "prediction", "key", "error"]
    assert table.column("prediction").to_pylist() == [None, 1.0, 2.5, 3.0, None]
    assert (tmp_path / "predictions.csv").read_bytes().startswith(b'\xef\xbb\xbf"file","row"')
    assert '"b.csv",0,3,"\'=1+1",""' in (tmp_path / "predictions.csv").read_text("utf-8-sig")
    counts = {name: outcome.metrics()[name] for name in ("rows", "errors", "repeated", "unlisted", "torn")}
    assert counts == {"rows": 5, "errors": 2, "repeated": 1, "unlisted": 1, "torn": 1}
    assert (outcome.verdict, outcome.error_rate) == ("ok", 0.4)


def test_rows_that_are_missing_or_doubled_make_the_partition_incomplete(tmp_path: Path) -> None:
    gap = write_part(tmp_path, "a.csv", {"row": 0, "error": ""}, {"row": 2, "error": ""})
    lost = write_part(tmp_path, "b.csv", {"row": 0, "error": ""})
    again = FileRecord("b.csv", rows=7, parts=1)

    outcome = published(tmp_path, [gap, lost, again])

    assert outcome.verdict == "incomplete"
    assert (outcome.summary()["missing_names"], outcome.summary()["doubled_names"]) == (["a.csv"], ["b.csv"])


def test_a_truncated_part_and_a_file_without_a_record_are_missing(tmp_path: Path) -> None:
    record = write_part(tmp_path, "a.csv", {"row": 0, "error": ""})
    (part,) = tmp_path.glob("*.parquet")
    part.write_bytes(part.read_bytes()[:-3])

    assert published(tmp_path, [record]).summary()["missing_names"] == ["a.csv", "b.csv"]


def test_a_prepare_that_loses_rows_is_found_in_training(tmp_path: Path) -> None:
    (tmp_path / "prepare.py").write_text("def prepare(table):\n    return table.dropna()\n")
    (tmp_path / "empty.py").write_text("")

    prepare = load_prepare(tmp_path / "prepare.py")

    assert len(prepare(pd.DataFrame({"a": [1.0]}))) == 1
    with pytest.raises(ValueError, match="1 rows for 2 rows"):
        prepare(pd.DataFrame({"a": [1.0, None]}))
    with pytest.raises(ValueError, match=r"defines no function prepare"):
        load_prepare(tmp_path / "empty.py")
