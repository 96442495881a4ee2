"""Templates as snapshots, which Tidepool runs, and the types of resources that they need."""

import json
import uuid
from typing import Any

import pytest
import requests
from tests.support.arm_requests import arm, token
from tests.support.installation import ROOT
from tests.support.roles import EVENT_GRID_DATA_SENDER, READER, claims

from tidepool import default_resources
from tidepool.cloud import Tidepool, TidepoolError

SUBSCRIPTION = f"/subscriptions/{default_resources.SUBSCRIPTION}"
LOCATED = {"location": "japaneast"}


@pytest.fixture
def bearer(tidepool: Tidepool) -> str:
    return token(tidepool, "developer")


@pytest.fixture
def group(tidepool: Tidepool, bearer: str) -> str:
    """Return the id of a resource group that no other test uses."""
    path = f"{SUBSCRIPTION}/resourceGroups/rg-{uuid.uuid4().hex[:8]}"
    arm("PUT", path, bearer, LOCATED).raise_for_status()
    return path


def the_product(group: str) -> dict[str, Any]:
    """Return the product's own template, with names and a deployer that no other test uses."""
    text = (ROOT / "infra/local.snapshot.json").read_text()
    unique = group.rpartition("-")[2]
    text = text.replace("9ffb38b4-deaa-57d3-ba9b-c3b41df2c000", str(uuid.uuid4()))
    return dict(json.loads(text.replace("fqub3knrl6rlc", unique).replace("rg-local", f"rg-{unique}")))


def refusal(tidepool: Tidepool, *resources: Any) -> str:
    """Return why a snapshot with these resources is refused."""
    with pytest.raises(TidepoolError) as error:
        tidepool.run_template({"predictedResources": list(resources)})
    return str(error.value)


def a_plan(group: str, name: str = "plan") -> dict[str, Any]:
    plan = f"{group}/providers/Microsoft.Web/serverfarms/{name}"
    return {"id": plan, "type": "Microsoft.Web/serverfarms", "name": name, **LOCATED}


def a_site(group: str, **properties: Any) -> dict[str, Any]:
    name = f"func-{group.rpartition('-')[2]}"
    return {
        "id": f"{group}/providers/Microsoft.Web/sites/{name}",
        "type": "Microsoft.Web/sites",
        "name": name,
        "kind": "functionapp,linux",
        **LOCATED,
        "properties": {"serverFarmId": a_plan(group)["id"], **properties},
    }


def test_the_product_s_own_template_runs(tidepool: Tidepool, bearer: str, group: str) -> None:
    template = the_product(group)

    outputs = tidepool.run_template(template, {"notifyUrl": "jsons://mailbox.tidepool/x"})
    again = tidepool.run_template(template, {"notifyUrl": "jsons://mailbox.tidepool/x"})

    assert again == outputs
    site = f"{SUBSCRIPTION}/resourceGroups/{outputs['TIDEGATE_RESOURCE_GROUP']}/providers/Microsoft.Web/sites"
    settings = arm(
        "POST", f"{site}/{outputs['TIDEGATE_FUNCTION_APP']}/config/appsettings/list", bearer
    ).json()
    identity = f"id-{group.rpartition('-')[2]}"
    path = site.replace("Microsoft.Web/sites", f"Microsoft.ManagedIdentity/userAssignedIdentities/{identity}")
    client_id = arm("GET", path, bearer).json()["properties"]["clientId"]
    assert settings["properties"]["AZURE_CLIENT_ID"] == client_id
    assert settings["properties"]["NOTIFY_URL"] == "jsons://mailbox.tidepool/x"
    assert settings["properties"]["TIDEGATE_EVENTS_ENDPOINT"] == outputs["TIDEGATE_EVENTS_ENDPOINT"]


def test_what_tidepool_cannot_do_is_named_before_anything_is_made(
    tidepool: Tidepool, bearer: str, group: str
) -> None:
    gateway = f"{group}/providers/Microsoft.Network/virtualNetworks/v"
    site = a_site(group, slotName="[parameters('x')]", siteConfig={"cors": {"allowedOrigins": ["*"]}})

    reason = refusal(
        tidepool,
        a_plan(group),
        {"id": gateway, "type": "Microsoft.Network/virtualNetworks", "name": "[range(1, 2)]", **LOCATED},
        {**site, "tags": {"x": "[range(1, 2)]"}},
    )

    for named in ("Microsoft.Network/virtualNetworks", "'range'", "properties.slotName", "siteConfig.cors"):
        assert named in reason
    assert arm("GET", a_plan(group)["id"], bearer).status_code == 404


