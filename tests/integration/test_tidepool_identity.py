"""Managed identity, tokens and roles: what they allow, and what is refused as by Azure."""

import os
import time
import uuid
from collections.abc import Callable

import jwt
import pytest
import requests
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Data
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import ClientSecretCredential, DefaultAzureCredential, ManagedIdentityCredential
from tests.support.azure_clients import container_client, ml_client
from tests.support.roles import ARM, BLOB_DATA_CONTRIBUTOR, DATA_SCIENTIST, OWNER, claims, without_role

from tidepool.cloud import StorageAccount, Tidepool, Workspace

ML, STORAGE = "https://ml.azure.com", "https://storage.azure.com"
Get = Callable[..., requests.Response]


def arm_token() -> str:
    return DefaultAzureCredential().get_token(f"{ARM}/.default").token


@pytest.fixture
def read_workspace(workspace: Workspace) -> Get:
    def read(token: str | None) -> requests.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return requests.get(f"{ARM}{workspace.id}?api-version=2024-04-01", headers=headers, timeout=10)

    return read


@pytest.mark.parametrize("audience", [ARM, ML, STORAGE, "https://eventgrid.azure.net"])
def test_a_token_is_for_its_audience_and_lasts(tidepool: Tidepool, audience: str) -> None:
    token = DefaultAzureCredential().get_token(f"{audience}/.default")

    assert claims(token.token)["aud"] == audience
    assert token.expires_on - time.time() > 300


def test_a_user_assigned_identity_is_selected_by_its_client_id(tidepool: Tidepool) -> None:
    client_id = str(claims(arm_token())["appid"])

    token = ManagedIdentityCredential(client_id=client_id).get_token(f"{ARM}/.default").token

    assert claims(token)["appid"] == client_id


def test_a_service_principal_signs_in_with_its_secret(tidepool: Tidepool, read_workspace: Get) -> None:
    made = tidepool.create_service_principal("pipeline")
    credential = ClientSecretCredential(made.tenant_id, made.client_id, made.client_secret)
    token = credential.get_token(f"{ARM}/.default").token
    refused = {
        "AADSTS7000215": (made.tenant_id, made.client_id, "x"),
        "AADSTS700016": (made.tenant_id, str(uuid.uuid4()), made.client_secret),
        "AADSTS90002": (str(uuid.uuid4()), made.client_id, made.client_secret),
    }

    assert (claims(token)["oid"], claims(token)["appid"]) == (made.id, made.client_id)
    assert read_workspace(token).status_code == 403
    for code, ids in refused.items():
        with pytest.raises(ClientAuthenticationError, match=code):
            ClientSecretCredential(*ids).get_token(f"{ARM}/.default")


def test_the_endpoint_answers_as_app_service_does(tidepool: Tidepool) -> None:
    query = {"api-version": "2019-08-01", "resource": ARM}
    header = {"X-IDENTITY-HEADER": os.environ["IDENTITY_HEADER"]}

    answer = requests.get(os.environ["IDENTITY_ENDPOINT"], params=query, headers=header, timeout=5)

    assert set(answer.json()) == {"access_token", "client_id", "expires_on", "resource", "token_type"}
    assert answer.json()["expires_on"].isdigit()
    assert requests.get(os.environ["IDENTITY_ENDPOINT"], params=query, timeout=5).status_code == 401
    unknown = {**query, "client_id": str(uuid.uuid4())}
    assert (
        requests.get(os.environ["IDENTITY_ENDPOINT"], params=unknown, headers=header, timeout=5).status_code
        == 400
    )


def test_each_principal_gets_its_own_identity(tidepool: Tidepool, workspace: Workspace) -> None:
    def appid(principal: str) -> object:
        environment = tidepool.environment(principal)
        answer = requests.get(
            environment["IDENTITY_ENDPOINT"],
            params={"api-version": "2019-08-01", "resource": ARM},
            headers={"X-IDENTITY-HEADER": environment["IDENTITY_HEADER"]},
            timeout=5,
        )
        return claims(answer.json()["access_token"])["appid"]

    assert len({appid(principal) for principal in ("developer", "tidegate", workspace.id)}) == 3


def test_a_valid_token_is_accepted(read_workspace: Get) -> None:
    assert read_workspace(arm_token()).status_code == 200


def forged() -> str:
    return jwt.encode(claims(arm_token()), "another secret, which is long enough", "HS256")


def for_storage() -> str:
    return DefaultAzureCredential().get_token(f"{STORAGE}/.default").token


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (lambda: None, "AuthenticationFailed"),
        (lambda: "not a token", "InvalidAuthenticationToken"),
        (forged, "InvalidAuthenticationToken"),
        (for_storage, "InvalidAuthenticationTokenAudience"),
    ],
)
def test_an_invalid_token_is_refused_as_by_azure(
    read_workspace: Get, token: Callable[[], str | None], code: str
) -> None:
    answer = read_workspace(token())

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == code
    assert answer.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")


