"""The two forms of predictions.csv."""

import csv
from pathlib import Path

import pytest
from publish_predictions import write_csv
from rows import Row
from tests.support.hostile_names import HOSTILE

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\ttab", "\rreturn"]
ROWS = [Row(f"{text}.png", text, -0.5, text) for text in FORMULAS] + [
    Row("猫.png", "良品", 0.5, "", "a note")
]


def read(path: Path, encoding: str) -> list[list[str]]:
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.reader(file))


def test_the_exact_form_keeps_each_value(tmp_path: Path) -> None:
    write_csv(ROWS, tmp_path / "predictions.csv")

    _, *rows = read(tmp_path / "predictions.csv", "utf-8")
    assert rows[:-1] == [[f"{text}.png", text, "-0.5", text] for text in FORMULAS]
    assert rows[-1] == ["猫.png", "良品", "0.5", ""]


def test_the_form_for_excel_has_a_mark_and_no_formula(tmp_path: Path) -> None:
    write_csv(ROWS, tmp_path / "predictions.csv", "excel")

    assert (tmp_path / "predictions.csv").read_bytes().startswith(b"\xef\xbb\xbfimg,label,score,error\n")
    _, *rows = read(tmp_path / "predictions.csv", "utf-8-sig")
    assert rows[:-1] == [[f"'{text}.png", f"'{text}", "-0.5", f"'{text}"] for text in FORMULAS]
    assert rows[-1] == ["猫.png", "良品", "0.5", ""]


@pytest.mark.parametrize("form", ["exact", "excel"])
def test_a_plain_value_is_the_same_in_both_forms(tmp_path: Path, form: str) -> None:
    write_csv([Row("a b-c=d.png", "cat", 0.5, "")], tmp_path / "predictions.csv", form)  # type: ignore[arg-type]

    assert read(tmp_path / "predictions.csv", "utf-8-sig")[1] == ["a b-c=d.png", "cat", "0.5", ""]


def test_no_name_is_a_formula_or_a_row_of_its_own(tmp_path: Path) -> None:
    rows = [Row(f"{name}.png", name, 0.5, name) for name in HOSTILE]
    for form, encoding in (("exact", "utf-8"), ("excel", "utf-8-sig")):
        write_csv(rows, tmp_path / "predictions.csv", form)  # type: ignore[arg-type]

        _, *cells = read(tmp_path / "predictions.csv", encoding)
        assert [row[1].removeprefix("'") for row in cells] == list(HOSTILE)
        assert form == "exact" or not any(cell.startswith("=") for row in cells for cell in row)
