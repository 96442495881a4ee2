"""Table models on a holdout: their errors, what their predictions depend on, and holdouts that do not fit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from evaluate_tables import label_evidence, number_evidence
from table_answers import Question, TableAnswers, answers_of
from table_holdout import TableHoldout, UnfitDataError, as_labels, read_holdout
from table_model import UnfitModelError

COLUMNS = [
    {"type": kind, "name": name, "required": True}
    for name, kind in (("shop", "string"), ("x", "double"), ("unused", "long"))
]
MODEL = """
import pandas as pd

class Model:
    def predict(self, table, params=None):
        return {answer}

def _load_pyfunc(path):
    return Model()
"""
Save = Callable[[str], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Save a model whose answer is an expression of `table`."""

    def save_model(answer: str) -> Path:
        folder = tmp_path / f"model-{len(list(tmp_path.iterdir()))}"
        (folder / "code").mkdir(parents=True)
        module = f"table_model_{abs(hash((str(folder), answer)))}"  # one process, so no two of one name
        (folder / "code" / f"{module}.py").write_text(MODEL.replace("{answer}", answer))
        mlmodel = {
            "flavors": {"python_function": {"loader_module": module, "code": "code"}},
            "signature": {"inputs": json.dumps(COLUMNS)},
        }
        (folder / "MLmodel").write_text(json.dumps(mlmodel))
        return folder

    return save_model


def holdout(folder: Path, *, target: str = "units", labels: bool = False, **changes: Any) -> TableHoldout:
    """Forty rows in Parquet and four in CSV, of which one has no target and one does not fit the models."""
    folder.mkdir(exist_ok=True)
    x = np.arange(1.0, 41.0)
    columns = {"shop": ["001", "1"] * 20, "x": x, "unused": range(40), "units": 2 * x, "late": x > 20}
    pq.write_table(pa.table(columns | changes), folder / "a.parquet")
    lines = [
        "late,units,x,unused,shop",
        "TRUE,100,50,1,001",
        "true,,51,1,001",
        "false,0,0,1,1",
        "False,4,2,,1",
    ]
    (folder / "b.csv").write_text("\n".join(lines))
    return read_holdout(folder, target, labels=labels, slice_by="shop")


def ask(model: Path, data: TableHoldout, task: str = "regression", most: float = 0.05) -> TableAnswers:
    return answers_of(model, Question(data, task, most))  # type: ignore[arg-type]


def test_numbers_are_measured_on_the_rows_that_both_models_predict(save: Save, tmp_path: Path) -> None:
    data = holdout(tmp_path / "holdout")
    right, one_more = ask(save("2 * table['x']"), data), ask(save("2 * table['x'] + 1"), data)

    evidence = number_evidence(data, {"candidate": right, "champion": one_more}, "shop", 0.95)

    assert (len(data), data.without_target, right.refused) == (43, 1, 1)
    assert evidence["n"] == 42
    mae = evidence["metrics"]["mae"]
    assert [mae[side]["value"] for side in ("candidate", "champion", "difference")] == [0, 1, -1]
    assert mae["difference"]["high"] == -1
    assert evidence["rows"]["mape"] == 41  # one actual value is 0
    assert {name: part["n"] for name, part in evidence["slices"]["values"].items()} == {"001": 21, "1": 21}


def test_labels_are_compared_however_the_files_spell_them(save: Save, tmp_path: Path) -> None:
    data = holdout(tmp_path / "holdout", target="late", labels=True)
    right = ask(save("table['x'] > 20"), data, "classification")
    never = ask(
        save("pd.DataFrame({'label': False, 'probability_true': 0.25 + 0 * table['x']})"),
        data,
        "classification",
    )

    evidence = label_evidence(data, {"candidate": right, "champion": never}, "shop", 0.95)

    accuracy = evidence["metrics"]["accuracy"]
    assert accuracy["candidate"]["value"] == pytest.approx(43 / 44)  # a row that does not fit is a mistake
    assert accuracy["champion"]["value"] == pytest.approx(21 / 44)
    assert (evidence["n"], evidence["comparison"]["candidate_only"]) == (44, 22)
    assert never.of_truth is not None
    assert set(never.of_truth) == {0.25, 0.0}


def test_importance_is_how_much_the_error_grows_without_a_columns_order(save: Save, tmp_path: Path) -> None:
    data = holdout(tmp_path / "holdout")

    found = ask(save("2 * table['x'] + (table['shop'] == '1')"), data).importance

    assert (found["metric"], found["rows"], found["value"]) == ("mae", 42, 0.5)
    assert list(found["growth"]) == ["x", "shop", "unused"]
    assert found["growth"]["x"]["mean"] > 5
    assert found["growth"]["unused"] == {"mean": 0, "deviation": 0}


@pytest.mark.parametrize(
    ("answer", "task", "why"),
    [
        ("table['x']", "regression", r"1 of 43 rows .* do not fit.*the value of unused is empty"),
        ("table[['x', 'unused']]", "regression", "the columns x, unused, none of which is clearly"),
        ("table['shop']", "regression", "the columns prediction, none of which"),
        ("table[['shop', 'x']]", "classification", "call one of them label"),
        ("1 / 0", "regression", "the model's predict raised ZeroDivisionError"),
    ],
)
def test_a_model_that_cannot_be_measured_says_why(
    save: Save, tmp_path: Path, answer: str, task: str, why: str
) -> None:
    data = holdout(tmp_path / "holdout", labels=task == "classification")

    with pytest.raises(UnfitModelError, match=why):
        ask(save(answer), data, task, most=0.01 if "do not fit" in why else 0.05)


def test_a_holdout_that_does_not_fit_names_file_and_column(tmp_path: Path) -> None:
    with pytest.raises(UnfitDataError, match=r"a\.parquet has no column hours; it has shop, x"):
        holdout(tmp_path / "a", target="hours")
    with pytest.raises(UnfitDataError, match=r"a.parquet: shop is to be a number.* task to classification"):
        holdout(tmp_path / "b", target="shop", shop=["a"] * 40)
    with pytest.raises(UnfitDataError, match="it has no table"):
        read_holdout(tmp_path / "a/empty", "units", labels=False, slice_by=None)
    (tmp_path / "a/c.csv").write_text("units,shop\n1\n")
    with pytest.raises(UnfitDataError, match=r"c.csv row 0: it has 1 cell, and the header has 2"):
        holdout(tmp_path / "a")


@pytest.mark.parametrize(
    "values",
    [pa.array([1, 0]), pa.array([1.0, 0.0]), pa.array(["1", "0"]), pa.array(["1", "0"]).dictionary_encode()],
)
def test_a_label_has_one_spelling(values: pa.Array) -> None:
    assert as_labels(values).tolist() == ["1", "0"]
