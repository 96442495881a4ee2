"""Managed online endpoints through the unmodified SDK: provisioning, predictions, traffic and metrics."""

import json
import uuid
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from azure.ai.ml import MLClient
from azure.ai.ml.entities import (
    Environment,
    IdentityConfiguration,
    ManagedIdentityConfiguration,
    ManagedOnlineEndpoint,
    Model,
    OnlineRequestSettings,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from tests.support.arm_requests import arm
from tests.support.azure_clients import ml_client
from tests.support.online_endpoint import NUMBERS, SCRIPT, OnlineEndpoint
from tests.support.roles import BLOB_DATA_READER, without_role

from tidepool.cloud import Tidepool, Workspace
from tidepool.default_resources import storage_account_id


@pytest.fixture
def online(ml: MLClient, tmp_path: Path) -> OnlineEndpoint:
    return OnlineEndpoint(ml, tmp_path)


@pytest.fixture(scope="module")
def steady(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> OnlineEndpoint:
    """Return an endpoint with live traffic on blue and none on green, for tests that change nothing."""
    online = OnlineEndpoint(ml_client(tidepool.create_workspace().name), tmp_path_factory.mktemp("steady"))
    online.deploy("blue", 2, environment_variables={"NOTE": "in grams"})
    online.deploy("green", 3)
    online.route(blue=100)
    return online


@pytest.fixture
def bearer(tidepool: Tidepool) -> str:
    return tidepool.token("https://management.azure.com")


def metric(bearer: str, resource: str, name: str, condition: str = "") -> list[dict[str, Any]]:
    """Return the time series of the last minutes, in the format that azure-monitor-query reads."""
    now = datetime.now(UTC)
    answer = requests.get(
        f"https://management.azure.com{resource}/providers/microsoft.insights/metrics",
        params={
            "api-version": "2023-10-01",
            "metricnames": name,
            "timespan": f"{(now - timedelta(minutes=10)).isoformat()}/{now.isoformat()}",
            "interval": "PT1M",
            "aggregation": "Average",
            **({"$filter": condition} if condition else {}),
        },
        headers={"Authorization": f"Bearer {bearer}"},
        timeout=10,
    )
    answer.raise_for_status()
    (value,) = answer.json()["value"]
    return list(value["timeseries"])


EACH = "deployment eq '*' and statusCode eq '*' and statusCodeClass eq '*' and modelStatusCode eq '*'"


def counts(bearer: str, online: OnlineEndpoint, dimension: str) -> dict[str, float]:
    """Return how many requests had each value of a dimension.

    Azure has only averages, so the counts are those of each combination of all dimensions in a minute.
    """
    totals: dict[str, float] = defaultdict(float)
    for series in metric(bearer, online.id, "RequestsPerMinute", EACH):
        values = {entry["name"]["value"]: entry["value"] for entry in series["metadatavalues"]}
        totals[values[dimension]] += sum(point.get("average", 0) for point in series["data"])
    return dict(totals)


# Predictions


@pytest.mark.usefixtures("own_invoke_headers")
def test_a_script_answers_and_its_output_is_in_the_log(steady: OnlineEndpoint, tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_text(json.dumps(NUMBERS))

    live = steady.ml.online_endpoints.invoke(steady.name, request_file=str(request))
    other = steady.ml.online_endpoints.invoke(steady.name, request_file=str(request), deployment_name="green")

    assert (json.loads(live), json.loads(other)) == ([2, 4], [3, 6])
    logs = steady.ml.online_deployments.get_logs("blue", steady.name, lines=50)
    assert "weights are {'factor': 2} in grams" in logs
    fetched = steady.ml.online_deployments.get_logs(
        "blue", steady.name, lines=50, container_type="storage-initializer"
    )
    assert "fetching the model from https://" in fetched


CONDA = """
dependencies:
  - python=3.8
  - pyyaml=0.1
  - pip: [nowhere-to-find==4.2]
"""


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("import nowhere_to_find", r"requirement nowhere-to-find==4.2 of the environment pinned:1 is not"),
        ("raise ValueError('no such format')", r"pinned:1 is not built, .* pyyaml==0\.1\.\* \(\d"),
    ],
)
def test_a_failed_deployment_names_what_its_environment_requires(
    online: OnlineEndpoint, tmp_path: Path, line: str, reason: str
) -> None:
    (tmp_path / "conda.yml").write_text(CONDA)
    pinned = Environment(name="pinned", version="1", image="python:3.8", conda_file=tmp_path / "conda.yml")
    online.ml.environments.create_or_update(pinned)
    online.script.write_text(line)

    with pytest.raises(HttpResponseError, match=reason):
        online.deploy("blue", environment="azureml:pinned:1")

    fetched = online.ml.online_deployments.get_logs(
        "blue", online.name, lines=50, container_type="storage-initializer"
    )
    assert "nowhere-to-find==4.2: not installed" in fetched


def test_a_failing_model_is_a_failed_dependency(steady: OnlineEndpoint) -> None:
    answer = steady.ask({"fail": True})

    assert answer.status_code == 424
    assert answer.headers["ms-azureml-model-error-statuscode"] == "500"
    assert answer.headers["azureml-model-deployment"] == "blue"
    assert "these numbers do not fit" in answer.text


SIGNATURE = """
signature:
  inputs: '[{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 2, 2, 1]}}]'
"""
MEANS = """
class Means:
    def predict(self, images):
        return images.reshape(len(images), -1).mean(axis=1)

def _load_pyfunc(path):
    return Means()
"""


def register_mlflow_model(
    online: OnlineEndpoint, tmp_path: Path, name: str, loader: str, signature: str = ""
) -> None:
    """Register a model whose predictions are made by the object that `_load_pyfunc` of a module returns."""
    folder = tmp_path / name
    (folder / "code").mkdir(parents=True)
    flavors = f"flavors:\n  python_function: {{loader_module: {name}, code: code}}"
    (folder / "MLmodel").write_text(flavors + signature)
    (folder / "code" / f"{name}.py").write_text(loader)
    model = Model(name=name, version="1", path=str(folder), type="mlflow_model")
    online.ml.models.create_or_update(model)


def test_an_mlflow_model_needs_no_script(online: OnlineEndpoint, tmp_path: Path) -> None:
    register_mlflow_model(online, tmp_path, "means", MEANS, signature=SIGNATURE)

    online.deploy("blue", model="azureml:means:1", code_configuration=None, environment=None)

    pictures = [[[[10], [20]], [[30], [40]]], [[[1], [1]], [[1], [1]]]]
    assert online.ask({"input_data": pictures}, "blue").json() == [25.0, 1.0]
    assert online.ask({"instances": pictures}, "blue").json() == {"predictions": [25.0, 1.0]}
    refused = online.ask({"input_data": [[["a"]]]}, "blue")
    assert (refused.status_code, refused.headers["ms-azureml-model-error-statuscode"]) == (424, "400")


PROCESS = """
import os
import numpy

class Process:
    def predict(self, data):
        return [numpy.random.random(), os.getcwd(), os.environ["AZUREML_MODEL_DIR"], str(os.getpid())]

def _load_pyfunc(path):
    print("loaded")
    return Process()
"""


def test_processes_of_mlflow_models_share_imports_and_nothing_else(
    tidepool: Tidepool, online: OnlineEndpoint, tmp_path: Path
) -> None:
    register_mlflow_model(online, tmp_path, "process", PROCESS)
    for name in ("blue", "green"):
        online.deploy(name, model="azureml:process:1", code_configuration=None, environment=None)
    alone = {"code_configuration": None, "environment_variables": {"MLFLOW_LOGGING_LEVEL": "ERROR"}}
    online.deploy("red", model="azureml:process:1", environment=None, **alone)

    def answers(*names: str) -> list[list[Any]]:
        return [online.ask({"inputs": [[1]]}, name).json()["predictions"] for name in names]

    each = answers("blue", "green", "red")
    blue, green, red = (psutil.Process(int(answer[-1])) for answer in each)
    assert [len(set(values)) for values in zip(*each, strict=True)] == [3, 3, 3, 3]
    assert blue.parent() == green.parent() != red.parent()

    blue.parent().kill()  # what the forks come from
    psutil.wait_procs([blue, green], timeout=30)
    tidepool.settle()
    tidepool.advance(1)
    tidepool.settle()

    assert [answer[1:3] for answer in answers("blue", "green")] == [answer[1:3] for answer in each[:2]]
    logs = online.ml.online_deployments.get_logs("blue", online.name, lines=50)
    assert logs.count("loaded") == 2


WHOLE_REQUEST = """
from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse

def init():
    pass

@rawhttp
def run(request: AMLRequest):
    files = request.files.getlist("file[]")
    if not files:
        return AMLResponse("no file", status_code=422)
    response = AMLResponse(files[0].stream.read()[::-1], 200)
    response.mimetype = "image/png"
    return response
"""


def test_a_script_can_take_and_return_whole_messages(online: OnlineEndpoint) -> None:
    online.script.write_text(WHOLE_REQUEST)
    online.deploy("blue")
    key = online.ml.online_endpoints.get_keys(online.name).primary_key
    headers = {"Authorization": f"Bearer {key}", "azureml-model-deployment": "blue"}

    answer = requests.post(online.uri, files={"file[]": b"\x00\xff\x01"}, headers=headers)
    refused = requests.post(online.uri, data=b"", headers=headers)

    assert (answer.content, answer.headers["content-type"]) == (b"\x01\xff\x00", "image/png")
    assert (refused.status_code, refused.headers["ms-azureml-model-error-statuscode"]) == (424, "422")


IDENTITY = """
import json, os, urllib.request

def init():
    pass

def run(text):
    url = os.environ["MSI_ENDPOINT"] + "?resource=https://storage.azure.com/&api-version=2017-09-01"
    request = urllib.request.Request(url, headers={"secret": os.environ["MSI_SECRET"]})
    return sorted(json.loads(urllib.request.urlopen(request).read()))
"""


def test_a_script_gets_tokens_of_its_endpoint_and_a_description(online: OnlineEndpoint) -> None:
    online.script.write_text(IDENTITY)
    online.deploy("blue", 1)
    online.route(blue=100)
    key = online.ml.online_endpoints.get_keys(online.name).primary_key
    swagger = online.uri.replace("/score", "/swagger.json")
    headers = {"Authorization": f"Bearer {key}"}

    described = [requests.get(f"{swagger}?version={number}", headers=headers) for number in (2, 3, 4)]

    assert "access_token" in online.ask({}, "blue").json()
    assert described[0].json()["definitions"]["ServiceInput"] == {"type": "object", "example": {}}
    assert described[1].json()["openapi"] == "3.0.3"
    assert described[2].status_code == 404


# Traffic


def test_traffic_is_split_as_it_was_set_and_counted(bearer: str, online: OnlineEndpoint) -> None:
    online.deploy("blue", 2)
    online.deploy("green", 3)
    online.route(blue=70, green=30)
    key = online.ml.online_endpoints.get_keys(online.name).primary_key

    answers = [online.ask(key=key).headers["azureml-model-deployment"] for _ in range(40)]
    online.ask({"fail": True}, "green", key)

    shares = {name: answers.count(name) for name in ("blue", "green")}
    assert 4 <= shares["green"] <= 22
    assert counts(bearer, online, "deployment") == {**shares, "green": shares["green"] + 1}
    assert counts(bearer, online, "statuscodeclass") == {"2xx": 40, "4xx": 1}
    failed = metric(
        bearer, online.id, "RequestsPerMinute", "deployment eq 'green' and statusCodeClass ne '2xx'"
    )
    assert [series["metadatavalues"][0]["value"] for series in failed] == ["green"]
    (slow,) = metric(bearer, f"{online.id}/deployments/green", "RequestLatency_P95")
    assert max(point.get("average", 0) for point in slow["data"]) > 0


def test_mirrored_requests_are_answered_by_the_live_deployment(
    tidepool: Tidepool, bearer: str, online: OnlineEndpoint
) -> None:
    online.deploy("blue", 2)
    online.deploy("green", 3)
    online.route(blue=100, mirror={"green": 50})
    key = online.ml.online_endpoints.get_keys(online.name).primary_key

    answers = [online.ask(key=key).json() for _ in range(20)]

    assert answers == [[2, 4]] * 20
    tidepool.settle()
    requests_of = counts(bearer, online, "deployment")
    assert requests_of["blue"] == 20
    assert 2 <= requests_of["green"] <= 18
    assert online.ml.online_endpoints.get(online.name).mirror_traffic == {"green": 50}


def test_without_traffic_no_deployment_answers(online: OnlineEndpoint) -> None:
    answer = online.ask()

    assert answer.status_code == 404
    assert "No valid deployments to route to" in answer.text


# Rules


REFUSED = {
    "half of the traffic": ({"traffic": {"blue": 50}}, "must be 0 or 100"),
    "traffic to an unknown deployment": ({"traffic": {"blue": 50, "red": 50}}, "'red', which does not exist"),
    "traffic that is not a number": ({"traffic": {"blue": "all"}}, "must be a whole number"),
    "too much mirrored": (
        {"traffic": {"blue": 100}, "mirrorTraffic": {"green": 51}},
        "must be from 0 to 50",
    ),
    "mirrored to the live deployment": (
        {"traffic": {"blue": 100}, "mirrorTraffic": {"blue": 10}},
        "takes live traffic",
    ),
    "mirrored to two": (
        {"mirrorTraffic": {"blue": 10, "green": 10}},
        "to one deployment only",
    ),
    "an unknown authMode": ({"authMode": "Password"}, "must be one of Key"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_traffic_that_azure_refuses(what: str, steady: OnlineEndpoint, bearer: str) -> None:
    properties, message = REFUSED[what]

    answer = arm("PUT", steady.id, bearer, {"location": "japaneast", "properties": properties})

    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]
    assert arm("GET", steady.id, bearer).json()["properties"]["traffic"] == {"blue": 100}


def test_what_is_in_use_cannot_be_deleted(steady: OnlineEndpoint, bearer: str) -> None:
    with pytest.raises(HttpResponseError, match="its traffic is 100 %"):
        steady.ml.online_deployments.begin_delete("blue", steady.name).result()
    model = steady.id.partition("/onlineEndpoints/")[0] + "/models/factors/versions/2"
    refused = arm("DELETE", model, bearer)

    assert (refused.status_code, "digits/blue uses it" in refused.text) == (409, True)
    assert steady.ask().status_code == 200


MLFLOW = {"modelType": "mlflow_model"}
PLACE = "azureml://datastores/workspaceblobstore/paths/nowhere"
DEPLOYMENT = {"model": "{ws}/models/factors/versions/2", "instanceType": "Standard_DS3_v2"}
CODE = {"codeConfiguration": {"codeId": "{ws}/codes/c/versions/1", "scoringScript": "score.py"}}


@pytest.mark.parametrize(
    ("name", "properties", "message"),
    [
        ("x", DEPLOYMENT, "3 to 32 letters"),
        ("9red", DEPLOYMENT, "3 to 32 letters"),
        ("red", {}, "is not a VM size"),
        ("red", DEPLOYMENT, "needs a model of type mlflow_model"),
        ("red", {**DEPLOYMENT, **CODE}, "was not found"),
        ("red", {**DEPLOYMENT, "model": "{ws}/models/factors/versions/99"}, "was not found"),
        ("red", {**DEPLOYMENT, "requestSettings": {"requestTimeout": "soon"}}, "is not a duration"),
    ],
)
def test_deployments_that_azure_refuses(
    name: str, properties: dict[str, Any], message: str, steady: OnlineEndpoint, bearer: str
) -> None:
    workspace = steady.id.partition("/onlineEndpoints/")[0]
    body = json.loads(json.dumps({"properties": properties}).replace("{ws}", workspace))

    answer = arm("PUT", f"{steady.id}/deployments/{name}", bearer, body)

    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


# Who may ask


def test_a_wrong_key_is_refused_and_a_new_one_replaces_the_old(online: OnlineEndpoint) -> None:
    online.deploy("blue")
    online.route(blue=100)
    old = online.ml.online_endpoints.get_keys(online.name)

    online.ml.online_endpoints.begin_regenerate_keys(online.name, key_type="primary").result()

    new = online.ml.online_endpoints.get_keys(online.name)
    assert new.secondary_key == old.secondary_key
    statuses = [online.ask(key=key).status_code for key in (old.primary_key, new.primary_key, "wrong")]
    assert statuses == [401, 200, 401]
    assert requests.post(online.uri, json=NUMBERS, timeout=10).status_code == 401


@pytest.mark.parametrize("mode", ["aml_token", "aad_token"])
def test_endpoints_with_token_authorization_accept_tokens(
    mode: str, tidepool: Tidepool, online: OnlineEndpoint
) -> None:
    endpoint = ManagedOnlineEndpoint(name=f"by-{mode.replace('_', '-')}", auth_mode=mode)
    made = online.ml.online_endpoints.begin_create_or_update(endpoint).result()
    held = online.ml.online_endpoints.get_keys(made.name).access_token
    wrong = tidepool.token("https://management.azure.com")

    def ask(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.post(made.scoring_uri, json=NUMBERS, headers=headers, timeout=10).status_code

    assert (ask(held), ask(wrong)) == (404, 401)  # authorized, but no deployment takes traffic


# Provisioning


def deployed_events(tidepool: Tidepool) -> list[dict[str, Any]]:
    return [event for event in tidepool.events if event.get("eventType", "").endswith("ModelDeployed")]


def test_provisioning_takes_time_and_nothing_else_happens_meanwhile(
    faults: Tidepool, bearer: str, online: OnlineEndpoint
) -> None:
    model = online.deployment("blue", 2, tags={"team": "sea"})
    faults.fault("provisioning", "delay", value=900, match={"deployment": "blue"})

    poller = online.begin(model)

    assert not poller.done()
    assert online.ml.online_deployments.get("blue", online.name).provisioning_state == "Creating"
    endpoint = arm("GET", online.id, bearer).json()
    refused = arm("PUT", online.id, bearer, endpoint)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "Conflict")
    faults.advance(900)
    assert poller.result().provisioning_state == "Succeeded"
    event = deployed_events(faults)[-1]
    assert event["topic"] + "/onlineEndpoints/digits" == online.id
    assert event["subject"] == "endpoints/digits"
    assert event["data"] == {
        "ServiceName": "digits",
        "ServiceComputeType": "Managed",
        "ModelIds": "factors:2",
        "ServiceTags": {"team": "sea"},
        "ServiceProperties": {},
    }


def test_a_failed_deployment_can_be_repaired(faults: Tidepool, online: OnlineEndpoint) -> None:
    online.script.write_text("def init():\n    raise RuntimeError('no weights')\n\ndef run(text): ...\n")
    deployed = len(deployed_events(faults))

    with pytest.raises(HttpResponseError, match="no weights"):
        online.deploy("blue")
    faults.fault("provisioning", "fail", match={"deployment": "green"})
    with pytest.raises(HttpResponseError, match="A fault rule of Tidepool made this deployment fail"):
        online.deploy("green")

    assert online.ml.online_deployments.get("blue", online.name).provisioning_state == "Failed"
    assert "RuntimeError" in online.ml.online_deployments.get_logs("blue", online.name, lines=20)
    with pytest.raises(HttpResponseError, match="provisioning state is Failed"):
        online.route(blue=100)
    assert online.ask(deployment="blue").status_code == 503
    assert len(deployed_events(faults)) == deployed
    online.script.write_text(SCRIPT)
    assert online.deploy("green", 3).provisioning_state == "Succeeded"
    assert online.ask(deployment="green").json() == [3, 6]


def test_an_endpoint_needs_a_role_for_its_model(tidepool: Tidepool, online: OnlineEndpoint) -> None:
    with (
        without_role(tidepool, online.id, BLOB_DATA_READER),
        pytest.raises(HttpResponseError, match=r"'digits'.*has no role.*Storage Blob Data Reader"),
    ):
        online.deploy("blue")

    assert online.deploy("blue").provisioning_state == "Succeeded"


def test_an_endpoint_acts_as_its_user_assigned_identity(
    ml: MLClient, workspace: Workspace, bearer: str, tmp_path: Path
) -> None:
    group = workspace.id.partition("/providers/")[0]
    path = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{workspace.name}"
    own = arm("PUT", path, bearer, {"location": "japaneast"}).json()
    identity = IdentityConfiguration(
        type="user_assigned", user_assigned_identities=[ManagedIdentityConfiguration(resource_id=own["id"])]
    )
    online = OnlineEndpoint(ml, tmp_path, identity=identity)
    client_id = own["properties"]["clientId"]
    online.script.write_text(IDENTITY.replace("?resource", f"?clientid={client_id}&resource"))
    with pytest.raises(HttpResponseError, match=rf"{own['properties']['principalId']}.*has no role"):
        online.deploy("blue")

    role = {
        "principalId": own["properties"]["principalId"],
        "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{BLOB_DATA_READER}",
    }
    scope = f"{storage_account_id(workspace.storage_account)}/providers/Microsoft.Authorization"
    arm("PUT", f"{scope}/roleAssignments/{uuid.uuid4()}", bearer, {"properties": role}).raise_for_status()

    online.deploy("blue")
    assert "access_token" in online.ask({}, "blue").json()


def test_a_deployment_is_replaced_without_a_gap_and_deleted_with_its_endpoint(online: OnlineEndpoint) -> None:
    online.deploy("blue", 2)
    online.route(blue=100)
    assert online.ask().json() == [2, 4]

    online.deploy("blue", 5)

    assert online.ask().json() == [5, 10]
    assert [deployment.name for deployment in online.ml.online_deployments.list(online.name)] == ["blue"]
    online.ml.online_endpoints.begin_delete(online.name).result()
    with pytest.raises(ResourceNotFoundError):
        online.ml.online_endpoints.get(online.name)
    assert requests.post(online.uri, json=NUMBERS, timeout=10).status_code == 404
    assert list(online.ml.online_endpoints.list()) == []


def test_a_patch_changes_tags_and_instances_and_nothing_else(
    tidepool: Tidepool, bearer: str, online: OnlineEndpoint
) -> None:
    deployment = online.deploy("blue", 2)

    scaled = arm("PATCH", str(deployment.id), bearer, {"sku": {"capacity": 3}, "tags": {"a": "b"}})
    tidepool.settle()
    refused = arm("PATCH", online.id, bearer, {"properties": {"traffic": {"blue": 100}}})

    assert (scaled.status_code, refused.status_code) == (202, 400)
    after = online.ml.online_deployments.get("blue", online.name)
    assert (after.instance_count, after.tags, after.provisioning_state) == (3, {"a": "b"}, "Succeeded")
    assert "use PUT" in refused.text
    assert online.ask(deployment="blue").json() == [2, 4]


# Trouble


def test_a_process_that_dies_is_noticed_and_started_again(tidepool: Tidepool, online: OnlineEndpoint) -> None:
    online.deploy("blue", 2)
    online.route(blue=100)

    died, meanwhile = online.ask({"die": True}), online.ask()

    assert (died.status_code, meanwhile.status_code) == (424, 503)
    assert died.headers["ms-azureml-model-error-statuscode"] == "502"
    tidepool.advance(1)
    tidepool.settle()
    assert online.ask().json() == [2, 4]
    logs = online.ml.online_deployments.get_logs("blue", online.name, lines=50)
    assert "the process ended with status 3" in logs


def test_fault_rules_make_a_deployment_slow_and_fail(
    faults: Tidepool, bearer: str, online: OnlineEndpoint
) -> None:
    online.deploy("blue", 2)
    online.route(blue=100)
    faults.fault("scoring", "status", value=503, match={"workspace": online.ml.workspace_name})
    faults.fault("scoring", "slow", value=0.2, skip=1, match={"workspace": online.ml.workspace_name})

    failed, slow = online.ask(), online.ask()

    assert (failed.status_code, slow.status_code) == (503, 200)
    assert counts(bearer, online, "statuscodeclass") == {"5xx": 1, "2xx": 1}
    (latency,) = metric(bearer, online.id, "RequestLatency_P99", "deployment eq 'blue'")
    assert max(point.get("average", 0) for point in latency["data"]) > 200


def test_two_workspaces_may_have_an_endpoint_of_the_same_name(
    online: OnlineEndpoint, production_workspace: Workspace
) -> None:
    other = ml_client(production_workspace.name)

    made = other.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="digits")).result()

    assert made.scoring_uri != online.uri
    assert other.online_endpoints.get_keys("digits").primary_key != (
        online.ml.online_endpoints.get_keys("digits").primary_key
    )


