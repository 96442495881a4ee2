"""Roles in tests on Tidepool: their ids, and how to remove one from a principal for a while."""

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import jwt
import requests

from tidepool.cloud import Tidepool

ARM = "https://management.azure.com"
DATA_SCIENTIST = "f6c7c914-8db3-469d-8ca1-694a8f32e121"
BLOB_DATA_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
BLOB_DATA_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
BLOB_DATA_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
QUEUE_DATA_CONTRIBUTOR = "974c5e8b-45b9-4653-ba55-5f855dd0fb88"
QUEUE_DATA_MESSAGE_SENDER = "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"
EVENT_GRID_DATA_SENDER = "d5a91429-5739-47e2-a06b-3470a27159e7"
OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


def claims(token: str) -> dict[str, object]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def assignments(tidepool: Tidepool, scope: str = "", principal_id: str = "") -> list[dict[str, Any]]:
    """Return the role assignments at a scope and below it, or in the subscription; of a principal, or all."""
    within = scope or f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}"
    path = f"{within}/providers/Microsoft.Authorization/roleAssignments"
    condition = {"$filter": f"principalId eq '{principal_id}'"} if principal_id else {}
    found: list[dict[str, Any]] = []
    while True:
        page = _request(tidepool, "GET", path, params={**condition, "$skip": str(len(found))}).json()
        found += page["value"]
        if "nextLink" not in page:
            return found


@contextmanager
def taken_away(tidepool: Tidepool, held: Sequence[Mapping[str, Any]]) -> Iterator[None]:
    """Delete role assignments through ARM, and make them again at the end."""
    for assignment in held:
        _request(tidepool, "DELETE", assignment["id"])
    try:
        yield
    finally:
        for assignment in held:
            name = assignment["id"].rpartition("/")[2]
            assign(tidepool, assignment["properties"]["scope"], assignment["properties"], name)


def assign(tidepool: Tidepool, scope: str, properties: Mapping[str, Any], name: str = "") -> None:
    """Make a role assignment with the principal, the role and the description of `properties`."""
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name or uuid.uuid4()}"
    kept = ("principalId", "roleDefinitionId", "description")
    body = {"properties": {key: properties[key] for key in kept if properties.get(key)}}
    _request(tidepool, "PUT", path, json=body)


@contextmanager
def without_role(tidepool: Tidepool, principal: str, role: str) -> Iterator[None]:
    """Remove a role from a principal at all scopes, and assign it again at the end."""
    principal_id = str(claims(tidepool.token(ARM, principal))["oid"])
    held = [
        assignment
        for assignment in assignments(tidepool, principal_id=principal_id)
        if assignment["properties"]["roleDefinitionId"].endswith(role)
    ]
    assert held
    with taken_away(tidepool, held):
        yield


def _request(tidepool: Tidepool, method: str, path: str, **options: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {tidepool.token(ARM)}"}
    query = {"api-version": "2022-04-01", **options.pop("params", {})}
    answer = requests.request(method, f"{ARM}{path}", params=query, headers=headers, timeout=10, **options)
    answer.raise_for_status()
    return answer
