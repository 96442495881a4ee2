"""The pipelines of model sets on Tidepool, as the service submits them: judged, scored, and served."""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from azure.ai.ml import Input, Output, load_component, load_compute, load_environment
from azure.ai.ml.entities import CodeConfiguration, Data, Model, PipelineJob
from model_sets.contents import cloudpickle_content
from model_sets.format import open_set
from model_sets.index import IndexRow
from tests.support import model_sets as small_sets
from tests.support.azure_clients import blob_service, ml_client
from tests.support.model_sets import Doubler, seasonal_content, write_small_set
from tests.support.online_endpoint import OnlineEndpoint

from tidegate.domain.partitions.result import Reconciliation
from tidepool.cloud import Tidepool

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

# The unit tests of sets have each of the steps.
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

ASSETS = Path("src/assets")
PLACE = "azureml://datastores/workspaceblobstore/paths/results"
SUBJECT = {"feed": "sales", "partition": "202410", "version": "202410-1", "generation": "1"}
KEYS = [("001", "1"), ("1", "1"), ("a/b=c", "日本"), ("failed", "1"), ("new", "1")]
HISTORY = [f"2024-09-{day:02}" for day in range(1, 31)]
MONTH = [f"2024-10-{day:02}" for day in range(4, 11)]


@dataclass
class SetPipelines:
    """A workspace with the registered pipelines, two versions of a set, and the jobs that ran."""

    cloud: Tidepool
    ml: "MLClient"
    folder: Path

    def deploy(self) -> None:
        self.ml.compute.begin_create_or_update(load_compute(ASSETS / "compute/cpu.yml")).result()
        self.ml.environments.create_or_update(load_environment(ASSETS / "environments/scoring.yml"))
        for name in ("set_scoring", "set_evaluation"):
            self.ml.components.create_or_update(load_component(ASSETS / name / "pipeline.yml"), version="1")

    def register(self, version: str, prices: Mapping[tuple[str, str], float]) -> None:
        """Register a set whose members forecast the price times a factor."""
        cloudpickle.register_pickle_by_value(small_sets)  # jobs do not have the module
        pickled = {
            key: ("cloudpickle", cloudpickle_content(Doubler(factor))) for key, factor in prices.items()
        }
        cloudpickle.unregister_pickle_by_value(small_sets)
        failed = [IndexRow(KEYS[3], "failed", reason="ValueError: the target is constant")]
        folder = self.folder / f"set-{version}"
        write_small_set(folder, {**pickled, KEYS[0]: ("npz", seasonal_content(values=[10.0] * 28))}, failed)
        model = Model(name="sales", version=version, path=str(folder), type="mlflow_model")
        self.ml.models.create_or_update(model)

    def upload(self, name: str, table: pa.Table) -> dict[str, Input]:
        """Register a folder with one table, and return the inputs `data` and `manifest`."""
        folder = self.folder / name
        folder.mkdir()
        pq.write_table(table, folder / "sales.parquet")
        manifest = self.folder / f"{name}.jsonl"
        manifest.write_text('{"name": "sales.parquet"}\n')
        for asset, kind, path in ((name, "uri_folder", folder), (f"{name}-manifest", "uri_file", manifest)):
            self.ml.data.create_or_update(Data(name=asset, version="1", type=kind, path=path))
        return {
            "data": Input(type="uri_folder", path=f"azureml:{name}:1"),
            "manifest": Input(type="uri_file", path=f"azureml:{name}-manifest:1"),
        }

    def submit(self, pipeline: str, inputs: Mapping[str, Any], outputs: Mapping[str, str]) -> str:
        job = PipelineJob(
            component=self.ml.components.get(pipeline, "1").id,
            inputs=dict(inputs),
            outputs={name: Output(type=kind, path=f"{PLACE}/{name}/") for name, kind in outputs.items()},
        )
        return str(self.ml.jobs.create_or_update(job).name)

    def wait(self, *jobs: str) -> None:
        self.cloud.settle(300)
        for job in jobs:
            if self.ml.jobs.get(job).status != "Completed":
                raise AssertionError("\n".join(self._logs(job)))

    def _logs(self, job: str) -> Iterator[str]:
        """Yield the end of the log of each step that failed."""
        for step in self.ml.jobs.list(parent_job_name=job):
            if step.status == "Failed":
                self.ml.jobs.download(step.name, download_path=self.folder / step.name, all=True)
                for log in (self.folder / step.name).rglob("std_log.txt"):
                    yield f"{step.display_name}: {log.read_text()[-3000:]}"

    def output(self, name: str) -> bytes:
        store = self.ml.datastores.get("workspaceblobstore")
        client = blob_service(store.account_name).get_blob_client(store.container_name, f"results/{name}")
        return client.download_blob().readall()

    def download(self, name: str) -> Path:
        """Download a folder of the results, and return where it is."""
        store = self.ml.datastores.get("workspaceblobstore")
        container = blob_service(store.account_name).get_container_client(store.container_name)
        for blob in container.list_blobs(f"results/{name}/"):
            path = self.folder / blob.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(container.download_blob(blob.name).readall())
        return self.folder / "results" / name


