"""Roles at workspaces: jobs may write in their own workspace, and in others only with a role there."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.ai.ml import Input, MLClient, Output, command
from azure.ai.ml.entities import (
    AmlCompute,
    AzureBlobDatastore,
    Data,
    Environment,
    IdentityConfiguration,
    SasTokenConfiguration,
    ServicePrincipalConfiguration,
    UserIdentityConfiguration,
)
from azure.ai.ml.entities import Workspace as MLWorkspace
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import generate_container_sas
from tests.support.azure_clients import container_client, ml_client
from tests.support.roles import (
    ARM,
    BLOB_DATA_CONTRIBUTOR,
    BLOB_DATA_OWNER,
    BLOB_DATA_READER,
    DATA_SCIENTIST,
    OWNER,
    READER,
    claims,
)

from tidepool.cloud import Tidepool, Workspace

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
PATH = "azureml://datastores/workspaceblobstore/paths/digits/"


class PrincipalCredential:
    """The credential of a principal."""

    def __init__(self, tidepool: Tidepool, principal: str) -> None:
        self._tidepool = tidepool
        self.principal = principal

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        audience = scopes[0].removesuffix("/.default")
        return AccessToken(self._tidepool.token(audience, self.principal), 2**31)


class TwoWorkspaces:
    """Two workspaces, and a cluster with an identity in the first."""

    def __init__(self, tidepool: Tidepool) -> None:
        self.tidepool = tidepool
        self.home, self.other = tidepool.create_workspace(), tidepool.create_workspace()
        self.ml = ml_client(self.home.name)
        self.cluster = f"{self.home.id}/computes/cpu"
        self.make_cluster()

    def make_cluster(self) -> None:
        identity = IdentityConfiguration(type="system_assigned")
        cluster = AmlCompute(name="cpu", size="Standard_DS3_v2", identity=identity)
        self.ml.compute.begin_create_or_update(cluster).result()

    @property
    def principal(self) -> str:
        return str(claims(self.tidepool.token(ARM, self.cluster))["oid"])

    def register(self, workspace: Workspace, principal: str = "") -> None:
        ml = ml_client(workspace.name, PrincipalCredential(self.tidepool, principal or self.cluster))
        ml.data.create_or_update(Data(name="d", version=uuid.uuid4().hex, path=PATH, type="uri_folder"))

    def write(self, workspace: Workspace) -> None:
        store = self.ml if workspace is self.home else ml_client(workspace.name)
        container = store.datastores.get("workspaceblobstore").container_name
        client = container_client(
            workspace.storage_account, container, PrincipalCredential(self.tidepool, self.cluster)
        )
        client.upload_blob(uuid.uuid4().hex, b"1")

    def track(self, workspace: Workspace) -> None:
        url = f"https://japaneast.api.azureml.ms/mlflow/v2.0{workspace.id}/api/2.0/mlflow/experiments/create"
        token = self.tidepool.token("https://ml.azure.com", self.cluster)
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.post(url, json={"name": uuid.uuid4().hex}, headers=headers, timeout=60)
        if not answer.ok:
            raise HttpResponseError(answer.text, response=None)

    def arm(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        headers = {"Authorization": f"Bearer {self.tidepool.token(ARM)}"}
        parameters = {"api-version": "2022-04-01", **query}
        answer = requests.request(
            method, ARM + path, params=parameters, headers=headers, json=body, timeout=5
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def assign(self, role: str, scope: str, principal: str = "") -> str:
        """Assign a role to the cluster, or to the principal with this object id."""
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        definition = f"/providers/Microsoft.Authorization/roleDefinitions/{role}"
        self.arm(
            "PUT",
            path,
            {"properties": {"principalId": principal or self.principal, "roleDefinitionId": definition}},
        )
        return path

    def assignments(self, scope: str, condition: str) -> set[str]:
        """Return the scopes of the cluster's assignments."""
        selection = condition.format(id=self.principal)
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments"
        page = self.arm("GET", path, **{"$filter": selection})
        assignments = list(page["value"])
        while page.get("nextLink"):
            page = self.arm("GET", page["nextLink"].removeprefix(ARM))
            assignments += page["value"]
        return {
            assignment["properties"]["scope"] for assignment in assignments if self._is_of_cluster(assignment)
        }

    def _is_of_cluster(self, assignment: Any) -> bool:
        return bool(assignment["properties"]["principalId"] == self.principal)


@pytest.fixture
def workspaces(tidepool: Tidepool) -> TwoWorkspaces:
    return TwoWorkspaces(tidepool)


Do = Callable[[TwoWorkspaces, Workspace], None]


@pytest.mark.parametrize(
    ("do", "code"),
    [
        (TwoWorkspaces.register, "AuthorizationFailed"),
        (TwoWorkspaces.track, "AuthorizationFailed"),
        (TwoWorkspaces.write, "AuthorizationPermissionMismatch"),
    ],
    ids=["ARM", "MLflow", "storage"],
)
def test_a_cluster_writes_in_its_own_workspace_and_nowhere_else(
    workspaces: TwoWorkspaces, do: Do, code: str
) -> None:
    do(workspaces, workspaces.home)

    with pytest.raises(HttpResponseError) as refused:
        do(workspaces, workspaces.other)

    assert code in str(refused.value)