def test_a_deployment_that_is_too_slow_or_overloaded_answers_with_an_error(
    faults: Tidepool, online: OnlineEndpoint
) -> None:
    settings = OnlineRequestSettings(request_timeout_ms=300, max_concurrent_requests_per_instance=1)
    online.deploy("blue", 2, request_settings=settings)
    key = online.ml.online_endpoints.get_keys(online.name).primary_key
    faults.fault("scoring", "slow", times=None, match={"workspace": online.ml.workspace_name})

    with ThreadPoolExecutor(4) as four:
        answers = [four.submit(online.ask, NUMBERS, "blue", key) for _ in range(4)]

    assert sorted(answer.result().status_code for answer in answers) == [408, 408, 429, 429]


def test_an_endpoint_has_room_for_twenty_deployments(
    faults: Tidepool, bearer: str, online: OnlineEndpoint
) -> None:
    online.deployment("any")
    faults.fault("provisioning", "fail", times=None, match={"workspace": online.ml.workspace_name})
    workspace = online.id.partition("/onlineEndpoints/")[0]
    arm("PUT", f"{workspace}/models/m/versions/1", bearer, {"properties": {**MLFLOW, "modelUri": PLACE}})
    body = {"properties": {"model": f"{workspace}/models/m/versions/1", "instanceType": "Standard_F4s_v2"}}

    statuses = []
    for number in range(21):
        answer = arm("PUT", f"{online.id}/deployments/one-{number}", bearer, body)
        statuses.append(answer.status_code)
        faults.settle()

    assert statuses == [201] * 20 + [400]
    assert "at most 20 deployments" in answer.text


