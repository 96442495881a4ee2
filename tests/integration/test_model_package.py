"""A model in production becomes a folder to serve it elsewhere, if its files are those that were judged."""

import json
from pathlib import Path

import numpy as np
import pytest
from onnx_conversion import NotConvertedError, compare, convert
from tests.support.azure_clients import container_client
from tests.support.promotions import Promotions

from tidegate.errors import PermanentError
from tidegate.installation.model_package import write_model_package
from tidegate.service.steps.model_candidates import files_of

MLMODEL = "flavors: {python_function: {loader_module: nothing, python_version: 3.11.9}}\n"


def test_a_model_in_production_is_packaged_with_its_lineage_and_a_dockerfile(
    promotions: Promotions, tmp_path: Path
) -> None:
    promotions.mlmodel = MLMODEL
    promotions.version("7")
    promotions.promote("7")
    folder = tmp_path / "served"

    package = write_model_package(promotions.service, "classifier", "7", folder, "production")

    assert package.onnx == "There is no ONNX form: its flavors are python_function, and sklearn is converted."
    assert package.verified == "the judged files in development, by name, size and MD5"
    assert (folder / "model_dir/model/data/weights.bin").read_bytes() == b"weights of 7"
    assert "COPY model_dir/model" in (folder / "Dockerfile").read_text()
    assert "mlflow models serve -m model_dir/model" in (folder / "README.md").read_text()
    lineage = json.loads((folder / "lineage.json").read_text())
    assert lineage["tags"]["tidegate_source_version"] == "7"
    assert lineage["verdict"]["id"] == "e1-7"
    assert {file["name"] for file in lineage["files"]} == {"MLmodel", "data/weights.bin"}


def test_files_that_are_not_those_that_were_judged_are_refused(
    promotions: Promotions, tmp_path: Path
) -> None:
    promotions.version("8")
    promotions.promote("8")
    production = promotions.service.production
    model = production.models.find("classifier", "8")
    assert model is not None
    copied = files_of(production, model.uri)
    name = f"{copied.path.rstrip('/')}/data/weights.bin"
    container_client(copied.account, copied.container).upload_blob(name, b"weights of X", overwrite=True)

    with pytest.raises(PermanentError, match="not copies of those that were judged"):
        write_model_package(promotions.service, "classifier", "8", tmp_path / "served", "production")

    promotions.overwrite("8", b"weights of Y")
    with pytest.raises(PermanentError, match="not those that were judged"):
        write_model_package(promotions.service, "classifier", "8", tmp_path / "served", "development")
    with pytest.raises(PermanentError, match="production has no model classifier:9"):
        write_model_package(promotions.service, "classifier", "9", tmp_path / "served", "production")
    assert not (tmp_path / "served").exists()


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    """A model of scikit-learn for a table with numbers and text, and a holdout of this table."""
    import mlflow.sklearn
    import pandas as pd
    from mlflow.models import infer_signature
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    table = pd.DataFrame({"price": [n / 10 for n in range(40)], "shop": ["a", "b"] * 20, "day": range(40)})
    labels = ["dear" if price > 2 else "cheap" for price in table.price]
    columns = make_column_transformer((StandardScaler(), ["price", "day"]), (OneHotEncoder(), ["shop"]))
    trained = make_pipeline(columns, LogisticRegression()).fit(table, labels)
    model, holdout = tmp_path / "model", tmp_path / "holdout"
    mlflow.sklearn.save_model(
        trained,
        model,
        signature=infer_signature(table, labels),
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
    holdout.mkdir()
    table.assign(label=labels).to_csv(holdout / "rows.csv", index=False)
    return model, holdout


@pytest.mark.long
def test_a_model_of_scikit_learn_is_packaged_as_onnx_if_its_outputs_are_equal(
    promotions: Promotions, tables: tuple[Path, Path], tmp_path: Path
) -> None:
    from azure.ai.ml.entities import Data, Model

    model, holdout = tables
    promotions.ml.models.create_or_update(
        Model(name="classifier", version="20", path=model, type="mlflow_model")
    )
    promotions.ml.data.create_or_update(Data(name="holdout", version="4", type="uri_folder", path=holdout))
    folder = tmp_path / "served"

    package = write_model_package(promotions.service, "classifier", "20", folder, "development")

    assert "its outputs equal the model's on 40 rows of the holdout" in package.onnx
    assert (folder / "model.onnx").stat().st_size > 100
    assert package.onnx in (folder / "README.md").read_text()


@pytest.mark.long
def test_an_onnx_form_with_other_outputs_is_refused(tables: tuple[Path, Path], tmp_path: Path) -> None:
    model, holdout = tables
    converted = convert(model, holdout, tmp_path / "a.onnx")

    with pytest.raises(NotConvertedError, match="its labels differ in 1 of 3 rows"):
        compare([np.array(["a", "b", "c"])], [np.array(["a", "b", "d"])])
    with pytest.raises(NotConvertedError, match=r"its outputs differ by up to 1\.0e-01"):
        compare([np.array([0.5])], [np.array([0.6], np.float32)])
    assert compare([np.array([3.0])], [np.array([[3.0]], np.float32)]) == 0
    assert converted.startswith("its outputs equal the model's on 40 rows")