def test_a_parameter_without_a_value_is_named_before_anything_is_made(
    tidepool: Tidepool, bearer: str, group: str
) -> None:
    reason = refusal(tidepool, {**a_plan(group), "tags": {"x": "[parameters('secretWord')]"}})

    assert "--parameter secretWord=VALUE" in reason
    assert "SECRET_WORD" in reason
    assert arm("GET", a_plan(group)["id"], bearer).status_code == 404


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"runtime": {"name": "phyton", "version": "3.12"}}, "runtime.name: 'phyton'"),
        ({"runtime": {"name": "python", "version": "3.4"}}, "runtime.version is '3.4'"),
        ({"scaleAndConcurrency": {"instanceMemoryMB": 100}}, "instanceMemoryMB is 100"),
        ({"scaleAndConcurrency": {"maximumInstanceCount": 5000}}, "maximumInstanceCount is 5000"),
        (
            {"scaleAndConcurrency": {"triggers": {"http": {"perInstanceConcurrency": 0}}}},
            "perInstanceConcurrency",
        ),
    ],
)
def test_what_azure_refuses_of_a_functions_app_is_refused(
    tidepool: Tidepool, group: str, config: Any, named: str
) -> None:
    site = a_site(group, functionAppConfig=config)

    reason = refusal(tidepool, a_plan(group), site)

    assert site["id"] in reason
    assert named in reason


def test_a_setting_that_refers_to_a_key_vault_is_refused(tidepool: Tidepool, group: str) -> None:
    secret = "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/word)"
    site = a_site(group, siteConfig={"appSettings": [{"name": "WORD", "value": secret}]})

    reason = refusal(tidepool, a_plan(group), site)

    assert "siteConfig.appSettings.WORD" in reason
    assert "not read from key vaults" in reason


def test_a_site_without_its_plan_is_refused_and_what_was_made_before_stays(
    tidepool: Tidepool, bearer: str, group: str
) -> None:
    site = a_site(group, serverFarmId=f"{group}/providers/Microsoft.Web/serverfarms/none")

    reason = refusal(tidepool, a_plan(group, "other"), site)

    assert "serverfarms/none" in reason
    assert arm("GET", a_plan(group, "other")["id"], bearer).status_code == 200


def test_resources_of_two_groups_are_apart(tidepool: Tidepool, bearer: str, group: str) -> None:
    account = f"{group}/providers/Microsoft.Storage/storageAccounts/st{group.rpartition('-')[2]}"
    body = {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}, **LOCATED}
    other = account.replace(group, f"{SUBSCRIPTION}/resourceGroups/{default_resources.RESOURCE_GROUP}")
    nowhere = account.replace(group, f"{group}-none")

    arm("PUT", account, bearer, body).raise_for_status()

    of_group = arm("GET", f"{group}/providers/Microsoft.Storage/storageAccounts", bearer).json()["value"]
    assert [item["id"] for item in of_group] == [account]
    assert arm("PUT", other, bearer, body).json()["error"]["code"] == "StorageAccountAlreadyTaken"
    assert arm("PUT", nowhere, bearer, body).json()["error"]["code"] == "ResourceGroupNotFound"
    assert arm("GET", account.replace("rg-", "RG-"), bearer).json()["id"] == account


def test_a_container_is_made_read_listed_and_deleted(tidepool: Tidepool, bearer: str) -> None:
    account = tidepool.create_storage_account()
    containers = f"{account.id}/blobServices/default/containers"

    arm("PUT", f"{containers}/images", bearer, {"properties": {"publicAccess": "None"}}).raise_for_status()

    assert arm("GET", f"{containers}/images", bearer).json()["name"] == "images"
    assert [item["name"] for item in arm("GET", containers, bearer).json()["value"]] == ["images"]
    assert (
        arm("PUT", f"{containers}/open", bearer, {"properties": {"publicAccess": "Blob"}}).status_code == 501
    )
    arm("DELETE", f"{containers}/images", bearer).raise_for_status()
    assert arm("GET", f"{containers}/images", bearer).status_code == 404


def test_a_custom_topic_without_keys_accepts_only_tokens(tidepool: Tidepool, bearer: str, group: str) -> None:
    topic = f"{group}/providers/Microsoft.EventGrid/topics/t-{group.rpartition('-')[2]}"
    endpoint = arm("PUT", topic, bearer, {**LOCATED, "properties": {"disableLocalAuth": True}}).json()
    event = {
        "id": "1",
        "subject": "s",
        "eventType": "t",
        "eventTime": "2026-11-01T00:00:00Z",
        "dataVersion": "",
    }
    address = endpoint["properties"]["endpoint"]
    of_grid = token(tidepool, "developer", "https://eventgrid.azure.net")
    signed_in = {"Authorization": f"Bearer {of_grid}"}
    role = {
        "principalId": claims(of_grid)["oid"],
        "roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{EVENT_GRID_DATA_SENDER}",
    }
    assignment = f"{topic}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    arm("PUT", assignment, bearer, {"properties": role}).raise_for_status()

    statuses = [
        requests.post(address, json=[{**event, "data": {}}], headers=headers, timeout=10).status_code
        for headers in ({"aeg-sas-key": tidepool.environment()["EVENTGRID_KEY"]}, signed_in)
    ]

    assert statuses == [401, 200]
    arm("DELETE", assignment, bearer).raise_for_status()  # other tests take the developer's only such role