def test_a_role_at_a_resource_group_holds_in_its_workspaces_until_it_is_removed(
    workspaces: TwoWorkspaces,
) -> None:
    group = workspaces.other.id.partition("/providers/")[0]
    assignment = workspaces.assign(DATA_SCIENTIST, group)

    workspaces.register(workspaces.other)
    workspaces.arm("DELETE", assignment)

    with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
        workspaces.register(workspaces.other)


def test_a_role_at_a_workspace_does_not_allow_access_to_its_storage(workspaces: TwoWorkspaces) -> None:
    workspaces.assign(DATA_SCIENTIST, workspaces.other.id)

    workspaces.register(workspaces.other)
    with pytest.raises(HttpResponseError, match="not authorized"):
        workspaces.write(workspaces.other)

    workspaces.assign(READER, workspaces.other.id)
    workspaces.assign(BLOB_DATA_CONTRIBUTOR, _account(workspaces.other))
    workspaces.write(workspaces.other)


def test_a_role_at_a_container_holds_in_this_container_alone(workspaces: TwoWorkspaces) -> None:
    account = _account(workspaces.other)
    store = ml_client(workspaces.other.name).datastores.get("workspaceblobstore")
    container = f"{account}/blobServices/default/containers"
    workspaces.assign(BLOB_DATA_OWNER, f"{container}/elsewhere")
    with pytest.raises(HttpResponseError, match="not authorized"):
        workspaces.write(workspaces.other)

    workspaces.assign(BLOB_DATA_OWNER, f"{container}/{store.container_name}")

    workspaces.write(workspaces.other)


def test_assignments_are_listed_as_by_azure(workspaces: TwoWorkspaces) -> None:
    subscription = f"/subscriptions/{SUBSCRIPTION}"
    group = workspaces.other.id.partition("/providers/")[0]
    workspaces.assign(READER, group)
    workspaces.assign(DATA_SCIENTIST, workspaces.other.id)

    at, below = "atScope() and assignedTo('{id}')", "principalId eq '{id}'"

    assert workspaces.assignments(workspaces.other.id, at) == {workspaces.other.id, group}
    assert workspaces.assignments(group, at) == {group}
    assert workspaces.assignments(subscription, at) == set()
    everywhere = {workspaces.home.id, _account(workspaces.home), workspaces.other.id, group}
    assert workspaces.assignments(subscription, below) == everywhere
    assert workspaces.assignments(group, "") == everywhere


def test_the_identity_of_a_cluster_is_deleted_with_it(workspaces: TwoWorkspaces) -> None:
    workspaces.assign(OWNER, workspaces.other.id)
    workspaces.ml.compute.begin_delete("cpu").result()

    assert workspaces.arm("GET", f"{workspaces.other.id}/providers/Microsoft.Authorization/roleAssignments")[
        "value"
    ]
    with pytest.raises(Exception, match="there is no principal"):
        workspaces.tidepool.token(ARM, workspaces.cluster)

    workspaces.make_cluster()
    assert workspaces.assignments(workspaces.other.id, "atScope()") == set()
    workspaces.register(workspaces.home)


SCRIPT = """
import os, sys, uuid
import requests
from azure.identity import DefaultAzureCredential
credential = DefaultAzureCredential(managed_identity_client_id=os.environ["DEFAULT_IDENTITY_CLIENT_ID"])
bearer = credential.get_token("https://management.azure.com/.default").token
url = f"https://management.azure.com{sys.argv[1]}/data/d/versions/{uuid.uuid4().hex}?api-version=2023-10-01"
data = {"properties": {"dataType": "uri_folder", "dataUri": sys.argv[2]}}
requests.put(url, json=data, headers={"Authorization": f"Bearer {bearer}"}).raise_for_status()
"""


def test_a_job_has_the_roles_of_its_cluster(workspaces: TwoWorkspaces, tmp_path: Path) -> None:
    workspaces.ml.environments.create_or_update(Environment(name="env", version="1", image="python"))
    (tmp_path / "write.py").write_text(SCRIPT)

    def run_in(workspace: Workspace) -> str:
        line = f"python write.py {workspace.id} {PATH}"
        job = command(command=line, code=str(tmp_path), environment="azureml:env:1", compute="cpu")
        name = workspaces.ml.jobs.create_or_update(job).name
        workspaces.tidepool.settle()
        return workspaces.ml.jobs.get(name).status

    assert (run_in(workspaces.home), run_in(workspaces.other)) == ("Completed", "Failed")
    workspaces.assign(DATA_SCIENTIST, workspaces.other.id)
    assert run_in(workspaces.other) == "Completed"


def _account(workspace: Workspace) -> str:
    group = workspace.id.partition("/providers/")[0]
    return f"{group}/providers/Microsoft.Storage/storageAccounts/{workspace.storage_account}"


