"""Jobs and their runs, with the SDK: list, describe, archive and download them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.ai.ml import MLClient, Output, command
from azure.ai.ml.constants import ListViewType
from azure.ai.ml.entities import AmlCompute, Environment, Job, PipelineJob
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from tests.support.azure_clients import ml_client

from tidepool import default_resources
from tidepool.cloud import Tidepool, Workspace

SCRIPT = (
    "echo scored; mkdir -p outputs; echo 0.9 > outputs/accuracy.txt; echo a,b > ${{outputs.table}}/rows.csv"
)


def score(name: str, text: str = SCRIPT, **more: Any) -> Job:
    tags = {"tidegate_partition": "202611", "tidegate_feed": name}
    outputs = {"table": Output(type="uri_folder")} if "outputs.table" in text else {}
    return command(
        name=name,
        command=text,
        environment="azureml:plain:1",
        compute="cpu",
        experiment_name="scoring",
        tags=tags,
        outputs=outputs,
        **more,
    )


@pytest.fixture(scope="module")
def workspace_and_client(tidepool: Tidepool) -> tuple[Workspace, MLClient]:
    """A workspace in which the command job `finished` and the pipeline `pipeline` have run."""
    workspace = tidepool.create_workspace()
    ml = ml_client(workspace.name)
    ml.environments.create_or_update(Environment(name="plain", version="1", image="python:3.11"))
    ml.compute.begin_create_or_update(
        AmlCompute(name="cpu", size="Standard_DS3_v2", max_instances=4)
    ).result()
    ml.jobs.create_or_update(score("finished"))
    steps = {name: score(name, "echo step") for name in ("first", "second")}
    ml.jobs.create_or_update(PipelineJob(name="pipeline", experiment_name="scoring", jobs=steps))
    tidepool.settle()
    return workspace, ml


@pytest.fixture
def ml(workspace_and_client: tuple[Workspace, MLClient]) -> MLClient:
    return workspace_and_client[1]


@pytest.fixture
def get(workspace_and_client: tuple[Workspace, MLClient]) -> Callable[[str], Any]:
    """Return a function that reads from the run history of the workspace."""
    bearer = DefaultAzureCredential().get_token("https://ml.azure.com/.default").token
    history = f"https://{default_resources.LOCATION}.api.azureml.ms/history/v1.0{workspace_and_client[0].id}"

    def ask(path: str) -> Any:
        answer = requests.get(f"{history}{path}", headers={"Authorization": f"Bearer {bearer}"}, timeout=10)
        answer.raise_for_status()
        return answer.json()

    return ask


def test_the_same_job_again_is_the_same_job(
    tidepool: Tidepool, workspace_and_client: tuple[Workspace, MLClient]
) -> None:
    before = len(tidepool.events)

    again = workspace_and_client[1].jobs.create_or_update(score("finished"))

    assert again.status == "Completed"
    tidepool.settle()
    assert len(tidepool.events) == before


def test_another_job_under_a_used_name_is_refused(ml: MLClient) -> None:
    with pytest.raises(HttpResponseError) as refused:
        ml.jobs.create_or_update(score("finished", "echo other"))

    assert refused.value.status_code == 400
    assert "the existing job's Command, Outputs cannot be changed" in str(refused.value)
    assert "JobPropertyImmutable" in str(refused.value)


def test_jobs_are_listed_newest_first_by_tag_and_view(ml: MLClient) -> None:
    ml.jobs.archive("finished")

    assert [job.name for job in ml.jobs.list()] == ["pipeline"]
    assert [job.name for job in ml.jobs.list(list_view_type=ListViewType.ARCHIVED_ONLY)] == ["finished"]
    assert [job.name for job in ml.jobs.list(list_view_type=ListViewType.ALL)] == ["pipeline", "finished"]
    ml.jobs.restore("finished")
    assert [job.name for job in ml.jobs.list(tag="tidegate_partition=202611")] == ["finished"]
    assert [job.name for job in ml.jobs.list(tag="tidegate_partition=202612")] == []


def test_the_description_of_a_job_changes_without_another_run(ml: MLClient) -> None:
    job = ml.jobs.get("finished")
    job.tags["reviewed"] = "yes"
    ml.jobs.create_or_update(job)
    ml.jobs.update("finished", display_name="November", properties={"by": "tests"})

    updated = ml.jobs.get("finished")
    assert (updated.display_name, updated.tags["reviewed"], updated.properties["by"]) == (
        "November",
        "yes",
        "tests",
    )
    assert updated.tags["tidegate_partition"] == "202611"


def test_children_are_runs_of_their_own(ml: MLClient, get: Callable[[str], Any]) -> None:
    children = list(ml.jobs.list(parent_job_name="pipeline"))

    assert sorted(child.display_name for child in children) == ["first", "second"]
    assert {child.status for child in children} == {"Completed"}
    assert ml.jobs.get(children[0].name).status == "Completed"
    assert {run["rootRunId"] for run in get("/runs/pipeline/children")["value"]} == {"pipeline"}


def test_outputs_and_logs_are_downloaded(ml: MLClient, tmp_path: Path) -> None:
    ml.jobs.download("finished", download_path=tmp_path, all=True)

    assert "scored" in (tmp_path / "artifacts/user_logs/std_log.txt").read_text()
    assert (tmp_path / "artifacts/outputs/accuracy.txt").read_text() == "0.9\n"
    assert (tmp_path / "named-outputs/table/rows.csv").read_text() == "a,b\n"


def test_the_details_of_a_run_have_urls_of_its_logs(get: Callable[[str], Any]) -> None:
    details = get("/runs/finished/details")

    assert (details["status"], details["target"]) == ("Completed", "cpu")
    assert details["createdTimeUtc"] <= details["startTimeUtc"] <= details["endTimeUtc"]
    assert "scored" in requests.get(details["logFiles"]["user_logs/std_log.txt"], timeout=10).text


def test_artifacts_are_listed_read_and_written_by_signed_urls(
    get: Callable[[str], Any], workspace_and_client: tuple[Workspace, MLClient]
) -> None:
    run = "/experiments/scoring/runs/finished/artifacts"
    bearer = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    base = (
        f"https://{default_resources.LOCATION}.api.azureml.ms/history/v1.0{workspace_and_client[0].id}{run}"
    )

    made = requests.post(
        f"{base}/batch/metadata",
        headers={"Authorization": f"Bearer {bearer}"},
        json={"paths": [{"path": "notes/a.txt"}]},
        timeout=10,
    ).json()
    url = made["artifactContentInformation"]["notes/a.txt"]["contentUri"]
    requests.put(url, b"seen", headers={"x-ms-blob-type": "BlockBlob"}, timeout=10).raise_for_status()

    names = {entry["path"] for entry in get(run)["value"]}
    assert {"notes/a.txt", "outputs/accuracy.txt", "user_logs/std_log.txt"} <= names
    assert requests.get(get(f"{run}/contentinfo?path=notes/a.txt")["contentUri"], timeout=10).text == "seen"


def test_many_runs_are_read_at_once(workspace_and_client: tuple[Workspace, MLClient]) -> None:
    from azure.ai.ml._restclient.runhistory.models import BatchRunDataRequest, GetRunDataRequest

    workspace, ml = workspace_and_client
    _, _, subscription, _, group, *_ = workspace.id.split("/")
    runs = ml.jobs._runs_operations._operation

    def read(*names: str) -> Any:
        requests = {f"{name}-key": GetRunDataRequest(run_id=name) for name in names}
        body = BatchRunDataRequest(requests=requests)
        return runs.batch_get_run_data(subscription, group, workspace.name, body)

    answer = read("finished", "pipeline")
    with pytest.raises(HttpResponseError) as raised:
        read("finished", "missing")

    statuses = {key: result.run_metadata.status for key, result in answer.successful_results.items()}
    assert statuses == {"finished-key": "Completed", "pipeline-key": "Completed"}
    assert raised.value.status_code == 207  # a part of the answer, which this client of the SDK refuses
    failed = raised.value.response.json()["failedResults"]
    assert failed["missing-key"]["error"]["message"] == "Run missing was not found."


def test_a_job_that_has_ended_cannot_be_cancelled(ml: MLClient) -> None:
    with pytest.raises(HttpResponseError, match="it is Completed already"):
        ml.jobs.begin_cancel("finished")
    with pytest.raises(ResourceNotFoundError):
        ml.jobs.begin_cancel("missing")


def test_each_transition_of_a_run_is_published(
    tidepool: Tidepool, workspace_and_client: tuple[Workspace, MLClient]
) -> None:
    events = [event for event in tidepool.events if event.get("topic") == workspace_and_client[0].id]
    moves = [event for event in events if event["data"]["runId"] == "finished"]

    states = [
        event["data"]["runStatus"] for event in moves if event["eventType"].endswith("RunStatusChanged")
    ]
    completed = [event for event in events if event["eventType"].endswith(".RunCompleted")]
    assert states[-3:] == ["Running", "Finalizing", "Completed"]
    assert len(completed) == len({event["data"]["runId"] for event in completed}) == 4
    assert moves[-1]["subject"] == f"experiments/{moves[-1]['data']['experimentId']}/runs/finished"
    assert moves[-1]["data"]["runTags"]["tidegate_partition"] == "202611"


def test_run_history_needs_a_token(workspace_and_client: tuple[Workspace, MLClient]) -> None:
    url = f"https://{default_resources.LOCATION}.api.azureml.ms/history/v1.0{workspace_and_client[0].id}/runs/finished"

    assert requests.get(url, timeout=10).status_code == 401
