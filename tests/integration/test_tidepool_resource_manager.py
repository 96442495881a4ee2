"""Workspaces, registries, connections and storage accounts, created through Azure's API and SDK."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from azure.ai.ml import MLClient
from azure.ai.ml.entities import (
    ApiKeyConfiguration,
    Data,
    Hub,
    Model,
    Registry,
    Workspace,
    WorkspaceConnection,
)
from azure.ai.ml.entities._registry.registry_support_classes import RegistryRegionDetails
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from tests.support.arm_requests import arm, token
from tests.support.azure_clients import blob_service, ml_client, registry_client

from tidepool import default_resources
from tidepool.cloud import Tidepool
from tidepool.cloud import Workspace as CloudWorkspace

GROUP = f"/subscriptions/{default_resources.SUBSCRIPTION}/resourceGroups/{default_resources.RESOURCE_GROUP}"
DEPLOYMENTS = f"{GROUP}/providers/Microsoft.Resources/deployments"
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
IDENTITY = {
    "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
    "apiVersion": "2023-01-31",
    "location": "japaneast",
}
STORAGE = {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "location": "japaneast"}


@pytest.fixture
def bearer(tidepool: Tidepool) -> str:
    return token(tidepool, "developer")


@pytest.fixture
def unique() -> str:
    return uuid.uuid4().hex[:10]


@pytest.fixture
def account(bearer: str, unique: str) -> Iterator[str]:
    name = f"own{unique}"
    arm("PUT", default_resources.storage_account_id(name), bearer, STORAGE).raise_for_status()
    yield name
    arm("DELETE", default_resources.storage_account_id(name), bearer).raise_for_status()


def deploy(bearer: str, name: str, resources: list[Any], **template: Any) -> Any:
    """Deploy a template, wait for its end, and return the deployment."""
    body = {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": resources, **template}
    answer = arm(
        "PUT", f"{DEPLOYMENTS}/{name}", bearer, {"properties": {"mode": "Incremental", "template": body}}
    )
    if answer.status_code >= 400:
        return answer.json()
    while True:
        document = arm("GET", f"{DEPLOYMENTS}/{name}", bearer).json()
        if document["properties"]["provisioningState"] != "Running":
            return document


def resources_of_group(bearer: str, expand: str = "") -> Iterator[Any]:
    """Yield the resources of the group, page by page."""
    link = f"https://management.azure.com{GROUP}/resources?api-version=2021-04-01&$expand={expand}"
    while link:
        answer = requests.get(link, headers={"Authorization": f"Bearer {bearer}"}, timeout=30).json()
        yield from answer["value"]
        link = answer.get("nextLink")


# The SDK


def test_a_workspace_is_created_used_changed_and_deleted(ml: MLClient, unique: str) -> None:
    workspace = Workspace(name=f"mlw-{unique}", location="japaneast", tags={"team": "a"})

    made = ml.workspaces.begin_create(workspace).result()
    used = ml_client(workspace.name)
    used.data.create_or_update(Data(name="d", type="uri_file", path=__file__))
    ml.workspaces.begin_update(Workspace(name=workspace.name, description="changed")).result()

    assert (made.name, made.tags["team"], made.identity.type) == (workspace.name, "a", "system_assigned")
    assert ml.workspaces.get(workspace.name).description == "changed"
    assert used.datastores.get_default().account_name == made.storage_account.rpartition("/")[2]
    ml.workspaces.begin_delete(workspace.name, delete_dependent_resources=True).result()
    with pytest.raises(ResourceNotFoundError):
        ml.workspaces.get(workspace.name)
    with pytest.raises(HttpResponseError, match="Use another name"):
        ml.workspaces.begin_create(Workspace(name=workspace.name, location="japaneast")).result()


def test_a_hub_is_refused_before_anything_is_made(ml: MLClient, bearer: str, unique: str) -> None:
    hub = Hub(name=f"hub-{unique}", location="japaneast")

    with pytest.raises(HttpResponseError, match=r"kind.*hub"):
        ml.workspaces.begin_create(hub).result()


def test_a_registry_is_created_used_and_deleted(ml: MLClient, unique: str, tmp_path: Any) -> None:
    regions = [RegistryRegionDetails(location="japaneast")]
    (tmp_path / "model").write_bytes(b"weights")

    made = ml.registries.begin_create(
        Registry(name=f"reg-{unique}", location="japaneast", replication_locations=regions)
    ).result()
    registry = registry_client(made.name)
    registry.models.create_or_update(Model(name="m", version="1", path=str(tmp_path)))

    assert registry.models.get("m", "1").version == "1"
    ml.registries.begin_delete(name=made.name).result()
    assert made.name not in [item.name for item in ml.registries.list()]


def test_a_connection_shows_its_secret_only_when_asked_for_it(ml: MLClient) -> None:
    connection = WorkspaceConnection(
        name="search", type="custom", target="https://example.com", credentials=ApiKeyConfiguration(key="k3y")
    )

    ml.connections.create_or_update(connection)
    plain, filled = ml.connections.get("search"), ml.connections.get("search", populate_secrets=True)

    assert (plain.target, plain.credentials.key) == ("https://example.com", None)
    assert filled.credentials.key == "k3y"
    assert [item.name for item in ml.connections.list()] == ["search"]
    ml.connections.delete("search")
    assert list(ml.connections.list()) == []


def test_a_connection_keeps_the_secrets_of_its_type(
    bearer: str, ml: MLClient, workspace: CloudWorkspace
) -> None:
    secrets: dict[str, dict[str, Any]] = {
        "AccessKey": {"accessKeyId": "id", "secretAccessKey": "s1"},
        "AccountKey": {"key": "s2"},
        "CustomKeys": {"keys": {"a": "s3"}},
        "ManagedIdentity": {"clientId": "id", "resourceId": "/x"},
        "OAuth2": {
            **{name: name for name in ("authUrl", "clientId", "clientSecret", "developerToken")},
            **{name: name for name in ("password", "refreshToken", "tenantId", "username")},
        },
        "PAT": {"pat": "s4"},
        "SAS": {"sas": "s5"},
        "ServicePrincipal": {"clientId": "id", "clientSecret": "s6", "tenantId": "t"},
        "UsernamePassword": {"password": "s7", "securityToken": "s8", "username": "u"},
    }

    for auth_type, credentials in secrets.items():
        path = f"{workspace.id}/connections/{auth_type}"
        properties = {"category": "Git", "target": "https://example.com", "authType": auth_type}
        lacking = arm("PUT", path, bearer, {"properties": {**properties, "credentials": {}}})
        body = {"properties": {**properties, "credentials": credentials}}
        made = arm("PUT", path, bearer, body)
        full = arm("POST", f"{path}/listsecrets", bearer).json()["properties"]

        assert (made.status_code, full["credentials"]) == (200, credentials)
        shown = made.json()["properties"]["credentials"]
        assert shown == (credentials if auth_type == "ManagedIdentity" else None)
        if auth_type != "OAuth2":
            assert (lacking.status_code, auth_type) == (400, auth_type), lacking.text


def test_a_connection_to_git_needs_no_credentials(ml: MLClient) -> None:
    git = WorkspaceConnection(name="git", type="git", target="https://example.com/a/b", credentials=None)

    assert ml.connections.create_or_update(git).target == "https://example.com/a/b"


# Storage accounts


def test_a_list_of_resources_has_the_states_that_it_is_asked_for(bearer: str, account: str) -> None:
    path = default_resources.storage_account_id(account)

    listed = {item["id"]: item for item in resources_of_group(bearer, "createdTime,provisioningState")}
    unknown = arm("GET", f"{GROUP}/resources?$expand=color", bearer)

    assert listed[path]["provisioningState"] == "Succeeded"
    assert all("provisioningState" not in item for item in resources_of_group(bearer))
    assert unknown.status_code == 501
    assert "$expand=color" in unknown.json()["error"]["message"]


def test_a_storage_account_works_with_its_keys_and_is_deleted_with_its_blobs(
    bearer: str, account: str
) -> None:
    path = default_resources.storage_account_id(account)
    keys = [key["value"] for key in arm("POST", f"{path}/listKeys", bearer).json()["keys"]]

    check = f"{path.partition('/resourceGroups/')[0]}/providers/Microsoft.Storage/checkNameAvailability"
    body = {"type": "Microsoft.Storage/storageAccounts"}
    answers = [arm("POST", check, bearer, {**body, "name": name}).json() for name in (account, f"{account}x")]
    assert [answer["nameAvailable"] for answer in answers] == [False, True]
    for number, key in enumerate(keys):
        blob_service(account, key).create_container(f"made-with-key-{number}")
    arm("DELETE", path, bearer).raise_for_status()
    refused = pytest.raises(HttpResponseError, match="does not exist")

    with refused:
        list(blob_service(account, keys[0]).list_containers())
    arm("PUT", path, bearer, STORAGE).raise_for_status()
    assert list(blob_service(account).list_containers()) == []


def test_an_account_can_refuse_its_keys(bearer: str, account: str) -> None:
    path = default_resources.storage_account_id(account)
    key = arm("POST", f"{path}/listKeys", bearer).json()["keys"][0]["value"]

    arm("PATCH", path, bearer, {"properties": {"allowSharedKeyAccess": False}}).raise_for_status()

    with pytest.raises(HttpResponseError) as refused:
        blob_service(account, key).create_container("images")
    assert refused.value.error_code == "KeyBasedAuthenticationNotPermitted"
    assert list(blob_service(account).list_containers()) == []


@pytest.mark.parametrize(
    ("name", "change", "status", "message"),
    [
        ("Capital", {}, 400, "lower-case letters"),
        ("new", {"kind": "FileStorage"}, 501, "file shares"),
        ("new", {"kind": "Abacus"}, 400, "Abacus"),
        ("new", {"sku": {"name": "Gold"}}, 400, "Gold"),
        ("new", {"properties": {"isHnsEnabled": True}}, 501, "hierarchical namespace"),
        ("new", {"properties": {"isSftpEnabled": True}}, 501, "isSftpEnabled"),
        ("new", {"location": None}, 400, "location"),
        ("tidepooldata", {"location": "westeurope"}, 409, "already exists in location"),
    ],
)
def test_an_impossible_storage_account_is_refused(
    bearer: str, name: str, change: dict[str, Any], status: int, message: str
) -> None:
    answer = arm("PUT", default_resources.storage_account_id(name), bearer, {**STORAGE, **change})

    assert (answer.status_code, message in answer.json()["error"]["message"]) == (status, True)


# Templates


def test_a_template_makes_resources_in_the_order_of_their_dependencies(bearer: str, unique: str) -> None:
    vault = {
        "type": "Microsoft.KeyVault/vaults",
        "apiVersion": "2023-07-01",
        "name": "[variables('vault')]",
        "location": "[resourceGroup().location]",
        "dependsOn": ["[resourceId('Microsoft.Storage/storageAccounts', parameters('account'))]"],
        "tags": {"blob": "[reference(parameters('account'), '2023-04-01').primaryEndpoints.blob]"},
        "properties": {},
    }
    account = {
        "type": "Microsoft.Storage/storageAccounts",
        "apiVersion": "2023-04-01",
        "name": "[parameters('account')]",
        **STORAGE,
        "location": "[resourceGroup().location]",
    }
    skipped = {
        **account,
        "condition": "[not(equals(parameters('account'), parameters('account')))]",
        "name": "X",
    }
    inner = {
        "type": "Microsoft.Resources/deployments",
        "apiVersion": "2022-09-01",
        "name": f"inner-{unique}",
        "dependsOn": ["[variables('vault')]"],
        "properties": {
            "mode": "Incremental",
            "expressionEvaluationOptions": {"scope": "inner"},
            "parameters": {"name": {"value": "[concat('id-', parameters('account'))]"}},
            "template": {
                "$schema": SCHEMA,
                "contentVersion": "1.0.0.0",
                "parameters": {"name": {"type": "string"}},
                "resources": [
                    {
                        "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
                        "apiVersion": "2023-01-31",
                        "name": "[parameters('name')]",
                        "location": "japaneast",
                    }
                ],
                "outputs": {
                    "identity": {
                        "type": "string",
                        "value": f"[resourceId('{IDENTITY['type']}', parameters('name'))]",
                    }
                },
            },
        },
    }

    done = deploy(
        bearer,
        f"order-{unique}",
        [inner, vault, skipped, account],
        parameters={"account": {"type": "string", "defaultValue": f"tpl{unique}"}},
        variables={"vault": "[format('kv-{0}', parameters('account'))]"},
        outputs={
            "identity": {
                "type": "string",
                "value": f"[reference('inner-{unique}').outputs.identity.value]",
            }
        },
    )

    assert done["properties"]["provisioningState"] == "Succeeded", done
    operations = arm("GET", f"{DEPLOYMENTS}/order-{unique}/operations", bearer).json()["value"]
    assert [item["properties"]["targetResource"]["resourceName"] for item in operations] == [
        f"tpl{unique}",
        f"kv-tpl{unique}",
        f"inner-{unique}",
    ]
    made = arm("GET", f"{GROUP}/providers/Microsoft.KeyVault/vaults/kv-tpl{unique}", bearer).json()
    assert made["tags"]["blob"] == f"https://tpl{unique}.blob.core.windows.net/"
    identity = done["properties"]["outputs"]["identity"]["value"]
    assert arm("GET", identity, bearer).json()["properties"]["principalId"]
    assert {made["id"], identity} <= {item["id"] for item in resources_of_group(bearer)}


def test_a_failed_resource_fails_its_deployment_with_the_reason(bearer: str, unique: str) -> None:
    bad = {"type": "Microsoft.Storage/storageAccounts", "apiVersion": "1", "name": "No-Name", **STORAGE}

    done = deploy(bearer, f"bad-{unique}", [bad])

    error = done["properties"]["error"]
    assert (done["properties"]["provisioningState"], error["code"]) == ("Failed", "DeploymentFailed")
    assert error["details"][0]["code"] == "AccountNameInvalid"
    operations = arm("GET", f"{DEPLOYMENTS}/bad-{unique}/operations", bearer).json()["value"]
    assert operations[0]["properties"]["statusMessage"]["error"]["code"] == "AccountNameInvalid"


@pytest.mark.parametrize(
    ("resources", "code", "message"),
    [
        ([{**IDENTITY, "name": "[split('a,b', ',')[0]]"}], "NotEmulated", "'split'"),
        ([{**IDENTITY, "name": "abc", "copy": {"name": "c", "count": 2}}], "NotEmulated", "'copy'"),
        (
            [{"type": "Microsoft.Sql/servers", "apiVersion": "1", "name": "abc"}],
            "NotEmulated",
            "Microsoft.Sql",
        ),
        (
            [{**IDENTITY, "name": "[concat('a'"}, {**IDENTITY, "name": "[concat('a']"}],
            "InvalidTemplate",
            "')'",
        ),
        ([{**IDENTITY, "name": "[parameters('missing')]"}], "InvalidTemplate", "'missing' is not found"),
        ([{**IDENTITY, "name": "abc"}, {**IDENTITY, "name": "abc"}], "InvalidTemplate", "multiple times"),
        (
            [
                {**IDENTITY, "name": "abc", "dependsOn": ["abd"]},
                {**IDENTITY, "name": "abd", "dependsOn": ["abc"]},
            ],
            "InvalidTemplate",
            "Circular",
        ),
    ],
)
def test_an_invalid_template_is_refused_before_anything_is_made(
    bearer: str, unique: str, resources: list[Any], code: str, message: str
) -> None:
    error = deploy(bearer, f"invalid-{unique}", resources)["error"]

    assert error["code"] == code
    assert message in error["message"]


# What people get wrong: docs/azure.md says for each of these what they see, and what to do


@pytest.mark.parametrize(
    ("declared", "value", "message"),
    [
        (
            {"type": "int", "minValue": 40},
            20,
            "'instances' is not valid. The parameter value must be greater",
        ),
        ({"type": "int", "maxValue": 1000}, 1001, "must be less than or equal to '1000'"),
        ({"type": "string", "maxLength": 3}, "four", "The length of the value is 4, and must be less"),
        ({"type": "array", "minLength": 1}, [], "must be greater than or equal to '1'"),
        ({"type": "string", "allowedValues": ["3.11", "3.12"]}, "3.9", "not part of the allowed value(s)"),
        ({"type": "int"}, "many", "'instances' is not of the type 'int'"),
    ],
)
def test_a_parameter_out_of_its_range_is_refused_before_anything_is_made(
    bearer: str, unique: str, declared: dict[str, Any], value: Any, message: str
) -> None:
    made = {**IDENTITY, "name": f"id-{unique}"}

    error = deploy(
        bearer, f"range-{unique}", [made], parameters={"instances": {**declared, "defaultValue": value}}
    )["error"]

    assert (error["code"], message in error["message"]) == ("InvalidTemplate", True), error
    assert arm("GET", f"{GROUP}/providers/{IDENTITY['type']}/id-{unique}", bearer).status_code == 404


def test_an_account_that_exists_in_another_region_fails_the_deployment_with_its_name(
    bearer: str, unique: str, account: str
) -> None:
    elsewhere = {
        "type": "Microsoft.Storage/storageAccounts",
        "apiVersion": "2023-04-01",
        "name": account,
        **STORAGE,
        "location": "westeurope",
    }

    [detail] = deploy(bearer, f"region-{unique}", [elsewhere])["properties"]["error"]["details"]

    assert detail["code"] == "InvalidResourceLocation"
    assert account in detail["message"]
    assert "'japaneast'" in detail["message"]


def test_a_topic_without_an_identity_fails_the_role_that_needs_it_with_its_name(
    bearer: str, unique: str, account: str
) -> None:
    topic = f"{GROUP}/providers/Microsoft.EventGrid/systemTopics/t-{unique}"
    source = {
        "source": default_resources.storage_account_id(account),
        "topicType": "Microsoft.Storage.StorageAccounts",
    }
    arm("PUT", topic, bearer, {"location": "japaneast", "properties": source}).raise_for_status()
    role = {
        "type": "Microsoft.Authorization/roleAssignments",
        "apiVersion": "2022-04-01",
        "name": str(uuid.uuid4()),
        "properties": {
            "principalId": f"[reference('{topic}', '2025-02-15', 'full').identity.principalId]",
            "roleDefinitionId": "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', "
            "'acdd72a7-3385-48ef-bd42-f606fba81ae7')]",
        },
    }

    error = deploy(bearer, f"identity-{unique}", [role])["properties"]["error"]

    text = str(error)
    assert "'identity'" in text
    assert topic in text


def test_a_cluster_without_quota_is_refused_with_its_size(
    tidepool: Tidepool, bearer: str, unique: str, ml: MLClient, workspace: CloudWorkspace
) -> None:
    tidepool.fault("quota", "limit", match={"family": "*NCASv3_T4*"}, value=0, times=None)
    tidepool.fault("quota", "limit", match={"tier": "LowPriority"}, value=0, times=None)

    def put(name: str, **properties: Any) -> requests.Response:
        body = {"computeType": "AmlCompute", "properties": {"vmSize": "Standard_DS3_v2", **properties}}
        cluster = {"location": "japaneast", "properties": body}
        return arm("PUT", f"{workspace.id}/computes/{name}", bearer, cluster)

    gpu, cheap = put("gpu", vmSize="Standard_NC4as_T4_v3"), put("cheap", vmPriority="LowPriority")
    allowed = put("cpu")
    usage = {item.name["value"]: item.limit for item in ml.compute.list_usage()}
    tidepool.clear_faults()

    assert (gpu.status_code, cheap.status_code, allowed.status_code) == (400, 400, 201)
    for words in ("'gpu'", "'Standard_NC4as_T4_v3'", "vCPU quota of 0"):
        assert words in gpu.json()["error"]["message"]
    assert "low-priority vCPU quota of 0" in cheap.json()["error"]["message"]
    assert usage["Total Cluster LowPriority Regional vCPUs"] == 0
    assert [limit for name, limit in usage.items() if "T4" in name and "Dedicated" in name] == [0]
    assert put("gpu", vmSize="Standard_NC4as_T4_v3").status_code == 201


def test_half_a_deployment_is_kept_and_goes_on_when_it_is_deployed_again(bearer: str, unique: str) -> None:
    first = {**IDENTITY, "name": f"id-{unique}"}
    vault = {
        "type": "Microsoft.KeyVault/vaults",
        "apiVersion": "2023-07-01",
        "name": "1-begins-with-a-digit",
        "location": "japaneast",
        "dependsOn": [f"[resourceId('{IDENTITY['type']}', 'id-{unique}')]"],
        "properties": {},
    }
    corrected = {**vault, "name": f"kv-{unique}"}

    broken = deploy(bearer, f"half-{unique}", [first, vault])
    half = arm("GET", f"{GROUP}/providers/{IDENTITY['type']}/id-{unique}", bearer).json()
    again = [deploy(bearer, f"half-{unique}", [first, corrected]) for _ in range(2)]
    whole = arm("GET", f"{GROUP}/providers/{IDENTITY['type']}/id-{unique}", bearer).json()

    [detail] = broken["properties"]["error"]["details"]
    assert (detail["code"], "1-begins-with-a-digit" in detail["message"]) == ("InvalidResourceName", True)
    assert [done["properties"]["provisioningState"] for done in again] == ["Succeeded", "Succeeded"]
    assert half["properties"]["principalId"] == whole["properties"]["principalId"]


def test_a_deployment_acts_as_the_one_who_deploys(tidepool: Tidepool, unique: str) -> None:
    app = token(tidepool, "tidegate")

    error = deploy(app, f"role-{unique}", [])["error"]

    assert error["code"] == "AuthorizationFailed"
    assert "Microsoft.Resources/deployments/write" in error["message"]