def test_a_role_is_assigned_again_under_its_name_and_not_under_another(
    tidepool: Tidepool, bearer: str, group: str
) -> None:
    role = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    body = {"properties": {"principalId": str(uuid.uuid4()), "roleDefinitionId": role, "description": "why"}}
    first, second = (
        f"{group}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}" for _ in range(2)
    )

    answers = [arm("PUT", path, bearer, body) for path in (first, first, second)]

    assert [answer.ok for answer in answers] == [True, True, False]
    assert answers[1].json()["properties"]["description"] == "why"
    assert answers[2].json()["error"]["code"] == "RoleAssignmentExists"


NAMES = [
    ("Microsoft.Storage/storageAccounts", "Upper-Case"),
    ("Microsoft.Storage/storageAccounts", "a" * 25),
    ("Microsoft.KeyVault/vaults", "kv--double"),
    ("Microsoft.KeyVault/vaults", "k" * 25),
    ("Microsoft.ContainerRegistry/registries", "cr-dashes"),
    ("Microsoft.Web/sites", "-func"),
    ("Microsoft.Web/sites", "f" * 61),
    ("Microsoft.EventGrid/topics", "t" * 51),
    ("Microsoft.EventGrid/systemTopics", "no.points"),
    ("Microsoft.MachineLearningServices/workspaces", "w" * 34),
    ("Microsoft.ManagedIdentity/userAssignedIdentities", "id"),
    ("Microsoft.OperationalInsights/workspaces", "log"),
]


@pytest.mark.parametrize(("type_", "name"), NAMES)
def test_a_name_that_azure_refuses_is_named_before_anything_is_made(
    tidepool: Tidepool, bearer: str, group: str, type_: str, name: str
) -> None:
    path = f"{group}/providers/{type_}/{name}"

    reason = refusal(tidepool, a_plan(group), {"id": path, "type": type_, "name": name, **LOCATED})
    alone = arm("PUT", path, bearer, LOCATED)

    assert f"{path}: name: The name '{name}' is not valid for a resource of type {type_}" in reason
    assert alone.status_code == 400
    assert name in alone.json()["error"]["message"]
    assert arm("GET", a_plan(group)["id"], bearer).status_code == 404


def test_a_property_that_cannot_be_emulated_is_named_before_anything_is_made(
    tidepool: Tidepool, bearer: str, group: str
) -> None:
    account = f"{group}/providers/Microsoft.Storage/storageAccounts/st{group.rpartition('-')[2]}"
    body = {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}, **LOCATED}

    reason = refusal(
        tidepool,
        a_plan(group),
        {
            "id": account,
            "type": "Microsoft.Storage/storageAccounts",
            "name": account.rpartition("/")[2],
            **body,
            "properties": {"isHnsEnabled": True},
        },
    )

    assert "isHnsEnabled" in reason
    assert "hierarchical namespace" in reason
    assert arm("GET", a_plan(group)["id"], bearer).status_code == 404


def test_a_name_that_is_taken_stops_the_deployment_which_is_completed_under_another(
    tidepool: Tidepool, bearer: str, group: str
) -> None:
    """What was made before stays. The second deployment updates it, and makes the rest."""
    plan, body = a_plan(group), {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}, **LOCATED}

    def an_account(name: str) -> dict[str, Any]:
        path = f"{group}/providers/Microsoft.Storage/storageAccounts/{name}"
        needs = {"after": plan["id"]}
        return {"id": path, "type": "Microsoft.Storage/storageAccounts", "name": name, **body, "tags": needs}

    reason = refusal(tidepool, plan, an_account(default_resources.STORAGE_ACCOUNT))
    half = arm("GET", plan["id"], bearer).status_code
    resources = [plan, an_account(f"st{group.rpartition('-')[2]}")]
    tidepool.run_template({"predictedResources": resources})
    tidepool.run_template({"predictedResources": resources})

    assert "StorageAccountAlreadyTaken" in reason
    assert (
        f"{group}/providers/Microsoft.Storage/storageAccounts/{default_resources.STORAGE_ACCOUNT}" in reason
    )
    assert half == 200
    assert arm("GET", resources[1]["id"], bearer).status_code == 200