def sales(keys: list[tuple[str, str]], days: list[str], *, target: bool) -> pa.Table:
    columns: dict[str, Any] = {
        "store": [key[0] for key in keys for _ in days],
        "product": [key[1] for key in keys for _ in days],
        "day": days * len(keys),
        "price": [5.0] * len(keys) * len(days),
    }
    return pa.table(columns | ({"sold": [10.0] * len(keys) * len(days)} if target else {}))


def set_input(version: str) -> Input:
    return Input(type="mlflow_model", path=f"azureml:sales:{version}")


@pytest.fixture(scope="module")
def pipelines(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> SetPipelines:
    """A workspace with two versions of a set."""
    pipelines = SetPipelines(
        tidepool, ml_client(tidepool.create_workspace().name), tmp_path_factory.mktemp("sets")
    )
    pipelines.deploy()
    pipelines.register("1", {KEYS[1]: 3, KEYS[2]: 2})
    pipelines.register("2", {KEYS[1]: 2, KEYS[2]: 4})
    return pipelines


def test_a_month_is_published_with_every_row_and_every_key_once(pipelines: SetPipelines) -> None:
    scoring = {
        **pipelines.upload("month", sales(KEYS, MONTH, target=False)),
        **{"model": set_input("2"), "score_compute": "cpu", "publish_compute": "cpu"},
        **SUBJECT,
    }

    pipelines.wait(pipelines.submit("set_scoring", scoring, {"predictions": "uri_folder"}))

    reconciliation = json.loads(pipelines.output("predictions/reconciliation.json"))
    rows = pq.read_table(io.BytesIO(pipelines.output("predictions/predictions.parquet"))).to_pylist()

    assert Reconciliation.model_validate(reconciliation).verdict == "too_many_errors"
    assert {key: reconciliation[key] for key in SUBJECT} == SUBJECT
    assert (reconciliation["rows"], reconciliation["errors"], reconciliation["missing"]) == (35, 14, 0)
    assert (reconciliation["keys"], reconciliation["keys_without_forecast"]) == (5, 2)
    assert [entry["key"] for entry in reconciliation["keys_without_names"]] == [
        "store=failed, product=1",
        "store=new, product=1",
    ]
    assert {(row["store"], row["forecast"], row["status"]) for row in rows} == {
        ("001", 10, "ok"),
        ("1", 10, "ok"),
        ("a/b=c", 20, "ok"),
        ("failed", None, "failed"),
        ("new", None, "no_member"),
    }


def test_the_set_that_goes_on_has_the_better_member_of_each_key(pipelines: SetPipelines) -> None:
    evaluation = {
        **pipelines.upload("history", sales(KEYS[:3], HISTORY, target=True)),
        **{"candidate": set_input("2"), "champion": set_input("1")},
        **{"candidate_name": "sales:2", "champion_name": "sales:1", "data_name": "sales-history:1"},
        **{"model": "sales", "version": "2", "evaluation": "1", "slice_by": "store"},
        "evaluation_compute": "cpu",
    }
    outputs = {"verdict_evidence": "uri_folder", "winners": "mlflow_model"}

    pipelines.wait(pipelines.submit("set_evaluation", evaluation, outputs))

    evidence = json.loads(pipelines.output("verdict_evidence/evidence.json"))
    winners = open_set(pipelines.download("winners"))

    assert {row.key: row.state for row in winners.rows()} == {
        KEYS[0]: "candidate",
        KEYS[1]: "candidate",
        KEYS[2]: "champion",
        KEYS[3]: "failed",
    }
    assert (evidence["candidate"], evidence["champion"], evidence["n"]) == ("sales:2", "sales:1", 21)
    assert (evidence["set"]["worse"], evidence["set"]["kept"]) == (1, 1)
    assert evidence["metrics"]["mae"]["candidate"]["value"] == 0
    assert set(evidence["slices"]["values"]) == {"001", "1", "a/b=c", "failed"}


def test_an_endpoint_answers_for_each_key_and_refuses_unknown_ones(
    pipelines: SetPipelines, tmp_path: Path
) -> None:
    endpoint = OnlineEndpoint(pipelines.ml, tmp_path)
    endpoint.deploy(
        "blue",
        model="azureml:sales:2",
        code_configuration=CodeConfiguration(
            code=str(ASSETS / "set_scoring"), scoring_script="score_set_online.py"
        ),
        environment_variables={"TIDEGATE_CACHE_BYTES": "100000"},
    )
    row = {"store": KEYS[2][0], "product": KEYS[2][1], "day": MONTH[0], "price": 1.5}

    answered = endpoint.ask({"rows": [row]}, "blue")
    unknown = endpoint.ask({"rows": [{**row, "store": "nowhere"}]}, "blue")

    assert answered.json() == [{"forecast": 6.0, "member": "train-1", "status": "ok", "error": None}]
    assert (unknown.status_code, unknown.headers["ms-azureml-model-error-statuscode"]) == (424, "404")
    assert "the set has no key store=nowhere, product=日本" in unknown.text
    log = pipelines.ml.online_deployments.get_logs("blue", endpoint.name, lines=50)
    assert "member_cache requests=1 hits=0 misses=1" in log
