"""Partitions of tables: a model is judged on a table, promoted, and scores each of their rows once."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from azure.ai.ml.entities import Data, Model
from tests.support.handler_harness import CHECK, MONTH, HandlerHarness
from tests.support.installation import SCORE, Installation

from tidegate.domain.lifecycle.records import ModelState
from tidegate.domain.partitions.records import ScoringState
from tidegate.messages.commands import JudgeModel
from tidepool.cloud import Tidepool

ASSETS = Path("src/assets")
POLICY = {
    "evaluate": {
        "pipeline": "table_evaluation",
        "data": "prices-holdout:1",
        "inputs": {"target": "paid", "max_error_rate": 0.2},
        "compute": "cpu",
    },
    "gate": {
        "min_n": 8,
        "metrics": {"mae": {"max": 1, "champion_tolerance": 0.1, "higher_is_better": False}},
        "slices": {"by": "store", "min_n": 4, "metrics": {"wape": {"max": 0.2, "higher_is_better": False}}},
    },
    "promote": {"to": "production", "approval": "none"},
}
TABLES = {
    "only": ["**/*.parquet", "**/*.csv"],
    "score": {**SCORE, "pipeline": "table_scoring", "model": "prices", "inputs": {"keep": "store"}},
}
PREPARE = """
def prepare(table):
    return table.assign(total=table["price"] * table["amount"])[["store", "total"]]
"""
MODEL = """
class Total:
    def predict(self, table):
        assert list(table.columns) == ["store", "total"], table.columns
        return table.assign(forecast={factor} * table["total"], shop=table["store"])[["forecast", "shop"]]

def _load_pyfunc(path):
    return Total()
