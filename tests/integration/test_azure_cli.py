"""The unmodified azure-cli against Tidepool. It is installed into a virtual environment of its own, once."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidepool import default_resources
from tidepool.cloud import Tidepool, Workspace

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
# It takes several hundred megabytes, so it is kept for the next run.
HOME = Path(tempfile.gettempdir()) / "tidepool-azure-cli"
# As a person writes it: with a comment, which ARM allows and JSON does not.
TEMPLATE = """{
  // one storage account
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  "parameters": {"name": {"type": "string"}},
  "resources": [{
    "type": "Microsoft.Storage/storageAccounts",
    "apiVersion": "2023-04-01",
    "name": "[parameters('name')]",
    "location": "[resourceGroup().location]",
    "kind": "StorageV2",
    "sku": {"name": "Standard_LRS"}
  }],
  "outputs": {"blob": {"type": "string", "value": "[reference(parameters('name')).primaryEndpoints.blob]"}}
}"""

Az = Callable[..., Any]


@pytest.fixture(scope="session")
def executable() -> Path:
    az = HOME / "bin" / "az"
    if not az.exists():
        uv = shutil.which("uv") or str(ROOT / ".tools/uv/bin/uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(HOME)], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", str(HOME / "bin" / "python"), "azure-cli"]
        subprocess.run(install, check=True)
    return az


@pytest.fixture
def az(tidepool: Tidepool, executable: Path, tmp_path: Path) -> Az:
    """Return a function that runs azure-cli, signed in with its managed identity, and returns its output."""
    environ = {
        **os.environ,
        **tidepool.environment(),
        "AZURE_CONFIG_DIR": str(tmp_path / "config"),
        "AZURE_CORE_COLLECT_TELEMETRY": "no",
    }

    def run(*arguments: str) -> Any:
        command = [str(executable), *arguments, "--output", "json", "--only-show-errors"]
        result = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout or "null")

    run("login", "--identity")
    return run


def test_azure_cli_reads_and_deploys(az: Az, workspace: Workspace, tmp_path: Path) -> None:
    group = default_resources.RESOURCE_GROUP
    account_id = default_resources.storage_account_id(workspace.storage_account)
    (tmp_path / "main.json").write_text(TEMPLATE)

    assert az("account", "show")["id"] == default_resources.SUBSCRIPTION
    assert group in [item["name"] for item in az("group", "list")]
    assert az("resource", "show", "--ids", account_id)["id"] == account_id
    assert (
        az("rest", "--method", "get", "--url", f"{workspace.id}?api-version=2025-12-01")["id"] == workspace.id
    )
    containers = az(
        "storage", "container", "list", "--account-name", workspace.storage_account, "--auth-mode", "login"
    )
    assert "azureml" in [item["name"] for item in containers]
    topics = az("eventgrid", "system-topic", "list", "--resource-group", group)
    assert workspace.id in [item["source"] for item in topics]
    roles = az("role", "assignment", "list", "--scope", workspace.id)
    assert "AzureML Data Scientist" in [item["roleDefinitionName"] for item in roles]
    assert az("role", "definition", "list", "--name", "Reader")[0]["roleName"] == "Reader"
    assert workspace.id in [item["id"] for item in az("resource", "list", "--resource-group", group)]
    name = f"az{workspace.name.removeprefix('mlw-')}"
    done = az(
        *("deployment", "group", "create", "--resource-group", group, "--name", name),
        *("--template-file", str(tmp_path / "main.json"), "--parameters", f"name={name}"),
    )
    assert done["properties"]["outputs"]["blob"]["value"] == f"https://{name}.blob.core.windows.net/"


def test_azure_cli_gives_identities_and_roles_as_the_page_about_azure_says(
    az: Az, tidepool: Tidepool, workspace: Workspace
) -> None:
    group, suffix = default_resources.RESOURCE_GROUP, workspace.name.removeprefix("mlw-")
    account_id = default_resources.storage_account_id(workspace.storage_account)
    topic = ("--resource-group", group, "--name", f"topic-{suffix}")
    az(
        *("eventgrid", "system-topic", "create", *topic, "--location", "japaneast"),
        *("--topic-type", "Microsoft.Storage.StorageAccounts", "--source", account_id),
    )
    given = az("eventgrid", "system-topic", "update", *topic, "--identity", "systemassigned")
    custom = az(
        *("eventgrid", "topic", "create", "--resource-group", group, "--name", f"orders-{suffix}"),
        *("--location", "japaneast", "--identity", "systemassigned"),
    )
    made = az("group", "create", "--name", f"rg-{suffix}", "--location", "japaneast")
    application = tidepool.create_service_principal("pipeline")
    role = ("--role", "Reader", "--scope", workspace.id)
    assignee = ("--assignee-object-id", application.id, "--assignee-principal-type", "ServicePrincipal")
    az("role", "assignment", "create", *assignee, *role)
    signed_in = az(
        *("login", "--service-principal", "--username", application.client_id),
        *("--password", application.client_secret, "--tenant", application.tenant_id),
    )

    assert given["identity"]["principalId"]
    assert custom["identity"]["principalId"]
    assert made["properties"]["provisioningState"] == "Succeeded"
    assert signed_in[0]["user"] == {"name": application.client_id, "type": "servicePrincipal"}
    read = az("rest", "--method", "get", "--url", f"{workspace.id}?api-version=2025-12-01")
    assert read["id"] == workspace.id
