"""Nothing is promoted while those who train can write to production, and doctor says so."""

import os
import uuid
from typing import Any

import httpx
import pytest
from tests.support.promotions import Promotions

from tidegate.cloud.arm import ArmClient
from tidegate.installation.asset_files import AssetFiles
from tidegate.installation.checks.access import separation
from tidegate.installation.checks.check import CheckInputs, CheckResult, CheckState
from tidepool.cloud import Tidepool

ARM = "https://management.azure.com"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
DATA_SCIENTIST = "f6c7c914-8db3-469d-8ca1-694a8f32e121"
REGISTRY_USER = "1823dd4f-9b8c-4ab6-ab4e-7397a3684615"
BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"


def _assign(tidepool: Tidepool, principal: str, role: str, scope: str) -> str:
    """The assignment's URL."""
    subscription = f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}"
    definition = f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    url = f"{ARM}{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    body = {"properties": {"principalId": principal, "roleDefinitionId": definition}}
    _arm(tidepool, "PUT", url, body)
    return url


def _arm(tidepool: Tidepool, method: str, url: str, body: Any = None) -> None:
    headers = {"Authorization": f"Bearer {tidepool.token(ARM)}"}
    answer = httpx.request(method, f"{url}?api-version=2022-04-01", json=body, headers=headers, verify=True)
    assert answer.is_success, answer.text


def _doctor(promotions: Promotions) -> list[CheckResult]:
    service = promotions.start()
    inputs = CheckInputs(
        service=service, config=service.config(), arm=ArmClient(service.credential), assets=AssetFiles()
    )
    return list(separation(inputs))


def _account(tidepool: Tidepool, promotions: Promotions) -> str:
    found = ArmClient(promotions.service.credential).get(promotions.production.id, "2024-04-01")
    return str(found["properties"]["storageAccount"])


def _container(tidepool: Tidepool, promotions: Promotions) -> str:
    store = promotions.production_ml.datastores.get("workspaceblobstore")
    return f"{_account(tidepool, promotions)}/blobServices/default/containers/{store.container_name}"


@pytest.mark.parametrize(
    ("role", "where"),
    [
        pytest.param(DATA_SCIENTIST, "workspace", marks=pytest.mark.long),
        pytest.param(BLOB_CONTRIBUTOR, "account", marks=pytest.mark.long),
        (BLOB_CONTRIBUTOR, "container"),
        (DATA_SCIENTIST, "group"),
    ],
    ids=["registers models", "overwrites files", "overwrites files in the container", "by inheritance"],
)
def test_a_cluster_that_can_write_to_production_stops_promotions_until_it_cannot(
    tidepool: Tidepool, promotions: Promotions, role: str, where: str
) -> None:
    cluster = promotions.cluster()
    group = promotions.production.id.partition("/providers/")[0]
    scopes = {
        "workspace": promotions.production.id,
        "account": _account(tidepool, promotions),
        "container": _container(tidepool, promotions),
        "group": group,
    }
    assignment = _assign(tidepool, cluster, role, scopes[where])
    promotions.version("7")

    promotions.promote("7")

    assert promotions.states == {"7": "passed"}
    assert promotions.champions == (None, None, None)
    [failed] = promotions.activities()
    assert failed.kind == "work.failed"
    assert "cluster cpu" in failed.text
    assert [one.state for one in _doctor(promotions)] == [CheckState.FAIL]

    _arm(tidepool, "DELETE", assignment)
    promotions.promote("7")

    assert promotions.champions == ("7", None, None)
    assert [one.state for one in _doctor(promotions)] == [CheckState.OK]


def test_who_only_reads_there_or_writes_elsewhere_does_no_harm(
    tidepool: Tidepool, promotions: Promotions
) -> None:
    cluster = promotions.cluster()
    _assign(tidepool, cluster, READER, promotions.production.id)
    writes = ArmClient(promotions.service.credential).list(
        f"{promotions.development.id}/providers/Microsoft.Authorization/roleAssignments",
        "2022-04-01",
        f"atScope() and assignedTo('{cluster}')",
    )
    assert any(role["properties"]["roleDefinitionId"].endswith(DATA_SCIENTIST) for role in writes)
    promotions.version("7")

    promotions.promote("7")

    assert promotions.champions == ("7", None, None)


def test_a_cluster_that_can_write_to_the_registry_stops_promotions_through_it(
    tidepool: Tidepool, promotions: Promotions
) -> None:
    promotions.configure(promote={"via": "registry", "registry": "tidepool-registry", "approval": "none"})
    version, group = str(uuid.uuid4().int % 10**9), promotions.production.id.partition("/providers/")[0]
    registry = f"{group}/providers/Microsoft.MachineLearningServices/registries/tidepool-registry"
    assignment = _assign(tidepool, promotions.cluster(), REGISTRY_USER, registry)
    promotions.version(version)

    promotions.promote(version)

    assert promotions.states == {version: "passed"}
    assert "cluster cpu" in promotions.activities()[0].text
    assert [one.state for one in _doctor(promotions)] == [CheckState.FAIL]
    _arm(tidepool, "DELETE", assignment)
    promotions.promote(version)
    assert promotions.champions == (version, None, None)
    assert [one.state for one in _doctor(promotions)] == [CheckState.OK]