"""


class TableInstallation(Installation):
    """An installation with a feed of tables, and two versions of a model that prepares its tables."""

    def __init__(self, cloud: Tidepool, folder: Path) -> None:
        super().__init__(cloud, folder, models={"prices": POLICY}, **TABLES)
        from azure.ai.ml import load_component, load_environment

        self.ml.environments.create_or_update(load_environment(ASSETS / "environments/scoring.yml"))
        for name in ("table_scoring", "table_evaluation"):
            self.ml.components.create_or_update(load_component(ASSETS / name / "pipeline.yml"), version="1")
        for version, factor in (("1", 1), ("2", 1.1)):
            model = save_model(folder / version, factor)
            self.ml.models.create_or_update(
                Model(name="prices", version=version, path=model, type="mlflow_model")
            )
        self._register_holdout(folder / "holdout")

    def _register_holdout(self, folder: Path) -> None:
        """Nine rows, of which one does not fit the model."""
        folder.mkdir()
        amount = [*range(1, 9), None]
        columns = {"store": ["1", "001"] * 4 + ["1"], "price": [2.0] * 9, "amount": amount}
        paid = [2.0 * (number or 0) for number in amount]
        pq.write_table(pa.table({**columns, "paid": paid}), folder / "paid.parquet")
        self.ml.data.create_or_update(
            Data(name="prices-holdout", version="1", path=folder, type="uri_folder")
        )

    def upload_parquet(self, name: str, **columns: Any) -> None:
        content = io.BytesIO()
        pq.write_table(pa.table(columns), content)
        self.images.upload_blob(f"{MONTH}/{name}", content.getvalue(), overwrite=True)

    def published(self, name: str, result: str = f"{MONTH}-1/g1") -> bytes:
        path = f"predictions/stories/{MONTH}/{result}/{name}"
        return bytes(self.blobstore.download_blob(path).readall())


def save_model(folder: Path, factor: float) -> Path:
    """Save a model that takes a table with the columns of the feed. Return its folder."""
    import mlflow.pyfunc
    import prepared_model
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    folder.mkdir()
    (folder / "total_model.py").write_text(MODEL.replace("{factor}", str(factor)))
    (folder / "prepare.py").write_text(PREPARE)
    inner = Schema([ColSpec("string", "store"), ColSpec("double", "total")])
    outer = Schema([ColSpec("string", "store"), ColSpec("double", "price"), ColSpec("long", "amount")])
    mlflow.pyfunc.save_model(
        str(folder / "inner"),
        loader_module="total_model",
        code_paths=[str(folder / "total_model.py")],
        signature=ModelSignature(inputs=inner),
        pip_requirements=["mlflow-skinny"],
    )
    prepared_model.save(
        folder / "inner", folder / "prepare.py", folder / "prices", ModelSignature(inputs=outer)
    )
    return folder / "prices"


@pytest.fixture(scope="module")
def installation(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> TableInstallation:
    return TableInstallation(tidepool, tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def harness(installation: TableInstallation) -> HandlerHarness:
    """After the first version of the model was registered."""
    harness = HandlerHarness(installation)
    harness.run(JudgeModel(cause="test", model="prices", version="1"))
    return harness


def test_a_table_model_is_judged_on_a_table_and_promoted(
    installation: TableInstallation, harness: HandlerHarness
) -> None:
    record, evidence = judged(installation, harness, "1")

    assert record.state is ModelState.CHAMPION
    assert [rule.slice for rule in record.verdict.rules if rule.metric == "wape"] == ["001", "1"]
    assert evidence["unfit_rows"] == {"candidate": 1}
    assert next(iter(evidence["importance"]["growth"])) == "amount"


@pytest.mark.long
def test_a_table_model_that_is_worse_than_the_champion_is_refused(
    installation: TableInstallation, harness: HandlerHarness
) -> None:
    harness.run(JudgeModel(cause="test", model="prices", version="2"))

    record, evidence = judged(installation, harness, "2")

    assert record.state is ModelState.REFUSED
    failed = [(rule.rule, rule.value) for rule in record.verdict.rules if not rule.passed]
    assert failed == [("champion_tolerance", pytest.approx(0.9))]
    assert evidence["unfit_rows"] == {"candidate": 1, "champion": 1}


def judged(installation: TableInstallation, harness: HandlerHarness, version: str) -> tuple[Any, Any]:
    """Return the record of a version, and its evidence."""
    path = f"evaluations/prices/{version}/e1/evidence.json"
    evidence = json.loads(installation.blobstore.download_blob(path).readall())
    return harness.ledger.model_version("prices", version), evidence


@pytest.mark.long  # unit/test_assets_tables.py has its steps
def test_each_row_of_each_table_is_published_once(
    installation: TableInstallation, harness: HandlerHarness
) -> None:
    stores = ["001", "001", "1"]
    installation.upload_parquet("north/a.parquet", amount=[1, 2, None], price=[1.5, 2.0, 3.0], store=stores)
    installation.upload_parquet("north/other.parquet", store=["7"], price=[1.0])
    installation.upload_parquet("south/deep/empty.parquet", store=pa.array([], pa.string()))
    lines = ["store,amount,extra,price", "010,4,x,2.5", "1,many,x,1", "2,3", '"a,b",1,,7', "猫,1,x,nan"]
    installation.upload(
        MONTH,
        {"south/b.csv": "\n".join(lines), "broken.parquet": "this is no table", "notes.txt": "left out"},
    )

    harness.run(CHECK)

    assert harness.claim.generation.state is ScoringState.FAILED
    assert harness.partition.left_out.files == 1
    version = harness.partition.versions[0]
    profile = json.loads(installation.published("profile/profile.json", "209901-1"))
    assert (version.profile or "").endswith(f"/{MONTH}-1/profile/profile.json")
    outcome = json.loads(installation.published("reconciliation.json"))
    table = pq.read_table(io.BytesIO(installation.published("predictions.parquet")))
    rows = {(row["file"], row["row"]): row for row in table.to_pylist()}
    assert len(rows) == len(table) == outcome["rows"] == 10
    scored = {
        key: (row["store"], row["forecast"], row["shop"]) for key, row in rows.items() if not row["error"]
    }
    assert scored == {
        ("north/a.parquet", 0): ("001", 1.5, "001"),
        ("north/a.parquet", 1): ("001", 4.0, "001"),
        ("south/b.csv", 0): ("010", 10.0, "010"),
        ("south/b.csv", 3): ("a,b", 7.0, "a,b"),
    }
    assert {key: row["error"] for key, row in rows.items() if row["error"]} == {
        ("broken.parquet", None): "it cannot be read: Parquet magic bytes not found in footer. "
        "Either the file is corrupted or this is not a parquet file.",
        ("north/a.parquet", 2): "the value of amount is empty, and the model takes long",
        ("north/other.parquet", 0): "the column amount is missing",
        ("south/b.csv", 1): "the value of amount is not of type long",
        ("south/b.csv", 2): "it has 2 cells, and the header has 4",
        ("south/b.csv", 4): "the model's forecast is nan",
    }
    text = installation.published("predictions.csv").decode()
    assert [row["store"] for row in csv.DictReader(io.StringIO(text)) if row["file"] == "south/b.csv"] == [
        "010",
        "1",
        "",
        "a,b",
        "猫",
    ]
    files = csv.DictReader(io.StringIO(installation.published("files.csv").decode()))
    assert {row["file"]: (row["rows"], row["errors"]) for row in files} == {
        "broken.parquet": ("1", "1"),
        "north/a.parquet": ("3", "1"),
        "north/other.parquet": ("1", "1"),
        "south/b.csv": ("5", "3"),
        "south/deep/empty.parquet": ("0", "0"),
    }
    assert (outcome["errors"], outcome["broken_files"], outcome["verdict"]) == (6, 1, "too_many_errors")
    assert "60.00% of the rows" in (harness.claim.generation.error or "")
    (column,) = [column for column in profile["tables"]["columns"] if column["name"] == "store"]
    assert (column["rows"], column["leading_zeros"], column["types"]) == (8, 3, {"string": 4})
    assert (profile["tables"]["broken"], profile["files"]) == (1, 5)
    (failed,) = (activity for activity in harness.activities if activity.kind == "partition.failed")
    assert "the column amount is missing: north/other.parquet row 0" in failed.text
