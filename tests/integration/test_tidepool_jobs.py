"""Jobs of Azure ML, submitted with the SDK and really run: data, graphs, states, logs, cancelling, faults."""

import io
import json
import re
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from azure.ai.ml import (
    Input,
    MpiDistribution,
    Output,
    PyTorchDistribution,
    TensorFlowDistribution,
    command,
    load_job,
)
from azure.ai.ml.entities import AmlCompute, Data, Environment, Job, Model
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient
from tests.support.azure_clients import blob_service, ml_client

from tidepool.cloud import Tidepool, Workspace


class JobRunner:
    """A workspace with a cluster of two nodes and an environment, and shortcuts for the tests."""

    def __init__(self, cloud: Tidepool, workspace: Workspace, folder: Path) -> None:
        self.cloud = cloud
        self.workspace = workspace
        self.folder = folder
        self.ml = ml_client(workspace.name)
        self.cluster("cpu", 2)
        self.ml.environments.create_or_update(Environment(name="env", version="1", image="python"))

    def cluster(self, name: str, nodes: int, tier: str = "dedicated") -> None:
        cluster = AmlCompute(name=name, size="Standard_DS3_v2", max_instances=nodes, tier=tier)
        self.ml.compute.begin_create_or_update(cluster).result()

    def code(self, **scripts: str) -> Path:
        """Write `<name>.py` for each keyword, and return their folder."""
        folder = self.folder / "code"
        folder.mkdir(exist_ok=True)
        for name, text in scripts.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(text))
        return folder

    def pipeline(self, yaml: str, **scripts: str) -> Job:
        """Return the pipeline job of a YAML text, with its code in `./code`."""
        self.code(**scripts)
        file = self.folder / "pipeline.yml"
        head = "type: pipeline\nsettings: {default_compute: azureml:cpu}\n"
        file.write_text(head + textwrap.dedent(yaml))
        return load_job(file)

    def submit(self, job: Job) -> str:
        return str(self.ml.jobs.create_or_update(job).name)

    def run(self, job: Job) -> Job:
        """Submit a job, wait for its end, and return it."""
        name = self.submit(job)
        self.cloud.settle()
        return self.ml.jobs.get(name)

    def status(self, name: str) -> Any:
        return self.ml.jobs.get(name).status

    def children(self, name: str) -> dict[str, Job]:
        return {child.display_name: child for child in self.ml.jobs.list(parent_job_name=name)}

    def states(self, run_id: str) -> list[str]:
        """Return the states of a run in the order of their events."""
        return [state for run, state in self.states_of_all() if run == run_id]

    def states_of_all(self) -> list[tuple[str, str]]:
        """Return (run, state) of all runs of all tests in the order of their events."""
        return [
            (event["data"]["runId"], event["data"]["runStatus"])
            for event in self.cloud.events
            if event.get("eventType", "").endswith("RunStatusChanged")
        ]

    def run_after_each_other(self, first: str, second: str) -> bool:
        states = self.states_of_all()
        return states.index((first, "Completed")) < states.index((second, "Running"))

    def blobs(self) -> BlobServiceClient:
        return blob_service(self.workspace.storage_account)

    def container(self) -> str:
        return str(self.ml.datastores.get("workspaceblobstore").container_name)

    def text(self, path: str) -> str:
        """Return the text of a blob in workspaceblobstore."""
        blob = self.blobs().get_blob_client(self.container(), path)
        return blob.download_blob().readall().decode()

    def data(self, name: str, files: dict[str, str]) -> str:
        """Register a Data asset of these files, and return `azureml:name:1`."""
        for file, text in files.items():
            self.blobs().get_blob_client(self.container(), f"{name}/{file}").upload_blob(text)
        path = f"azureml://datastores/workspaceblobstore/paths/{name}/"
        self.ml.data.create_or_update(Data(name=name, version="1", path=path, type="uri_folder"))
        return f"azureml:{name}:1"


@pytest.fixture
def runner(tidepool: Tidepool, workspace: Workspace, tmp_path: Path) -> JobRunner:
    return JobRunner(tidepool, workspace, tmp_path)


def wait_until(condition: Callable[[], Any], timeout_s: float = 20) -> None:
    """Wait until the process of a job makes the condition true."""
    ends = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends, "the condition did not become true"
        threading.Event().wait(0.05)