def run(workspaces: TwoWorkspaces, data: Input, output: Output | None = None, **more: Any) -> Any:
    """Run a job that reads its input on the cluster, and return the details of its run."""
    job = command(
        command="ls ${{inputs.data}}" + (" && cp -r ${{inputs.data}}/. ${{outputs.out}}" if output else ""),
        inputs={"data": data},
        outputs={"out": output} if output else None,
        environment="plain:1",
        compute="cpu",
        **more,
    )
    submitted = workspaces.ml.jobs.create_or_update(job)
    workspaces.tidepool.settle()
    return workspaces.ml.jobs._runs_operations.get_run_details(submitted.name)


def test_a_job_needs_a_role_for_data_without_credentials(workspaces: TwoWorkspaces) -> None:
    account = workspaces.tidepool.create_storage_account()
    container_client(account.name, "images").create_container()
    container_client(account.name, "images").upload_blob("202611/a.txt", b"hello")
    workspaces.ml.environments.create_or_update(Environment(name="plain", version="1", image="python:3.11"))
    workspaces.ml.datastores.create_or_update(
        AzureBlobDatastore(name="feed", account_name=account.name, container_name="images")
    )
    data = Input(type="uri_folder", path="azureml://datastores/feed/paths/202611/")
    output = Output(type="uri_folder", path="azureml://datastores/feed/paths/out/")

    refused, as_user = run(workspaces, data), run(workspaces, data, identity=UserIdentityConfiguration())
    workspaces.assign(BLOB_DATA_READER, account.id)
    allowed, not_written = run(workspaces, data), run(workspaces, data, output)

    assert (refused.status, as_user.status) == ("Failed", "Completed")
    assert (allowed.status, not_written.status) == ("Completed", "Failed")
    for words in ("AuthorizationPermissionMismatch", "'cpu'", account.id, "Storage Blob Data Reader"):
        assert words in refused.error.error.message
    assert "Storage Blob Data Contributor" in not_written.error.error.message


def test_a_job_uses_the_credentials_of_a_datastore(workspaces: TwoWorkspaces) -> None:
    account = workspaces.tidepool.create_storage_account()
    container_client(account.name, "images").create_container()
    container_client(account.name, "images").upload_blob("202611/a.txt", b"hello")
    workspaces.ml.environments.create_or_update(Environment(name="plain", version="1", image="python:3.11"))
    application = workspaces.tidepool.create_service_principal("reader")
    sas = generate_container_sas(
        account.name,
        "images",
        account_key=account.key,
        permission="rl",
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )

    def signing_in(secret: str) -> ServicePrincipalConfiguration:
        return ServicePrincipalConfiguration(
            tenant_id=application.tenant_id, client_id=application.client_id, client_secret=secret
        )

    def put(name: str, credentials: Any) -> Any:
        feed = AzureBlobDatastore(name=name, account_name=account.name, container_name="images")
        feed.credentials = credentials
        return workspaces.ml.datastores.create_or_update(feed)

    def reading(name: str, output: bool = False) -> Any:
        data = Input(type="uri_folder", path=f"azureml://datastores/{name}/paths/202611/")
        target = Output(type="uri_folder", path=f"azureml://datastores/{name}/paths/out/")
        return run(workspaces, data, target if output else None)

    put("signed", SasTokenConfiguration(sas_token=f"?{sas}"))
    put("expired", SasTokenConfiguration(sas_token=sas.replace("se=20", "se=19")))
    shown = put("principal", signing_in(application.client_secret))
    put("wrong", signing_in("x"))
    by_sas, not_written, broken = reading("signed"), reading("signed", output=True), reading("expired")
    refused, unknown = reading("principal"), reading("wrong")
    workspaces.assign(BLOB_DATA_CONTRIBUTOR, account.id, application.id)
    allowed = reading("principal", output=True)

    assert (by_sas.status, allowed.status) == ("Completed", "Completed")
    for failed, words in (
        (not_written, "'signed' are refused"),
        (broken, "'expired' are refused"),
        (refused, "Storage Blob Data Reader"),
        (unknown, "AADSTS7000215"),
    ):
        assert (failed.status, words in failed.error.error.message) == ("Failed", True), failed.error
    assert (shown.credentials.client_id, shown.credentials.client_secret) == (application.client_id, None)
    secrets = [workspaces.ml.datastores.get(name, include_secrets=True) for name in ("signed", "principal")]
    assert secrets[0].credentials.sas_token == f"?{sas}"
    assert secrets[1].credentials.client_secret == application.client_secret


def test_default_datastores_without_keys_need_roles(tidepool: Tidepool, ml: MLClient) -> None:
    workspace = MLWorkspace(
        name=f"mlw-{uuid.uuid4().hex[:10]}", location="japaneast", system_datastores_auth_mode="identity"
    )

    made = ml.workspaces.begin_create(workspace).result()

    assert made.system_datastores_auth_mode == "identity"
    assert ml_client(made.name).datastores.get_default().credentials.type == "None"
