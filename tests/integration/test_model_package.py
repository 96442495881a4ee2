"""A model in production becomes a folder to serve it elsewhere, if its files are those that were judged."""

import json
from pathlib import Path

import pytest
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