def test_a_command_job_reads_its_inputs_and_its_output_becomes_a_data_asset(runner: JobRunner) -> None:
    data = runner.data("letters", {"a.txt": "alpha", "deep/b.txt": "beta"})
    script = """
        import pathlib, sys
        source, target, word, number = sys.argv[1:]
        texts = sorted(file.read_text() for file in pathlib.Path(source).rglob("*.txt"))
        (pathlib.Path(target) / "joined.txt").write_text(" ".join([*texts, word, number]))
        print("joined", len(texts))
    """
    job = command(
        code=str(runner.code(join=script)),
        command="python join.py ${{inputs.letters}} ${{outputs.joined}} ${{inputs.word}} ${{inputs.number}}",
        environment="azureml:env:1",
        compute="cpu",
        inputs={"letters": Input(type="uri_folder", path=data), "word": "gamma", "number": 4},
        outputs={"joined": Output(type="uri_folder", name="joined", version="7")},
        experiment_name="letters",
    )

    ended = runner.run(job)

    assert ended.status == "Completed"
    asset = runner.ml.data.get("joined", "7")
    assert runner.text(asset.path.partition("/paths/")[2] + "joined.txt") == "alpha beta gamma 4"
    assert runner.states(ended.name) == ["Preparing", "Queued", "Running", "Finalizing", "Completed"]


def test_outputs_and_artifacts_of_a_job_download_register_and_serve_as_inputs(runner: JobRunner) -> None:
    types = {
        "folder": "uri_folder",
        "custom": "custom_model",
        "mlflow": "mlflow_model",
        "triton": "triton_model",
    }
    lines = [f"echo {name} > ${{{{outputs.{name}}}}}/{name}.txt" for name in types]
    lines += ["echo log > logs/mine.txt", "mkdir outputs/model", "echo artifact > outputs/model/a.txt"]
    job = command(
        command=" && ".join(lines),
        environment="azureml:env:1",
        compute="cpu",
        outputs={name: Output(type=kind) for name, kind in types.items()},
    )

    name = runner.run(job).name

    runner.ml.jobs.download(name, download_path=runner.folder / "all", all=True)
    files = {
        path.relative_to(runner.folder / "all").as_posix() for path in runner.folder.rglob("all/**/*.txt")
    }
    assert files == {
        *(f"named-outputs/{output}/{output}.txt" for output in types),
        *(f"artifacts/{path}" for path in ("outputs/model/a.txt", "logs/mine.txt")),
    }
    paths = {
        f"azureml://jobs/{name}/outputs/custom": "custom.txt",
        f"azureml://jobs/{name}/outputs/artifacts/paths/outputs/model/": "a.txt",
        f"runs:/{name}/outputs/model": "a.txt",
    }
    for number, (path, file) in enumerate(paths.items(), 1):
        model = runner.ml.models.create_or_update(
            Model(name=f"model-{number}", path=path, type="custom_model")
        )
        runner.ml.models.download(model.name, model.version, download_path=runner.folder)
        assert [found.name for found in (runner.folder / model.name).rglob("*.txt")] == [file]
        assert "/datastores/" in model.path
        assert model.job_name == name
    *in_job, _ = paths  # the SDK does not accept runs:/ here
    inputs = {f"i{i}": Input(type="custom_model", path=path) for i, path in enumerate([*in_job, "model-3:1"])}
    shell = " && ".join(f"test -f ${{{{inputs.i{i}}}}}/{file}" for i, file in enumerate(paths.values()))
    reading = runner.run(command(command=shell, environment="azureml:env:1", compute="cpu", inputs=inputs))
    assert reading.status == "Completed"


PIPELINE = """
    experiment_name: months
    inputs:
      images: {type: uri_folder, path: "azureml:images:1"}
      partition: "202611"
    outputs:
      report: {type: uri_folder, path: "azureml://datastores/workspaceblobstore/paths/reports/${{name}}/"}
    jobs:
      score:
        type: parallel
        inputs:
          images: ${{parent.inputs.images}}
          partition: ${{parent.inputs.partition}}
        outputs:
          rows: {type: uri_file}
        input_data: ${{inputs.images}}
        mini_batch_size: "2"
        mini_batch_error_threshold: 0
        max_concurrency_per_instance: 2
        task:
          type: run_function
          code: ./code
          entry_script: score.py
          environment: azureml:env:1
          program_arguments: --partition ${{inputs.partition}}
          append_row_to: ${{outputs.rows}}
      publish:
        type: command
        inputs:
          rows: ${{parent.jobs.score.outputs.rows}}
        outputs:
          report: ${{parent.outputs.report}}
        code: ./code
        environment: azureml:env:1
        command: python publish.py ${{inputs.rows}} ${{outputs.report}}
"""
SCORE = """
    import argparse, pathlib

    def init():
        global partition
        parser = argparse.ArgumentParser()
        parser.add_argument("--partition")
        partition = parser.parse_known_args()[0].partition

    def run(mini_batch):
        return [f"{pathlib.Path(file).name} {partition}" for file in mini_batch]
"""
PUBLISH = """
    import pathlib, sys
    rows = pathlib.Path(sys.argv[1]).read_text().splitlines()
    (pathlib.Path(sys.argv[2]) / "report.txt").write_text(f"{len(rows)} {rows[0]}")
"""


