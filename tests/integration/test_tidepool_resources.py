"""The control plane, with the unmodified SDK, and with plain requests that the SDK never sends."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.ai.ml import MLClient, command, load_component
from azure.ai.ml.entities import (
    AmlCompute,
    AzureBlobDatastore,
    AzureDataLakeGen2Datastore,
    ComputeInstance,
    CronTrigger,
    Data,
    Environment,
    JobSchedule,
    Model,
    PipelineJob,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from tests.support.arm_requests import arm, token
from tests.support.azure_clients import ml_client

from tidepool import default_resources
from tidepool.cloud import Tidepool, Workspace

IMAGES = "azureml://datastores/workspaceblobstore/paths/images"


@pytest.fixture
def bearer(tidepool: Tidepool) -> str:
    return token(tidepool, "developer")


@pytest.fixture
def images(ml: MLClient) -> Data:
    return ml.data.create_or_update(
        Data(name="images", version="1", type="uri_folder", path=f"{IMAGES}/202611")
    )


@pytest.fixture
def prepared(ml: MLClient) -> MLClient:
    """Return a client of a workspace that has an environment and a cluster."""
    ml.environments.create_or_update(Environment(name="plain", version="1", image="python:3.11"))
    ml.compute.begin_create_or_update(
        AmlCompute(name="cpu", size="Standard_DS3_v2", max_instances=2)
    ).result()
    return ml


# Data, and versions of anything


def test_versions_number_themselves_and_the_last_created_is_the_latest(ml: MLClient) -> None:
    for partition in ("202609", "202610"):
        ml.data.create_or_update(Data(name="feed", type="uri_folder", path=f"{IMAGES}/{partition}"))
    ml.data.create_or_update(Data(name="feed", version="1b", type="uri_folder", path=f"{IMAGES}/202611"))

    assert [version.version for version in ml.data.list("feed")] == ["1b", "2", "1"]
    assert ml.data.get("feed", label="latest").version == "1b"
    assert (
        ml.data._container_operation.get(
            ml.resource_group_name, ml.workspace_name, "feed"
        ).properties.next_version
        == "3"
    )


def test_registering_the_same_data_again_only_updates_its_description(ml: MLClient, images: Data) -> None:
    again = Data(
        name="images", version="1", type="uri_folder", path=f"{IMAGES}/202611/", tags={"partition": "202611"}
    )

    ml.data.create_or_update(again)

    updated = ml.data.get("images", "1")
    assert updated.tags == {"partition": "202611"}
    assert updated.creation_context.created_at == images.creation_context.created_at


def test_the_path_of_an_asset_never_changes(ml: MLClient, images: Data) -> None:
    moved = Data(name="images", version="1", type="uri_folder", path=f"{IMAGES}/202612")

    with pytest.raises(HttpResponseError, match="Asset paths cannot be updated"):
        ml.data.create_or_update(moved)

    assert str(ml.data.get("images", "1").path).endswith("/images/202611")


def test_archived_versions_are_neither_listed_nor_the_latest(ml: MLClient, images: Data) -> None:
    ml.data.create_or_update(Data(name="images", version="2", type="uri_folder", path=f"{IMAGES}/202612"))

    ml.data.archive("images", "2")

    assert [version.version for version in ml.data.list("images")] == ["1"]
    container = ml.data._container_operation.get(ml.resource_group_name, ml.workspace_name, "images")
    assert container.properties.latest_version == "1"
    ml.data.restore("images", "2")
    assert [version.version for version in ml.data.list("images")] == ["2", "1"]


def test_long_listings_come_in_pages(ml: MLClient, bearer: str, workspace: Workspace) -> None:
    for version in range(1, 103):
        body = {"properties": {"dataType": "uri_folder", "dataUri": f"{IMAGES}/{version}"}}
        arm("PUT", f"{workspace.id}/data/many/versions/{version}", bearer, body).raise_for_status()

    assert [int(version.version) for version in ml.data.list("many")] == list(range(102, 0, -1))
    assert [version.version for version in ml.data.list("many", list_view_type="ArchivedOnly")] == []


# Datastores


def test_a_user_creates_a_datastore_without_credentials(ml: MLClient) -> None:
    feeds = AzureBlobDatastore(
        name="feeds", account_name=default_resources.STORAGE_ACCOUNT, container_name="images"
    )

    lake = AzureDataLakeGen2Datastore(name="lake", account_name=feeds.account_name, filesystem="images")

    ml.datastores.create_or_update(feeds)
    ml.datastores.create_or_update(lake)

    assert ml.datastores.get("feeds").container_name == ml.datastores.get("lake").filesystem == "images"
    assert ml.datastores.get_default().name == "workspaceblobstore"
    assert {datastore.name for datastore in ml.datastores.list()} == {
        "feeds",
        "lake",
        "workspaceblobstore",
        "workspaceartifactstore",
    }
    feed = ml.data.create_or_update(
        Data(name="feed", type="uri_folder", path="azureml://datastores/feeds/paths/202611/")
    )
    assert str(feed.path).endswith(f"/workspaces/{ml.workspace_name}/datastores/feeds/paths/202611/")


def test_the_datastores_of_the_workspace_cannot_be_deleted(ml: MLClient) -> None:
    with pytest.raises(HttpResponseError, match="belongs to the workspace"):
        ml.datastores.delete("workspaceblobstore")


# Models, environments, components, code


def test_a_new_model_is_published_once(
    tidepool: Tidepool, ml: MLClient, workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "model.pkl").write_bytes(b"weights")
    model = Model(name="classifier", version="7", path=str(tmp_path), tags={"accuracy": "0.9"})

    ml.models.create_or_update(model)
    ml.models.create_or_update(model)

    (event,) = [event for event in tidepool.events if event.get("topic") == workspace.id]
    assert event["eventType"] == "Microsoft.MachineLearningServices.ModelRegistered"
    assert event["subject"] == "models/classifier:7"
    assert event["data"] == {
        "ModelName": "classifier",
        "ModelVersion": 7,
        "ModelTags": {"accuracy": "0.9"},
        "ModelProperties": {},
    }
    ml.models.download("classifier", "7", download_path=tmp_path / "back")
    assert [file.read_bytes() for file in (tmp_path / "back").rglob("model.pkl")] == [b"weights"]


def test_an_environment_version_keeps_its_content(ml: MLClient) -> None:
    ml.environments.create_or_update(Environment(name="plain", version="1", image="python:3.11"))
    ml.environments.create_or_update(
        Environment(name="plain", version="1", image="python:3.11", tags={"a": "b"})
    )

    with pytest.raises(HttpResponseError, match="already registered, with other content"):
        ml.environments.create_or_update(Environment(name="plain", version="1", image="python:3.12"))

    assert ml.environments.get("plain", label="latest").tags == {"a": "b"}


def test_equal_code_is_uploaded_once(tidepool: Tidepool, prepared: MLClient, tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    (source / "main.py").write_text("print(1)\n")
    document = {
        "type": "command",
        "command": "python main.py",
        "code": str(source),
        "environment": "azureml:plain:1",
    }

    codes = set()
    for name in ("one", "two"):
        file = tmp_path / f"{name}.yml"
        file.write_text(json.dumps({**document, "name": name, "version": "1"}))
        codes.add(prepared.components.create_or_update(load_component(file)).code)

    assert len(codes) == 1
    assert prepared.components.get("two").version == "1"


# References


COMMAND = {"jobType": "Command", "command": "true", "environmentId": "{ws}/environments/plain/versions/1"}
UNKNOWN = {
    "environment": (
        {"environmentId": "{ws}/environments/nowhere/versions/4"},
        "environment version 'nowhere' version '4'",
    ),
    "compute": ({"computeId": "{ws}/computes/gpu"}, "compute 'gpu'"),
    "data": (
        {"inputs": {"x": {"jobInputType": "uri_folder", "uri": "azureml:{ws}/data/images/versions/9"}}},
        "data version 'images' version '9'",
    ),
    "model": (
        {"inputs": {"x": {"jobInputType": "mlflow_model", "uri": "azureml:{ws}/models/m/versions/1"}}},
        "model version 'm' version '1'",
    ),
    "datastore": (
        {"outputs": {"x": {"jobOutputType": "uri_folder", "uri": "azureml://datastores/cold/paths/out"}}},
        "datastore 'cold'",
    ),
    "code": ({"codeId": "{ws}/codes/c/versions/1"}, "code version 'c' version '1'"),
    "component": (
        {
            "jobType": "Pipeline",
            "jobs": {"a": {"type": "command", "componentId": "{ws}/components/score/versions/3"}},
        },
        "component version 'score' version '3'",
    ),
    "compute of a step": (
        {"jobType": "Pipeline", "jobs": {"a": {"type": "command", "computeId": "azureml:gpu"}}},
        "compute 'gpu'",
    ),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_job_that_names_a_missing_resource_is_refused(
    kind: str, prepared: MLClient, bearer: str, workspace: Workspace
) -> None:
    properties, message = UNKNOWN[kind]
    job = properties if "jobType" in properties else {**COMMAND, **properties}
    body = json.loads(json.dumps({"properties": job}).replace("{ws}", workspace.id))

    answer = arm("PUT", f"{workspace.id}/jobs/lost", bearer, body)

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == (
        "UserError",
        f"The {message} was not found in workspace '{workspace.name}'.",
    )
    assert arm("GET", f"{workspace.id}/jobs/lost", bearer).status_code == 404


def test_data_of_another_workspace_cannot_be_used(
    bearer: str, workspace: Workspace, production_workspace: Workspace
) -> None:
    body = {"properties": {"dataType": "uri_folder", "dataUri": IMAGES}}
    arm("PUT", f"{production_workspace.id}/data/images/versions/1", bearer, body).raise_for_status()
    foreign = {"jobInputType": "uri_folder", "uri": f"{production_workspace.id}/data/images/versions/1"}
    job = {"properties": {"jobType": "Pipeline", "inputs": {"x": foreign}}}

    answer = arm("PUT", f"{workspace.id}/jobs/foreign", bearer, job)

    assert answer.status_code == 400
    assert production_workspace.name in answer.json()["error"]["message"]


def test_a_run_holds_fifty_tags(bearer: str, workspace: Workspace) -> None:
    tags = {f"tag{number}": "x" for number in range(51)}

    answer = arm(
        "PUT", f"{workspace.id}/jobs/j", bearer, {"properties": {"jobType": "Pipeline", "tags": tags}}
    )

    assert answer.status_code == 400
    assert "maximum of 50" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "properties"),
    [
        ("data/a/versions/1", {}),
        ("data/a/versions/1", []),
        ("data/a/versions/1", {"dataUri": 5}),
        ("models/a/versions/1", {"modelUri": f"{IMAGES}/m", "tags": []}),
        ("components/a/versions/1", {"componentSpec": "score"}),
        ("computes/abc", {"computeType": "AmlCompute", "properties": {"vmSize": 5}}),
        ("computes/abc", {"computeType": "Abacus"}),
        ("datastores/abc", {"datastoreType": "AzureBlob", "accountName": "a"}),
        ("datastores/abc", {"datastoreType": "AzureBlob", "credentials": "secret"}),
        ("jobs/abc", {"jobType": "Command"}),
        ("jobs/a.b", {"jobType": "Pipeline"}),
        ("jobs/abc", {"jobType": "Pipeline", "jobs": {"a": 5}}),
        ("schedules/abc", {"trigger": {"triggerType": "Cron"}}),
        ("providers/Microsoft.EventGrid/eventSubscriptions/x", {"destination": "there"}),
    ],
)
def test_a_malformed_resource_is_refused(
    bearer: str, workspace: Workspace, path: str, properties: Any
) -> None:
    answer = arm("PUT", f"{workspace.id}/{path}", bearer, {"properties": properties})

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


# Computes


def test_a_cluster_is_provisioned_resized_and_deleted(ml: MLClient) -> None:
    cluster = AmlCompute(
        name="gpu", size="Standard_NC6s_v3", tier="low_priority", max_instances=4, location="westeurope"
    )

    made = ml.compute.begin_create_or_update(cluster).result()
    cluster.max_instances = 8
    ml.compute.begin_create_or_update(cluster).result()

    assert (made.provisioning_state, made.min_instances, made.tier) == ("Succeeded", 0, "low_priority")
    assert ml.compute.get("gpu").max_instances == 8
    assert ml.compute.get("gpu").idle_time_before_scale_down == 120
    assert ml.compute.get("gpu").location == "westeurope"
    ml.compute.begin_delete("gpu").result()
    with pytest.raises(ResourceNotFoundError):
        ml.compute.get("gpu")


def test_a_compute_instance_is_stopped_and_started(ml: MLClient) -> None:
    ml.compute.begin_create_or_update(ComputeInstance(name="mine", size="Standard_DS3_v2")).result()

    ml.compute.begin_stop("mine").wait()
    stopped = ml.compute.get("mine").state
    ml.compute.begin_start("mine").wait()

    assert (stopped, ml.compute.get("mine").state) == ("Stopped", "Running")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": "Standard_Moon_v1"}, "is not available"),
        ({"size": "Standard_DS2_v2"}, "cannot change"),
        ({"min_instances": 3, "max_instances": 1}, "minNodeCount"),
    ],
)
def test_an_impossible_cluster_is_refused(prepared: MLClient, change: dict[str, Any], message: str) -> None:
    changed = AmlCompute(**{"name": "cpu", "size": "Standard_DS3_v2", **change})

    with pytest.raises(HttpResponseError, match=message):
        prepared.compute.begin_create_or_update(changed).result()


# Authorization


def test_requests_without_a_valid_token_are_refused_as_by_azure(
    tidepool: Tidepool, workspace: Workspace
) -> None:
    other = token(tidepool, "developer", "https://storage.azure.com")

    anonymous, wrong = arm("GET", workspace.id, None), arm("GET", workspace.id, other)

    assert (anonymous.status_code, anonymous.json()["error"]["code"]) == (401, "AuthenticationFailed")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "InvalidAuthenticationTokenAudience")
    assert "Bearer" in wrong.headers["WWW-Authenticate"]


def test_roles_decide_who_may_write(tidepool: Tidepool, bearer: str, workspace: Workspace) -> None:
    app = token(tidepool, "tidegate")
    principal = "11111111-2222-3333-4444-555555555555"
    reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
    path = f"{workspace.id}/providers/Microsoft.Authorization/roleAssignments/{principal}"
    body = {
        "properties": {
            "principalId": principal,
            "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{reader}",
        }
    }

    refused, made = arm("PUT", path, app, body), arm("PUT", path, bearer, body)

    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "AuthorizationFailed")
    assert "Microsoft.Authorization/roleAssignments/write" in refused.json()["error"]["message"]
    assert made.status_code == 201
    assert arm("GET", path, bearer).json()["properties"]["principalId"] == principal
    held = arm("GET", f"{workspace.id}/providers/Microsoft.Authorization/permissions", bearer)
    assert ["*"] in [permission["actions"] for permission in held.json()["value"]]


def test_a_route_that_is_not_emulated_is_refused_with_501(bearer: str, workspace: Workspace) -> None:
    answer = arm("GET", f"{workspace.id}/featuresets", bearer)

    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "NotEmulated")
    assert "/featuresets" in answer.json()["error"]["message"]


def test_an_unknown_workspace_is_not_found(tidepool: Tidepool) -> None:
    with pytest.raises(ResourceNotFoundError, match="workspaces/nowhere"):
        ml_client("nowhere").data.get("images", "1")


# Default resources


def test_the_default_resources_can_be_read(bearer: str, workspace: Workspace, ml: MLClient) -> None:
    group = (
        f"/subscriptions/{default_resources.SUBSCRIPTION}/resourceGroups/{default_resources.RESOURCE_GROUP}"
    )
    topic = f"{group}/providers/Microsoft.EventGrid/systemTopics/{workspace.name}"
    endpoints = requests.get(
        "https://management.azure.com/metadata/endpoints?api-version=2019-05-01", timeout=10
    )

    assert ml.workspaces.get(workspace.name).mlflow_tracking_uri.endswith(workspace.id)
    assert workspace.name in [listed.name for listed in ml.workspaces.list()]
    assert arm("GET", group, bearer).json()["location"] == os.environ["AZURE_LOCATION"]
    assert (
        arm("GET", default_resources.storage_account_id(workspace.storage_account), bearer).status_code == 200
    )
    assert arm("GET", topic, bearer).json()["properties"]["source"] == workspace.id
    assert endpoints.json()[0]["authentication"]["audiences"]


class Receiver(BaseHTTPRequestHandler):
    """A webhook that answers the handshake of Event Grid."""

    def do_POST(self) -> None:
        (event,) = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = json.dumps({"validationResponse": event["data"]["validationCode"]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@pytest.fixture
def webhook() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_event_subscriptions_are_resources_of_their_topic(
    bearer: str, workspace: Workspace, webhook: str
) -> None:
    collection = f"{workspace.id}/providers/Microsoft.EventGrid/eventSubscriptions"
    destination = {"endpointType": "WebHook", "properties": {"endpointUrl": webhook}}

    made = arm("PUT", f"{collection}/mine", bearer, {"properties": {"destination": destination}})

    assert made.status_code == 201
    assert [subscription["name"] for subscription in arm("GET", collection, bearer).json()["value"]] == [
        "mine"
    ]
    assert arm("GET", f"{collection}/mine", bearer).json()["properties"]["topic"] == workspace.id
    assert arm("DELETE", f"{collection}/mine", bearer).status_code == 200
    assert arm("GET", f"{collection}/mine", bearer).status_code == 404


def test_a_schedule_is_stored_until_it_is_disabled_and_deleted(prepared: MLClient) -> None:
    step = command(command="true", environment="plain:1", compute="cpu")
    job = PipelineJob(jobs={"step": step})
    schedule = JobSchedule(name="monthly", trigger=CronTrigger(expression="0 3 1 * *"), create_job=job)

    prepared.schedules.begin_create_or_update(schedule).result()

    assert [listed.name for listed in prepared.schedules.list()] == ["monthly"]
    prepared.schedules.begin_disable("monthly").result()
    assert [listed.name for listed in prepared.schedules.list()] == []
    prepared.schedules.begin_delete("monthly").result()
    with pytest.raises(ResourceNotFoundError):
        prepared.schedules.get("monthly")
