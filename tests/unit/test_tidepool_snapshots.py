"""Snapshots of templates: the order of their resources, their parameters, and what is wrong with them."""

import itertools
import json
from typing import Any

import pytest
from tests.support.installation import ROOT

from tidepool.arm.snapshots import Snapshot, environment_name, expression_problems
from tidepool.arm.template_functions import InvalidTemplateError
from tidepool.declarations.catalog import body_problems

GROUP = "/subscriptions/s/resourceGroups/g"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/a"
IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
SITE = f"{GROUP}/providers/Microsoft.Web/sites/f"
ROLE = "Microsoft.Authorization/roleAssignments"


def a_resource(resource_id: str, **more: Any) -> dict[str, Any]:
    types = resource_id.rpartition("/providers/")[2].split("/")
    return {"id": resource_id, "type": "/".join([types[0], *types[1::2]]), "name": "n", **more}


GROUP_RESOURCE = {"id": GROUP, "type": "Microsoft.Resources/resourceGroups", "name": "g"}
CONTAINER = a_resource(f"{ACCOUNT}/blobServices/default/containers/c")
ASSIGNMENT = {
    "id": f"[extensionResourceId('{ACCOUNT}', '{ROLE}', guid(reference('{IDENTITY}', 'v').principalId))]",
    "type": ROLE,
    "name": "[guid('x')]",
    "properties": {"principalId": f"[reference('{IDENTITY}', 'v').principalId]"},
}
SUBSCRIPTION = a_resource(
    f"{ACCOUNT}/providers/Microsoft.EventGrid/eventSubscriptions/e",
    properties={"destination": {"properties": {"resourceId": f"{SITE}/functions/blob_arrived"}}},
)


def a_snapshot(*resources: Any, **more: Any) -> Snapshot:
    return Snapshot.read({"predictedResources": list(resources), **more})


def test_in_each_order_of_the_list_a_resource_comes_after_those_that_it_needs() -> None:
    listed = [
        GROUP_RESOURCE,
        a_resource(ACCOUNT),
        CONTAINER,
        ASSIGNMENT,
        a_resource(IDENTITY),
        SUBSCRIPTION,
        a_resource(SITE),
    ]
    before = [  # group, parent, scope of an extension, reference, id in a property
        (GROUP, ACCOUNT),
        (ACCOUNT, CONTAINER["id"]),
        (ACCOUNT, ASSIGNMENT["id"]),
        (IDENTITY, ASSIGNMENT["id"]),
        (ACCOUNT, SUBSCRIPTION["id"]),
        (SITE, SUBSCRIPTION["id"]),
    ]

    for permuted in itertools.permutations(listed):
        made = [item.id for item in a_snapshot(*permuted).resources]

        assert all(made.index(first) < made.index(later) for first, later in before)


def test_a_cycle_is_named() -> None:
    one = a_resource(SITE, properties={"x": IDENTITY})
    other = a_resource(IDENTITY, tags={"x": f"[reference('{SITE}').defaultHostName]"})

    with pytest.raises(InvalidTemplateError, match=f"{SITE} needs {IDENTITY} needs {SITE}"):
        a_snapshot(one, other)


def test_the_open_parameters_are_those_that_an_expression_asks_for() -> None:
    snapshot = a_snapshot(
        a_resource(
            SITE, properties={"x": "[format('{0}', parameters('notifyUrl'))]", "y": "[[parameters('z')]"}
        ),
        outputs={"o": "[parameters('other')]"},
    )

    assert snapshot.parameters() == {"notifyUrl", "other"}
    assert [environment_name(name) for name in ("notifyUrl", "other")] == ["NOTIFY_URL", "OTHER"]


@pytest.mark.parametrize("document", [{}, {"predictedResources": {}}, {"predictedResources": [{"id": 1}]}])
def test_another_file_is_no_snapshot(document: Any) -> None:
    with pytest.raises(InvalidTemplateError):
        Snapshot.read(document)


def test_unknown_functions_and_malformed_expressions_are_all_named() -> None:
    problems = list(
        expression_problems({"a": "[range(1, 2)]", "b": ["[max(1)]", "[format(]", "[not(true())]"]})
    )

    assert [word for word in ("'range'", "'max'", "format(") if any(word in line for line in problems)] == [
        *("'range'", "'max'", "format(")
    ]
    assert len(problems) == 3


def test_all_properties_of_a_body_that_are_not_emulated_are_named() -> None:
    body = {
        "location": "japaneast",
        "properties": {
            "serverFarmId": "[reference('x').id]",
            "slotName": "[parameters('x')]",
            "siteConfig": {"cors": "[parameters('x')]", "connectionStrings": [{"name": "x"}]},
        },
    }

    problems = body_problems("microsoft.web/SITES", body, is_open=lambda value: str(value).startswith("["))

    named = [line.split("'")[1] for line in problems]
    assert named == [
        "properties.slotName",
        "properties.siteConfig.cors",
        "properties.siteConfig.connectionStrings",
    ]


@pytest.mark.parametrize("file", ["local", "existing", "local-subscriptions"])
def test_the_snapshots_of_the_product_have_an_order_and_known_functions(file: str) -> None:
    document = json.loads((ROOT / f"infra/{file}.snapshot.json").read_text())

    snapshot = Snapshot.read(document)

    assert len(snapshot.resources) == len(document["predictedResources"])
    assert not list(expression_problems(document["predictedResources"]))
