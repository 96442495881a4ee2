"""Request bodies with one property each, sent to Tidepool: the property has the effect that is declared."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest
import requests
from azure.core.exceptions import ResourceExistsError
from tests.support.arm_requests import arm, token
from tests.support.azure_clients import queue_client
from tests.support.declared_properties import (
    Leaf,
    allowed_value,
    body_with,
    leaves,
    refused_value,
    value_at,
)
from tests.support.smallest_bodies import BODIES, KEPT, ML, NEEDED, REQUIRED, VALUES
from tests.support.webhook_receiver import WebhookReceiver

from tidepool.cloud import StorageAccount, Tidepool, Workspace
from tidepool.declarations.catalog import RESOURCES
from tidepool.declarations.steps import NODE
from tidepool.declarations.words import Treatment
from tidepool.default_resources import site_id, storage_account_id

# Azure does not return the template of a deployment.
WRITE_ONLY = ("template", "expressionEvaluationOptions")


@pytest.fixture(scope="session")
def bearer(tidepool: Tidepool) -> str:
    return token(tidepool, "developer")


def test_the_key_of_a_datastore_must_be_the_key_of_its_account(
    bearer: str, workspace: Workspace, storage_account: StorageAccount
) -> None:
    def put(key: str) -> int:
        secrets = {"secretsType": "AccountKey", "key": key}
        properties = {
            "datastoreType": "AzureBlob",
            "accountName": storage_account.name,
            "containerName": "images",
            "credentials": {"credentialsType": "AccountKey", "secrets": secrets},
        }
        return arm("PUT", f"{workspace.id}/datastores/feeds", bearer, {"properties": properties}).status_code

    assert put("bm90IHRoZSBrZXk=") == 400
    assert put(storage_account.key) == 201


@pytest.mark.parametrize("kind", ["onlineEndpoints", "computes"])
def test_an_identity_that_does_not_exist_is_refused(bearer: str, workspace: Workspace, kind: str) -> None:
    group = workspace.id.partition("/providers/")[0]
    missing = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/missing"
    identity = {"type": "UserAssigned", "userAssignedIdentities": {missing: {}}}

    answer = arm("PUT", f"{workspace.id}/{kind}/new", bearer, {**BODIES[kind], "identity": identity})

    assert answer.status_code == 400
    assert f"'{missing}' was not found" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("collection", "parameter"),
    [
        ("models", "stage=Production"),
        ("data/none/versions", "$orderBy=name asc"),
        ("jobs", "scheduleId=x"),
        ("onlineEndpoints", "tags=team"),
        ("computes", "$filter=name eq 'cpu'"),
    ],
)
def test_a_parameter_of_a_list_that_is_not_emulated_is_refused(
    bearer: str, workspace: Workspace, collection: str, parameter: str
) -> None:
    answer = arm("GET", f"{workspace.id}/{collection}?{parameter}", bearer)

    assert answer.status_code == 501
    assert parameter.rpartition("=")[2] in answer.text or parameter.partition("=")[0] in answer.text


class Sender:
    """The resources that the bodies refer to, and the requests that create more of them."""

    def __init__(self, tidepool: Tidepool, workspace: Workspace, bearer: str, webhook: str) -> None:
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {bearer}"
        self._number = 0
        group = workspace.id.partition("/providers/")[0]
        self._texts = {
            "workspace": workspace.id,
            "account": workspace.storage_account,
            "storage": storage_account_id(workspace.storage_account),
            "webhook": webhook,
            "vault": f"{group}/providers/Microsoft.KeyVault/vaults/declared",
            "site": site_id("tidegate"),
            "plan": f"{group}/providers/Microsoft.Web/serverfarms/declared",
            "role": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        }
        for needed in ("vault", "plan"):
            self.put(self._texts[needed], {"location": "japaneast"}).raise_for_status()
        for path, properties in NEEDED.items():
            self.put(f"{workspace.id}/{path}", {"properties": properties}).raise_for_status()

    def path_of_new(self, kind: str, *, is_refused: bool = False) -> str:
        """Return the id of a resource that does not exist yet. Create its endpoint, unless it is refused."""
        self._number += 1
        name = f"declared{self._number}"
        self._texts["principal"] = str(uuid.uuid4())
        workspace = self._texts["workspace"]
        group = workspace.partition("/providers/")[0]
        topic = f"{group}/providers/Microsoft.EventGrid/systemTopics/{self._texts['account']}"
        blobs = f"{self._texts['storage']}/blobServices/default"
        site = f"{group}/providers/Microsoft.Web/sites/declared1"
        special = {
            # Their creation takes a storage account, so the requests change the workspace and one registry.
            "workspaces": workspace,
            "registries": f"{group}/providers/{ML}/registries/{workspace.rpartition('/')[2]}",
            "Microsoft.Resources/subscriptions/resourceGroups": group,
            "Microsoft.Storage/storageAccounts/blobServices": blobs,
            "Microsoft.Storage/storageAccounts/blobServices/containers": f"{blobs}/containers/{name}",
            "Microsoft.Web/sites/basicPublishingCredentialsPolicies": (
                f"{site}/basicPublishingCredentialsPolicies/ftp"
            ),
            "Microsoft.Web/sites/config": f"{site}/config/authsettingsV2",
            "Microsoft.EventGrid/eventSubscriptions": f"{self._texts['storage']}/providers/{kind}/{name}",
            "Microsoft.EventGrid/systemTopics": topic,
            "Microsoft.EventGrid/systemTopics/eventSubscriptions": f"{topic}/eventSubscriptions/{name}",
            "Microsoft.Authorization/roleAssignments": f"{workspace}/providers/{kind}/{uuid.uuid4()}",
        }
        if kind.endswith("eventSubscriptions") and not is_refused:
            with suppress(ResourceExistsError):
                queue_client(self._texts["account"], "none").create_queue()
        if kind.startswith("Microsoft.Web/sites/") and not is_refused:
            self.put(site, BODIES["Microsoft.Web/sites"]).raise_for_status()
        if kind in special:
            return special[kind]
        if kind.startswith("Microsoft."):
            return f"{group}/providers/{kind}/{name if kind in KEPT else 'declared1'}"
        outer, _, inner = kind.partition("/")
        if inner == "deployments" and not is_refused:
            self.put(f"{workspace}/{outer}/{name}", BODIES[outer])
            self.get_when_ready(f"{workspace}/{outer}/{name}")
        ends = {"versions": "/versions/1", "deployments": "/deployments/blue", "": ""}
        return f"{workspace}/{outer}/{name}{ends[inner]}"

    def put(self, path: str, body: Any) -> requests.Response:
        return self._send("PUT", path, self.filled(body))

    def get(self, path: str) -> Any:
        return self._send("GET", path, None).json()

    def get_when_ready(self, path: str) -> Any:
        """Return a resource when it is no longer being created."""
        while (found := self.get(path))["properties"].get("provisioningState") in ("Creating", "Running"):
            time.sleep(0.02)
        return found

    def filled(self, value: Any) -> Any:
        return _filled(value, self._texts)

    def _send(self, method: str, path: str, body: Any) -> requests.Response:
        url = f"https://management.azure.com{path}?api-version=2025-12-01"
        return self._session.request(method, url, json=body, timeout=60)


def _filled(value: Any, texts: Mapping[str, str]) -> Any:
    text = json.dumps(value)
    for name, replacement in texts.items():
        text = text.replace(f"{{{name}}}", replacement)
    return json.loads(text)


@pytest.fixture
def sender(
    tidepool: Tidepool, workspace: Workspace, bearer: str, webhook_receiver: WebhookReceiver
) -> Iterator[Sender]:
    """Yield a sender in a workspace whose jobs never start and whose deployments fail at once."""
    tidepool.fault("run", "never_start", match={"workspace": workspace.name}, times=None)
    tidepool.fault("provisioning", "fail", match={"workspace": workspace.name}, times=None)
    yield Sender(tidepool, workspace, bearer, webhook_receiver.url)
    tidepool.clear_faults()


KINDS = {kind.removeprefix(f"{ML}/").removeprefix("workspaces/"): kind for kind in RESOURCES}
# The assets of registries are those of workspaces. Invocations of batch endpoints go to another host.
SENT = [kind for kind in KINDS if not kind.startswith("registries/") and kind != "batchEndpoints/jobs"]


# The bodies of these start jobs, deployments and handshakes. They take about half a minute.
SLOW = (
    "jobs",
    "onlineEndpoints/deployments",
    "batchEndpoints/deployments",
    "Microsoft.EventGrid/eventSubscriptions",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions",
)


def _declared(kind: str) -> list[Leaf]:
    """Return the properties of a kind, without those that belong to a job or a step inside it."""
    table = RESOURCES[KINDS[kind]]
    inside: set[int] = {id(NODE)} if kind == "components/versions" else set()
    if kind == "schedules":
        inside = {id(table["properties"]["action"].variants["CreateJob"]["jobDefinition"])}
    return list(leaves(table, inside))


def test_each_refused_property_is_refused_with_its_name(sender: Sender) -> None:
    faults = [
        fault for kind in SENT for leaf in _declared(kind) for fault in _refusal_faults(sender, kind, leaf)
    ]

    assert not faults, "\n".join(faults)


def test_what_was_read_can_be_sent_again(sender: Sender) -> None:
    refused = {}
    for kind in SENT:
        path = sender.path_of_new(kind)
        sender.put(path, BODIES[kind]).raise_for_status()
        answer = sender.put(path, sender.get_when_ready(path))
        refused |= {} if answer.ok else {kind: answer.text}

    # As in Azure: a deployment that was read has no template.
    assert refused.keys() == {"Microsoft.Resources/deployments"}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.long if kind in SLOW else ()) for kind in SENT]
)
def test_each_property_alone_has_the_declared_effect(kind: str, sender: Sender) -> None:
    faults = [fault for leaf in _declared(kind) for fault in _faults(sender, kind, leaf)]

    assert _declared(kind)
    assert not faults, "\n".join(faults)


def _refusal_faults(sender: Sender, kind: str, leaf: Leaf) -> Iterator[str]:
    """Yield the answer to one property if it should be refused and is not."""
    is_type = leaf.path[-1][0] == "choice"
    if leaf.declared.treatment is Treatment.REFUSED or leaf.declared.only:
        body = body_with(BODIES[kind], leaf, None if is_type else refused_value(leaf), REQUIRED)
        answer = sender.put(sender.path_of_new(kind, is_refused=True), body)
        named = leaf.path[-1][2] if is_type else leaf.last_name
        if answer.status_code != 501 or named not in answer.json()["error"]["message"]:
            yield f"{kind} {leaf.name} is not refused: {answer.status_code} {answer.text}"


_SECRET = {("field", "credentials"), ("field", "appSettings")}


def _faults(sender: Sender, kind: str, leaf: Leaf) -> Iterator[str]:
    """Yield what Tidepool does otherwise than declared with one property that it accepts."""
    if leaf.declared.treatment is Treatment.REFUSED and not leaf.declared.only:
        return
    path = sender.path_of_new(kind)
    only = bool(leaf.declared.only)
    body = body_with(BODIES[kind], leaf, allowed_value(leaf, VALUES), REQUIRED, replace=only)
    answer = sender.put(path, body)
    value = sender.filled(value_at(body, leaf))
    if answer.status_code not in (200, 201):
        if leaf.declared.treatment is not Treatment.USED or not _is_checked(answer, leaf, value):
            yield f"{leaf.name} is not accepted: {answer.status_code} {answer.text}"
        return
    returned = value_at(sender.get(path), leaf)
    if leaf.declared.treatment is Treatment.READ_ONLY:
        if returned == value:
            yield f"{leaf.name} is read-only, and was changed to {value!r}"
    elif leaf.declared.treatment is Treatment.REFUSED or _SECRET & set(leaf.path):
        return  # the value that is accepted is Azure's default, and Azure does not return secrets
    elif leaf.last_name not in WRITE_ONLY and not _comes_back(leaf, returned, value):
        yield f"{leaf.name} is {returned!r} in the answer, not {value!r}"


def _comes_back(leaf: Leaf, returned: Any, value: Any) -> bool:
    """Return whether an answer has the value: a used one in Azure's long form, or with more members, too."""
    if isinstance(returned, dict) and isinstance(value, dict):
        return all(_comes_back(leaf, returned.get(name), item) for name, item in value.items())
    if isinstance(returned, str) and isinstance(value, str) and leaf.declared.treatment is Treatment.USED:
        return returned.endswith(value.partition("//")[2] or value)
    return bool(returned == value) or not (returned or value)


def _is_checked(answer: requests.Response, leaf: Leaf, value: Any) -> bool:
    """Return whether Tidepool refused the value because it looked at it, which is an effect, too."""
    error = answer.json()["error"]
    if answer.status_code != 400:
        return False
    return error["code"] == "EndpointValidationFailed" or any(
        text in error["message"] for text in (leaf.last_name, repr(value))
    )