def test_a_pipeline_binds_its_steps_and_runs_each_as_a_child(runner: JobRunner) -> None:
    runner.data("images", {f"{number}.png": "x" for number in range(5)})

    job = runner.pipeline(PIPELINE, score=SCORE, publish=PUBLISH)
    job.settings.default_datastore = "workspaceartifactstore"
    ended = runner.run(job)

    assert ended.status == "Completed", runner.children(ended.name)
    assert runner.text(f"reports/{ended.name}/report.txt") == "5 0.png 202611"
    children = runner.children(ended.name)
    container = runner.ml.datastores.get("workspaceartifactstore").container_name
    assert runner.blobs().get_blob_client(container, f"azureml/{children['score'].name}/rows").exists()
    assert {name: child.status for name, child in children.items()} == {
        "score": "Completed",
        "publish": "Completed",
    }
    assert runner.states(ended.name) == ["Preparing", "Running", "Finalizing", "Completed"]
    assert runner.states(children["score"].name) == [
        "Preparing",
        "Queued",
        "Running",
        "Finalizing",
        "Completed",
    ]


SETTINGS = """
    inputs: {images: {type: uri_folder, path: "azureml:images:1"}}
    outputs: {rows: {type: uri_file, path: "azureml://datastores/workspaceblobstore/paths/rows.txt"}}
    jobs:
      score:
        type: parallel
        inputs: {images: "${{parent.inputs.images}}"}
        outputs: {rows: "${{parent.outputs.rows}}"}
        input_data: ${{inputs.images}}
        mini_batch_size: "2"
        mini_batch_error_threshold: 0
        max_concurrency_per_instance: 1
        retry_settings: {max_retries: 3, timeout: 1}
        logging_level: DEBUG
        task:
          type: run_function
          code: ./code
          entry_script: tries.py
          environment: azureml:env:1
          program_arguments: --mark m
          append_row_to: ${{outputs.rows}}
"""
# The first mini-batch takes too long, fails twice, and succeeds before the others begin.
TRIES = """
    import pathlib, sys, threading
    from azureml_user.parallel_run import EntryScript

    def run(mini_batch, context):
        tries, done = pathlib.Path("tries"), pathlib.Path("done")
        number = len(tries.read_text()) if tries.exists() else 0
        tries.write_text("x" * (number + 1))
        if number == 0:
            threading.Event().wait()
        if number < 3:
            raise RuntimeError("once more")
        EntryScript().logger.debug("mini-batch %d is scored", context.minibatch_index)
        with done.open("a") as file:
            file.write(str(context.minibatch_index))
        return [f"{sys.argv[2]} {len(mini_batch)} {done.read_text()}"] * len(mini_batch)
"""


def test_a_parallel_step_keeps_its_settings(runner: JobRunner) -> None:
    runner.data("images", {f"{number}.png": "x" for number in range(5)})

    ended = runner.run(runner.pipeline(SETTINGS, tries=TRIES))

    step = runner.children(ended.name)["score"]
    assert ended.status == "Completed", step
    assert runner.text("rows.txt").splitlines() == ["m 2 0", "m 2 0", "m 2 01", "m 2 01", "m 1 012"]
    log = runner.ml.jobs._runs_operations.get_run_details(step.name).log_files
    assert "mini-batch 2 is scored" in requests.get(log["user_logs/std_log.txt"]).text


SALES = """
    paths: [{pattern: './**/*.csv'}]
    transformations:
    - read_delimited: {delimiter: ','}
    - extract_columns_from_partition_format: {partition_format: '{store}/{file}.csv'}
"""
TABLES = """
    inputs: {sales: {type: mltable, path: ./sales}}
    jobs:
      sales: &step
        type: parallel
        inputs: {table: {type: mltable, path: "${{parent.inputs.sales}}", mode: direct}}
        outputs: {rows: {type: uri_file}}
        input_data: ${{inputs.table}}
        mini_batch_size: "8"
        task:
          type: run_function
          code: ./code
          entry_script: describe.py
          environment: azureml:env:1
          append_row_to: ${{outputs.rows}}
      stores:
        <<: *step
        partition_keys: [store]
      pictures:
        <<: *step
        inputs: {table: {type: mltable, path: ./pictures, mode: eval_mount}}
        mini_batch_size: "1"
      lists:
        type: command
        inputs: {table: {type: mltable, path: ./pictures, mode: eval_mount}}
        environment: azureml:env:1
        command: ls ${{inputs.table}}
"""
DESCRIBE = """
    from pathlib import Path

    def run(batch, mini_batch_context):
        if isinstance(batch, list):
            return [Path(file).name for file in batch]
        values = "+".join(str(value) for value in batch["sold"])
        return [f"{mini_batch_context.partition_key_value} {values}"] * len(batch)
"""


