"""The training of a model set on Tidepool, as the service submits it: all keys, and then only some."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from azure.ai.ml import Input, Output, load_component, load_compute, load_environment, load_job
from azure.ai.ml.entities import Data, PipelineJob
from model_sets.format import ModelSet, open_set
from tests.support.azure_clients import blob_service, ml_client

from tidepool.cloud import Tidepool

# unit/test_set_training.py has each of the steps.
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

ASSETS = Path("src/assets")
PLACE = "azureml://datastores/workspaceblobstore/paths/sets"
KEYS = [(f"{store:03}", product) for store in range(9) for product in ("a/b=c", "日本")]
SETTINGS: dict[str, Any] = {
    "model_name": "sales",
    "keys": '["store", "product"]',
    "target": "units sold",
    "time": "day",
    "horizon": 7,
    "covariates": '["price"]',
    "min_rows": 30,
    "buckets": 3,
    "training_compute": "cpu",
}


def month(first: str, days: int, keys: list[tuple[str, str]]) -> pa.Table:
    dates = np.arange(np.datetime64(first), np.datetime64(first) + days)
    rows = [(*key, date, float(date.astype(int) % 7 * 10), 2.5) for key in keys for date in dates]
    columns = list(zip(*rows, strict=True))
    return pa.table(
        {
            "store": list(columns[0]),
            "product": list(columns[1]),
            "day": pa.array(np.array(columns[2], "datetime64[D]")),
            "units sold": list(columns[3]),
            "price": list(columns[4]),
        }
    )


class Trainings:
    """A workspace with the pipeline, a feed with two months, and the trainings on them."""

    def __init__(self, cloud: Tidepool, folder: Path) -> None:
        self.cloud, self.folder = cloud, folder
        self.ml = ml_client(cloud.create_workspace().name)
        self.ml.compute.begin_create_or_update(load_compute(ASSETS / "compute/cpu.yml")).result()
        self.ml.environments.create_or_update(load_environment(ASSETS / "environments/scoring.yml"))
        self.ml.components.create_or_update(load_component(ASSETS / "set_training/pipeline.yml"), version="1")
        (folder / "feed/202610").mkdir(parents=True)
        (folder / "feed/202611").mkdir()
        pq.write_table(month("2026-10-01", 31, KEYS), folder / "feed/202610/sales.parquet")
        pq.write_table(month("2026-11-01", 30, KEYS[:-1]), folder / "feed/202611/sales.parquet")
        (folder / "feed/202611/notes.txt").write_text("not in the manifest")
        self.register("feed", "uri_folder", folder / "feed")
        (folder / "expected").mkdir()
        (folder / "expected/keys.csv").write_text("store,product\n000,日本\n999,日本\n")
        self.register("expected", "uri_folder", folder / "expected")

    def register(self, name: str, kind: str, path: Path) -> None:
        self.ml.data.create_or_update(Data(name=name, version="1", type=kind, path=path))

    def lines(self, name: str, rows: list[dict[str, str]]) -> Input:
        path = self.folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.register(name, "uri_file", path)
        return Input(type="uri_file", path=f"azureml:{name}:1")

    def train(self, training: str, **inputs: Any) -> tuple[ModelSet, dict[str, Any]]:
        """Run a training, and return its set and its report."""
        job = PipelineJob(
            component=self.ml.components.get("set_training", "1").id,
            inputs={
                **SETTINGS,
                "training": training,
                "data": Input(type="uri_folder", path="azureml:feed:1"),
                **inputs,
            },
            outputs={
                "model": Output(type="mlflow_model", name="sales", path=f"{PLACE}/{training}/model"),
                "report": Output(type="uri_folder", path=f"{PLACE}/{training}/report"),
            },
        )
        name = str(self.ml.jobs.create_or_update(job).name)
        self.cloud.settle(100)
        assert self.ml.jobs.get(name).status == "Completed", self.logs(name)
        folder = self.download(training)
        report: dict[str, Any] = json.loads((folder / "report/training.json").read_text())
        return open_set(folder / "model"), report

    def logs(self, job: str) -> str:
        ends = []
        for step in self.ml.jobs.list(parent_job_name=job):
            self.ml.jobs.download(step.name, download_path=self.folder / step.name, all=True)
            for log in (self.folder / step.name).rglob("*.txt"):
                ends.append(f"{step.display_name} {log.name}: {log.read_text()[-3000:]}")
        return "\n".join(ends)

    def download(self, training: str) -> Path:
        store = self.ml.datastores.get("workspaceblobstore")
        container = blob_service(store.account_name).get_container_client(store.container_name)
        for blob in container.list_blobs(f"sets/{training}/"):
            path = self.folder / blob.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(container.download_blob(blob.name).readall())
        return self.folder / "sets" / training


@pytest.fixture(scope="module")
def trainings(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    return Trainings(tidepool, tmp_path_factory.mktemp("trainings"))


@pytest.fixture(scope="module")
def first(trainings: Trainings) -> tuple[ModelSet, dict[str, Any]]:
    """Return the set of a training on October, with a key more that is expected."""
    return trainings.train(
        "first",
        manifest=trainings.lines("october", [{"name": "202610/sales.parquet", "partition": "202610"}]),
        expected=Input(type="uri_folder", path="azureml:expected:1"),
        trainer="ridge",
    )


def test_every_key_of_the_data_and_of_the_list_has_its_row(
    trainings: Trainings, first: tuple[ModelSet, dict[str, Any]]
) -> None:
    members, report = first
    registered = trainings.ml.models.get("sales", "1")

    assert registered.type == "mlflow_model"
    assert {row.key for row in members.rows()} == {*KEYS, ("999", "日本")}
    assert report["states"] == {"candidate": len(KEYS), "missing": 1}
    assert (report["members"], report["rows"], report["files"]) == (len(KEYS), 31 * len(KEYS), 1)
    assert report["index_sha256"] == members.index_sha256
    assert report["holdout"]["keys"] == len(KEYS)
    asked = month("2026-11-01", 7, KEYS).drop_columns(["units sold"])
    answers = members.forecast(asked)
    assert answers["state"].unique().to_pylist() == ["ok"]
    assert answers["forecast"].to_numpy() == pytest.approx(
        month("2026-11-01", 7, KEYS)["units sold"].to_numpy(), abs=8
    )


def test_only_the_named_keys_are_trained_again(
    trainings: Trainings, first: tuple[ModelSet, dict[str, Any]]
) -> None:
    names = ["202610/sales.parquet", "202611/sales.parquet"]
    members, report = trainings.train(
        "second",
        manifest=trainings.lines("november", [{"name": name} for name in names]),
        previous=Input(type="mlflow_model", path="azureml:sales:1"),
        only_keys=trainings.lines("only", [{"store": "003", "product": "日本"}]),
        parts=2,
    )

    assert report["states"] == {"candidate": 1, "kept": len(KEYS) - 1, "missing": 1}
    row = members.find(("003", "日本"))
    assert row is not None
    assert (row.trained_in, row.rows, row.loader) == ("second", 61, "lightgbm-text")
    for path in (first[0].folder / "shards").iterdir():
        assert (members.folder / "shards" / path.name).read_bytes() == path.read_bytes()


def test_the_sweep_of_the_example_finds_parameters_of_the_trainer(trainings: Trainings) -> None:
    manifest = trainings.lines("sweep", [{"name": "202610/sales.parquet"}])
    changes: dict[str, Any] = {
        "inputs.data.path": "azureml:feed:1",
        "inputs.manifest.path": manifest.path,
        "jobs.search.inputs.target": "units sold",
        "jobs.search.inputs.time": "day",
        "jobs.search.inputs.horizon": 7,
        "jobs.search.inputs.min_rows": 20,
        "jobs.search.inputs.buckets": 1,
    }
    overrides = [{key: value} for key, value in changes.items()]

    job = trainings.ml.jobs.create_or_update(
        load_job(Path("examples/sales/sweep.yml"), params_override=overrides)
    )
    trainings.cloud.settle(300)

    assert trainings.ml.jobs.get(job.name).status == "Completed", trainings.logs(job.name)
    [search] = trainings.ml.jobs.list(parent_job_name=job.name)
    trials = list(trainings.ml.jobs.list(parent_job_name=search.name))
    assert len(trials) == 4
    assert trainings.ml.jobs.get(search.name).properties["best_child_run_id"] in {one.name for one in trials}