@pytest.mark.long
def test_endpoints_survive_a_restart_of_tidepool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Tidepool(tmp_path / "data") as first:
        workspace = first.create_workspace()
        online = OnlineEndpoint(_enter(first, workspace, monkeypatch), tmp_path)
        online.deploy("blue", 2)
        online.route(blue=100)
        key = online.ml.online_endpoints.get_keys(online.name).primary_key
        assert online.ask(key=key).json() == [2, 4]
        serving = [
            process for process in _below(first) if "tidepool.endpoints.scoring_server" in process.cmdline()
        ]
        first.fault("provisioning", "delay")
        online.begin(online.deployment("green", 3))
    gone = [not process.is_running() for process in serving]

    with Tidepool(tmp_path / "data") as second:
        online.ml = _enter(second, workspace, monkeypatch)
        assert online.ask(key=key).json() == [2, 4]
        interrupted = online.ml.online_deployments.get("green", online.name)
        asked = counts(second.token("https://management.azure.com"), online, "deployment")

    assert gone == [True]
    assert interrupted.provisioning_state == "Failed"
    assert asked == {"blue": 2}


def _enter(cloud: Tidepool, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> MLClient:
    for variable, value in cloud.environment().items():
        monkeypatch.setenv(variable, value)
    return ml_client(workspace.name)


def _below(cloud: Tidepool) -> list[psutil.Process]:
    return psutil.Process(cloud.status()["pid"]).children(recursive=True)