@pytest.mark.long
def test_tables_are_divided_into_rows_partitions_and_files(runner: JobRunner) -> None:
    pytest.importorskip("mltable", reason="the dependency group mltable is not installed")
    files = {
        "sales/MLTable": textwrap.dedent(SALES),
        "sales/north/1.csv": "sold\n1\n2\n",
        "sales/south/1.csv": "sold\n3\n",
        "pictures/MLTable": "paths: [{file: ./a.png}]",
        "pictures/a.png": "a",
        "pictures/b.png": "b",
    }
    for name, text in files.items():
        (runner.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (runner.folder / name).write_text(text)

    ended = runner.run(runner.pipeline(TABLES, describe=DESCRIBE))

    children = runner.children(ended.name)
    assert ended.status == "Completed", children

    def rows(step: str) -> list[str]:
        return runner.text(f"azureml/{children[step].name}/rows").splitlines()

    assert rows("stores") == ["{'store': 'north'} 1+2"] * 2 + ["{'store': 'south'} 3"]
    assert rows("sales") == ["None 1", "None 2", "None 3"]
    assert rows("pictures") == ["a.png"]
    log = runner.ml.jobs._runs_operations.get_run_details(children["lists"].name).log_files
    assert requests.get(log["user_logs/std_log.txt"]).text.split() == ["a.png"]


LOGS_A_SCORE = """
    import json, os, pathlib, sys, urllib.request

    number, word, target = sys.argv[1:]
    query = f"{os.environ['IDENTITY_ENDPOINT']}?api-version=2019-08-01&resource=https://ml.azure.com"
    identity = {"X-IDENTITY-HEADER": os.environ["IDENTITY_HEADER"]}
    token = json.load(urllib.request.urlopen(urllib.request.Request(query, headers=identity)))["access_token"]
    url = os.environ["MLFLOW_TRACKING_URI"].replace("azureml:", "https:") + "/api/2.0/mlflow/runs/log-metric"
    metric = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "score", "value": float(number), "timestamp": 1}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(metric).encode(), headers))
    pathlib.Path(target, "tried.txt").write_text(f"{number} {word}")
"""
SWEEP = """
    type: sweep
    compute: azureml:cpu
    trial:
      code: ./code
      environment: azureml:env:1
      environment_variables: {MARK: m}
      command: >-
        test $MARK = m &&
        python score.py ${{search_space.number}} ${{search_space.word}} ${{outputs.tried}}
    outputs: {tried: {type: uri_folder, name: best-of-sweep}}
    sampling_algorithm: grid
    search_space:
      number: {type: choice, values: [1, 3]}
      word: {type: choice, values: [tide]}
    objective: {goal: maximize, primary_metric: score}
    limits: {max_total_trials: 2, max_concurrent_trials: 1}
"""


def test_a_sweep_job_tries_the_grid_and_takes_the_best_trial(runner: JobRunner) -> None:
    runner.code(score=LOGS_A_SCORE)
    (runner.folder / "sweep.yml").write_text(textwrap.dedent(SWEEP))

    name = runner.submit(load_job(runner.folder / "sweep.yml"))
    runner.cloud.settle(120)  # an MLflow server starts at the first metric

    ended = runner.ml.jobs.get(name)
    assert ended.status == "Completed"
    assert list(runner.children(name)) == [f"{name}_0", f"{name}_1"]
    assert runner.run_after_each_other(f"{name}_0", f"{name}_1")
    assert ended.properties["best_child_run_id"] == f"{name}_1"
    asset = runner.ml.data.get("best-of-sweep", "1")
    assert runner.text(asset.path.partition("/paths/")[2] + "tried.txt") == "3 tide"


NESTED = """
    outputs:
      joined: {type: uri_file, path: "azureml://datastores/workspaceblobstore/paths/joined.txt"}
    jobs:
      search:
        type: sweep
        trial: ./trial.yml
        outputs: {tried: {type: uri_folder}}
        sampling_algorithm: random
        search_space: {number: {type: uniform, min_value: 5, max_value: 6}}
        objective: {goal: minimize, primary_metric: score}
        limits: {max_total_trials: 2, max_concurrent_trials: 1}
      ends:
        type: pipeline
        component: ./ends.yml
        inputs: {source: "${{parent.jobs.search.outputs.tried}}", compute: cpu}
        outputs: {joined: "${{parent.outputs.joined}}"}
"""
TRIAL = """
    type: command
    inputs: {number: {type: number}, word: {type: string, default: ebb}}
    outputs: {tried: {type: uri_folder}}
    code: ./code
    environment: azureml:env:1
    command: python score.py ${{inputs.number}} ${{inputs.word}} ${{outputs.tried}}
"""
ENDS = """
    type: pipeline
    inputs: {source: {type: uri_folder}, compute: {type: string}, end: {type: string, default: flow}}
    outputs: {joined: {type: uri_file}}
    jobs:
      join:
        type: command
        compute: ${{parent.inputs.compute}}
        inputs: {source: "${{parent.inputs.source}}", end: "${{parent.inputs.end}}"}
        outputs: {joined: "${{parent.outputs.joined}}", artifacts: {type: uri_folder}}
        component: ./join.yml
      check:
        type: command
        inputs: {before: "${{parent.jobs.join.outputs.artifacts}}"}
        component: ./check.yml
"""
CHECK = """
    type: command
    inputs: {before: {type: uri_folder}}
    environment: azureml:env:1
    command: test -f ${{inputs.before}}/outputs/note.txt
"""
JOIN = """
    type: command
    inputs: {source: {type: uri_folder}, end: {type: string}}
    outputs: {joined: {type: uri_file}, artifacts: {type: uri_folder}}
    environment: azureml:env:1
    command: >-
      touch outputs/note.txt;
      (cat ${{inputs.source}}/tried.txt; echo " ${{inputs.end}}") > ${{outputs.joined}}
"""


def test_a_sweep_and_a_pipeline_are_steps_of_a_pipeline(runner: JobRunner) -> None:
    for name, text in {"trial": TRIAL, "ends": ENDS, "join": JOIN, "check": CHECK}.items():
        (runner.folder / f"{name}.yml").write_text(f"name: {name}\n{textwrap.dedent(text)}")

    name = runner.submit(runner.pipeline(NESTED, score=LOGS_A_SCORE))
    runner.cloud.settle(120)

    steps = runner.children(name)
    assert runner.status(name) == "Completed", steps
    number, word, end = runner.text("joined.txt").split()
    assert (5 <= float(number) <= 6, word, end) == (True, "ebb", "flow")
    first, second = runner.children(steps["search"].name)
    assert steps["search"].properties["best_child_run_id"] in (first, second)
    assert runner.run_after_each_other(first, second)
    assert list(runner.children(steps["ends"].name)) == ["join", "check"]


@pytest.mark.parametrize(("limit", "status"), [("timeout", "Canceled"), ("trial_timeout", "Failed")])
def test_a_sweep_that_takes_longer_than_its_limit_is_cancelled(
    runner: JobRunner, limit: str, status: str
) -> None:
    sweep = textwrap.dedent(SWEEP).replace("python score.py", "sleep 600 #")
    sweep = sweep.replace("max_total_trials: 2", f"max_total_trials: 1, {limit}: 300")
    (runner.folder / "sweep.yml").write_text(sweep)
    runner.code(score="pass")
    name = runner.submit(load_job(runner.folder / "sweep.yml"))
    wait_until(lambda: [trial.status for trial in runner.children(name).values()] == ["Running"])

    runner.cloud.advance(301)
    runner.cloud.settle()

    assert runner.status(name) == status
    assert [trial.status for trial in runner.children(name).values()] == ["Canceled"]


def test_unchanged_deterministic_steps_are_reused_unless_forced(runner: JobRunner) -> None:
    runner.data("images", {"1.png": "x"})
    first = runner.run(runner.pipeline(PIPELINE, score=SCORE, publish=PUBLISH))

    second = runner.run(runner.pipeline(PIPELINE, score=SCORE, publish=PUBLISH))
    forced = runner.pipeline(PIPELINE, score=SCORE, publish=PUBLISH)
    forced.settings.force_rerun = True
    third = runner.run(forced)

    before, reused, again = (runner.children(job.name)["score"] for job in (first, second, third))
    assert reused.properties["azureml.isreused"] == "true"
    assert reused.properties["azureml.reusedrunid"] == before.name
    assert runner.states(reused.name) == ["Running", "Completed"]
    assert "azureml.isreused" not in again.properties


def test_a_failing_step_fails_the_pipeline_with_its_reason(runner: JobRunner) -> None:
    yaml = """
        jobs:
          breaks:
            type: command
            code: ./code
            environment: azureml:env:1
            outputs: {out: {type: uri_folder}}
            command: python breaks.py
          follows:
            type: command
            inputs: {out: "${{parent.jobs.breaks.outputs.out}}"}
            code: ./code
            environment: azureml:env:1
            command: ls ${{inputs.out}}
    """

    ended = runner.run(runner.pipeline(yaml, breaks="raise SystemExit('no such month')"))

    assert ended.status == "Failed"
    children = runner.children(ended.name)
    assert list(children) == ["breaks"]
    details = runner.ml.jobs._runs_operations.get_run_details(children["breaks"].name)
    assert "exited with status code 1" in details.error.error.message
    assert "no such month" in details.error.error.message
    # The SDK's link to Azure ML studio leads to a page of the job, which links to those of its steps.
    page, origin = requests.get(ended.studio_url), ended.studio_url.partition("/runs/")[0]
    (step,) = re.findall(r'<li><a href="([^"]+)">breaks</a>: Failed</li>', page.text)
    assert "no such month" in requests.get(origin + step).text
    assert requests.get(ended.studio_url.partition("?")[0]).status_code == 403


def test_the_reason_of_a_step_that_never_started_is_in_its_log_and_in_the_stream_of_the_pipeline(
    runner: JobRunner, tmp_path: Path
) -> None:
    missing = "azureml://datastores/workspaceblobstore/paths/no/such/file.csv"
    yaml = f"""
        jobs:
          reads:
            type: command
            inputs: {{f: {{type: uri_file, path: "{missing}"}}}}
            environment: azureml:env:1
            command: cat ${{{{inputs.f}}}}
    """
    name = runner.submit(runner.pipeline(yaml))

    with pytest.raises(JobException, match=r"(?s)Failed nodes: /reads.*no/such/file.csv was not found"):
        runner.ml.jobs.stream(name)

    runner.ml.jobs.download(runner.children(name)["reads"].name, download_path=tmp_path, all=True)
    (log,) = tmp_path.rglob("std_log.txt")
    assert "no/such/file.csv was not found" in log.read_text()


DISTRIBUTED = """
    outputs:
      torch: {type: uri_folder, path: "azureml://datastores/workspaceblobstore/paths/torch/"}
      flow: {type: uri_folder, path: "azureml://datastores/workspaceblobstore/paths/flow/"}
    jobs:
      torch:
        type: command
        environment: azureml:env:1
        distribution: {type: pytorch, process_count_per_instance: 2}
        resources: {instance_count: 2}
        outputs: {out: "${{parent.outputs.torch}}"}
        command: echo $NODE_RANK $LOCAL_RANK $WORLD_SIZE $MASTER_ADDR:$MASTER_PORT > ${{outputs.out}}/$RANK
      flow:
        type: command
        environment: azureml:env:1
        distribution: {type: tensorflow, worker_count: 2, parameter_server_count: 1}
        resources: {instance_count: 2}
        outputs: {out: "${{parent.outputs.flow}}"}
        command: >-
          echo "$TF_CONFIG" > ${{outputs.out}}/$$; case "$TF_CONFIG" in *'"type": "ps"'*) sleep 600;; esac;
          while [ $(ls ${{outputs.out}} | wc -l) -lt 3 ]; do sleep 0.1; done
"""


def test_a_distribution_starts_the_processes_of_pytorch_and_tensorflow(runner: JobRunner) -> None:
    runner.cluster("cpu", 4)

    ended = runner.run(runner.pipeline(DISTRIBUTED))

    assert ended.status == "Completed"
    ranks = [runner.text(f"torch/{rank}").split() for rank in range(4)]
    assert [rank[:3] for rank in ranks] == [
        ["0", "0", "4"],
        ["0", "1", "4"],
        ["1", "0", "4"],
        ["1", "1", "4"],
    ]
    assert len({address for *_, address in ranks}) == 1
    files = runner.blobs().get_container_client(runner.container()).list_blob_names(name_starts_with="flow/")
    tasks = [json.loads(runner.text(file)) for file in files]
    assert sorted((task["task"]["type"], task["task"]["index"]) for task in tasks) == [
        ("ps", 0),
        ("worker", 0),
        ("worker", 1),
    ]
    assert {kind: len(hosts) for kind, hosts in tasks[0]["cluster"].items()} == {"worker": 2, "ps": 1}


@pytest.mark.parametrize(
    ("distribution", "ranks"),
    [
        (PyTorchDistribution(process_count_per_instance=2), ["0", "1", "2", "3"]),
        (TensorFlowDistribution(worker_count=2, parameter_server_count=1), ["ps0", "worker0", "worker1"]),
    ],
    ids=["pytorch", "tensorflow"],
)
def test_a_command_job_with_a_distribution_starts_its_processes(
    runner: JobRunner, distribution: Any, ranks: list[str]
) -> None:
    shell = "echo $TF_CONFIG | grep -oP '(?<=\"task\": )[^}]*' | tr -dc a-z0-9 | sed 's/type//;s/index//'"
    waits = f"while [ $(ls ${{{{outputs.out}}}} | wc -l) -lt {len(ranks)} ]; do sleep 0.1; done"
    path = "azureml://datastores/workspaceblobstore/paths/ranks/"
    job = command(
        command=f"touch ${{{{outputs.out}}}}/${{RANK:-$({shell})}}; {waits}",
        environment="azureml:env:1",
        compute="cpu",
        distribution=distribution,
        instance_count=2,
        outputs={"out": Output(type="uri_folder", path=path)},
    )

    ended = runner.run(job)

    files = runner.blobs().get_container_client(runner.container()).list_blob_names(name_starts_with="ranks/")
    assert ended.status == "Completed"
    assert [file.removeprefix("ranks/") for file in files] == ranks


def test_one_failing_process_fails_the_job_and_stops_the_others(runner: JobRunner) -> None:
    pid = runner.folder / "pid"
    shell = (
        f"echo $RANK; if [ $RANK = 1 ]; then while [ ! -s {pid} ]; do sleep 0.1; done; exit 3; fi; "
        f"echo $$ > {pid}; exec sleep 600"
    )
    job = command(
        command=shell,
        environment="azureml:env:1",
        compute="cpu",
        distribution=PyTorchDistribution(process_count_per_instance=2),
    )

    ended = runner.run(job)

    details = runner.ml.jobs._runs_operations.get_run_details(ended.name)
    assert ended.status == "Failed"
    assert "status code 3" in details.error.error.message
    assert set(details.log_files) == {f"user_logs/std_log_process_0{rank}.txt" for rank in range(2)}
    assert not _alive(_pid(runner))


def test_a_distribution_that_is_not_emulated_is_refused_by_name(runner: JobRunner) -> None:
    job = command(command="true", environment="azureml:env:1", compute="cpu", distribution=MpiDistribution())

    with pytest.raises(HttpResponseError, match=r"does not emulate .*distribution.*Mpi"):
        runner.submit(job)


MEETING = """
    import pathlib, sys, time
    here, me, other = sys.argv[1:]
    pathlib.Path(here, me).touch()
    while not pathlib.Path(here, other).exists():
        time.sleep(0.02)
"""


def _meeting(runner: JobRunner, compute: str) -> Job:
    """Return a pipeline of two steps that end only if they run at the same time."""
    steps = "".join(
        f"""
          {me}:
            type: command
            compute: azureml:{compute}
            code: ./code
            environment: azureml:env:1
            command: python meet.py {runner.folder} {me} {other}
        """
        for me, other in (("one", "two"), ("two", "one"))
    )
    return runner.pipeline(f"jobs:{steps}", meet=MEETING)


def test_independent_steps_run_side_by_side(runner: JobRunner) -> None:
    assert runner.run(_meeting(runner, "cpu")).status == "Completed"


def test_a_cluster_of_one_node_runs_one_step_at_a_time_and_cancel_ends_both(runner: JobRunner) -> None:
    runner.cluster("single", 1)
    name = runner.submit(_meeting(runner, "single"))
    wait_until(lambda: "Running" in {child.status for child in runner.children(name).values()})

    statuses = sorted(child.status for child in runner.children(name).values())
    runner.ml.jobs.begin_cancel(name).result()
    runner.cloud.settle()

    assert statuses == ["Queued", "Running"]
    assert runner.states(name)[-2:] == ["CancelRequested", "Canceled"]
    assert {child.status for child in runner.children(name).values()} == {"Canceled"}


def test_a_pipeline_that_does_not_continue_on_failure_stops_its_other_steps(runner: JobRunner) -> None:
    yaml = """
        jobs:
          breaks:
            type: command
            environment: azureml:env:1
            command: exit 3
          waits:
            type: command
            environment: azureml:env:1
            command: sleep 600
    """
    job = runner.pipeline(yaml)
    job.settings.continue_on_step_failure = False

    ended = runner.run(job)

    assert ended.status == "Failed"
    statuses = {name: child.status for name, child in runner.children(ended.name).items()}
    assert statuses == {"breaks": "Failed", "waits": "Canceled"}


MODELS = """
    jobs:
      writes:
        type: command
        environment: azureml:env:1
        command: "echo 'flavors: {}' > ${{outputs.model}}/MLmodel"
        outputs:
          model:
            type: mlflow_model
            path: "azureml://datastores/workspaceblobstore/paths/written/"
            name: written-by-step
            version: 7
"""


def test_a_model_that_a_job_writes_is_registered(runner: JobRunner) -> None:
    job = command(
        command="echo 'flavors: {}' > ${{outputs.model}}/MLmodel",
        environment="azureml:env:1",
        compute="cpu",
        outputs={"model": Output(type="mlflow_model", name="written", version="5")},
    )

    name = runner.run(job).name
    pipeline = runner.run(runner.pipeline(MODELS)).name

    model, of_step = runner.ml.models.get("written", "5"), runner.ml.models.get("written-by-step", "7")
    assert (model.type, model.job_name) == ("mlflow_model", name)
    assert of_step.job_name == runner.children(pipeline)["writes"].name
    assert of_step.path.endswith("/paths/written/")


def test_processes_that_outlive_the_job_are_killed(runner: JobRunner) -> None:
    job = command(
        command=f"sleep 600 & echo $! > {runner.folder}/pid", environment="azureml:env:1", compute="cpu"
    )

    ended = runner.run(job)

    assert ended.status == "Completed"
    assert not _alive(_pid(runner))


WAITS = """
    import os, pathlib, sys, threading
    pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
    threading.Event().wait()
"""


def _waiting(runner: JobRunner) -> Job:
    """Return a job that ends only when it is killed. The file `pid` has the id of its Python process."""
    return command(
        code=str(runner.code(waits=WAITS)),
        command=f"python waits.py {runner.folder}/pid && echo never",
        environment="azureml:env:1",
        compute="cpu",
    )


def _alive(pid: int) -> bool:
    """Return whether the process runs. A zombie does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _pid(runner: JobRunner) -> int:
    file = runner.folder / "pid"
    wait_until(lambda: file.exists() and file.read_text())
    return int(file.read_text())


def test_cancel_kills_the_processes_of_the_job(runner: JobRunner) -> None:
    name = runner.submit(_waiting(runner))
    pid = _pid(runner)

    runner.ml.jobs.begin_cancel(name).result()
    runner.cloud.settle()

    assert runner.status(name) == "Canceled"
    assert not _alive(pid)


def _enter(cloud: Tidepool, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in cloud.environment().items():
        monkeypatch.setenv(variable, value)


@pytest.mark.long
def test_a_job_that_was_running_when_tidepool_stopped_has_failed_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Tidepool(tmp_path / "data") as first:
        _enter(first, monkeypatch)
        runner = JobRunner(first, first.create_workspace(), tmp_path)
        name = runner.submit(_waiting(runner))
        pid = _pid(runner)
    gone = not _alive(pid)

    with Tidepool(tmp_path / "data") as second:
        _enter(second, monkeypatch)
        again = JobRunner(second, runner.workspace, tmp_path)
        details = again.ml.jobs._runs_operations.get_run_details(name)

    assert gone
    assert details.status == "Failed"
    assert "Tidepool was stopped" in details.error.error.message


def test_the_log_is_streamed_while_the_job_runs(runner: JobRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    go = runner.folder / "go"
    script = f"""
        import pathlib, time
        print("first line", flush=True)
        while not pathlib.Path({str(go)!r}).exists():
            time.sleep(0.02)
        print("second line")
    """
    job = command(
        code=str(runner.code(talks=script)),
        command="python talks.py",
        environment="azureml:env:1",
        compute="cpu",
    )
    name = runner.submit(job)
    files = runner.ml.jobs._runs_operations.get_run_details
    wait_until(lambda: "user_logs/std_log.txt" in (files(name).log_files or {}))
    shown = io.StringIO()

    threading.Timer(0.5, go.touch).start()
    with redirect_stdout(shown):
        runner.ml.jobs.stream(name)

    assert "first line\nsecond line" in shown.getvalue()


def test_a_low_priority_job_is_preempted_and_a_dedicated_one_is_not(
    runner: JobRunner, faults: Tidepool
) -> None:
    runner.cluster("low", 1, tier="low_priority")
    faults.fault("run", "preempt", match={"workspace": runner.workspace.name}, times=None)
    jobs = [
        command(command="echo done", environment="azureml:env:1", compute=compute)
        for compute in ("low", "cpu")
    ]

    preempted, kept = (runner.run(job) for job in jobs)

    assert (preempted.status, kept.status) == ("Failed", "Completed")
    error = runner.ml.jobs._runs_operations.get_run_details(preempted.name).error.error
    assert error.code == "UserError"
    assert "PreemptionError: Nodes of this job got pre-empted" in error.message


def test_a_job_that_never_starts_stays_queued_without_a_log_and_can_be_cancelled(
    runner: JobRunner, faults: Tidepool
) -> None:
    faults.fault("run", "never_start", match={"workspace": runner.workspace.name})
    name = runner.submit(command(command="echo done", environment="azureml:env:1", compute="cpu"))
    runner.cloud.settle()

    details = runner.ml.jobs._runs_operations.get_run_details(name)
    status = runner.status(name)
    runner.ml.jobs.begin_cancel(name).result()
    runner.cloud.settle()

    assert (status, details.log_files) == ("Queued", {})
    assert runner.status(name) == "Canceled"


def test_missing_data_fails_the_job_with_its_location(runner: JobRunner) -> None:
    runner.data("images", {"1.png": "x"})
    runner.blobs().get_blob_client(runner.container(), "images/1.png").delete_blob()
    job = command(
        command="ls ${{inputs.images}}",
        environment="azureml:env:1",
        compute="cpu",
        inputs={"images": Input(type="uri_folder", path="azureml:images:1")},
    )

    ended = runner.run(job)

    details = runner.ml.jobs._runs_operations.get_run_details(ended.name)
    assert ended.status == "Failed"
    assert "images/ was not found" in details.error.error.message


def test_an_optional_input_that_is_not_given_leaves_its_argument_out(runner: JobRunner) -> None:
    (runner.folder / "say.yml").write_text(
        textwrap.dedent("""
            name: say
            version: "1"
            type: command
            inputs:
              word: {type: string}
              more: {type: string, optional: true}
              times: {type: integer, default: 2}
            outputs: {said: {type: uri_file}}
            environment: azureml:env:1
            command: echo ${{inputs.word}} ${{inputs.times}} $[[and ${{inputs.more}}]] > ${{outputs.said}}
        """)
    )
    yaml = """
        outputs: {said: {type: uri_file, path: "azureml://datastores/workspaceblobstore/paths/said.txt"}}
        jobs:
          say:
            type: command
            component: ./say.yml
            inputs: {word: hello}
            outputs: {said: "${{parent.outputs.said}}"}
    """

    ended = runner.run(runner.pipeline(yaml))

    assert ended.status == "Completed"
    assert runner.text("said.txt").split() == ["hello", "2"]


def test_a_job_that_takes_longer_than_its_limit_is_cancelled(runner: JobRunner) -> None:
    job = command(command="sleep 600", environment="azureml:env:1", compute="cpu")
    job.set_limits(timeout=300)
    name = runner.submit(job)
    wait_until(lambda: runner.status(name) == "Running")

    runner.cloud.advance(301)
    runner.cloud.settle()

    assert runner.status(name) == "Canceled"