def test_an_expired_token_is_refused(tidepool: Tidepool, read_workspace: Get) -> None:
    answer = read_workspace(tidepool.token(ARM, lifetime_s=-10))

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "ExpiredAuthenticationToken")


@pytest.mark.parametrize(
    "url",
    [
        "https://japaneast.api.azureml.ms/history/v1.0{id}/experiments/e/runs/r",
        "https://japaneast.api.azureml.ms/mlflow/v2.0{id}/api/2.0/mlflow/experiments/get?experiment_id=1",
        "https://tidegate-events.japaneast-1.eventgrid.azure.net/api/events?api-version=2018-01-01",
    ],
)
def test_data_plane_mlflow_and_event_grid_require_a_token(workspace: Workspace, url: str) -> None:
    method = "POST" if "eventgrid" in url else "GET"
    wrong = {"Authorization": f"Bearer {for_storage()}"}

    for headers in ({}, wrong):
        answer = requests.request(method, url.format(id=workspace.id), headers=headers, json=[], timeout=60)
        assert answer.status_code == 401


@pytest.fixture
def app_client(tidepool: Tidepool, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> MLClient:
    """Return a client of Azure ML with the identity of the functions app."""
    monkeypatch.setenv("IDENTITY_HEADER", tidepool.environment("tidegate")["IDENTITY_HEADER"])
    return ml_client(workspace.name, ManagedIdentityCredential())


def test_without_its_role_the_app_is_refused(tidepool: Tidepool, app_client: MLClient) -> None:
    path = "azureml://datastores/workspaceblobstore/paths/digits/"
    app_client.data.create_or_update(Data(name="digits", version="1", path=path, type="uri_folder"))

    with without_role(tidepool, "tidegate", DATA_SCIENTIST), pytest.raises(HttpResponseError) as refused:
        app_client.data.create_or_update(Data(name="digits", version="2", path=path, type="uri_folder"))

    assert refused.value.status_code == 403
    assert "(AuthorizationFailed)" in refused.value.message
    assert app_client.data.get("digits", "1").version == "1"


def test_storage_requires_a_role_for_its_data(
    tidepool: Tidepool, storage_account: StorageAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    container_client(storage_account.name, "images").create_container()
    monkeypatch.setenv("IDENTITY_HEADER", tidepool.environment("tidegate")["IDENTITY_HEADER"])
    app = container_client(storage_account.name, "images", ManagedIdentityCredential())
    app.upload_blob("a.txt", b"1")

    with (
        without_role(tidepool, "tidegate", BLOB_DATA_CONTRIBUTOR),
        pytest.raises(HttpResponseError) as refused,
    ):
        app.upload_blob("b.txt", b"1")

    assert (refused.value.status_code, refused.value.error_code) == (403, "AuthorizationPermissionMismatch")
    assert [blob.name for blob in app.list_blobs()] == ["a.txt"]


def test_storage_refuses_a_forged_token_and_one_for_another_audience(
    tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    url = f"https://{storage_account.name}.blob.core.windows.net/images?restype=container"
    forged_token = jwt.encode(claims(for_storage()), "another secret, which is long enough", "HS256")

    for token in (forged_token, arm_token()):
        headers = {"Authorization": f"Bearer {token}", "x-ms-version": "2021-12-02"}
        assert requests.put(url, headers=headers, timeout=5).status_code == 401


def test_the_app_may_not_assign_roles_to_itself(tidepool: Tidepool, workspace: Workspace) -> None:
    token = tidepool.token(ARM, "tidegate")
    url = f"{ARM}{workspace.id}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    body = {"properties": {"principalId": claims(token)["oid"], "roleDefinitionId": OWNER}}

    answer = requests.put(url, headers={"Authorization": f"Bearer {token}"}, json=body, timeout=5)

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "AuthorizationFailed")
    assert "Microsoft.Authorization/roleAssignments/write" in answer.json()["error"]["message"]


def test_permissions_are_those_of_the_caller(tidepool: Tidepool, workspace: Workspace) -> None:
    url = f"{ARM}{workspace.id}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"

    def actions(principal: str) -> set[str]:
        headers = {"Authorization": f"Bearer {tidepool.token(ARM, principal)}"}
        granted = requests.get(url, headers=headers, timeout=5).json()["value"]
        return {action for permission in granted for action in permission["actions"]}

    assert "*" in actions("developer")
    assert "Microsoft.MachineLearningServices/workspaces/*/write" in actions("tidegate")
    assert "*" not in actions("tidegate")
