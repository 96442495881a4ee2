"""Roles in tests on Tidepool: their ids, and how to remove one from a principal for a while."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def without_role(tidepool: Tidepool, principal: str, role: str) -> Iterator[None]:
    """Remove a role from a principal through ARM, and assign it again at the end."""
    headers = {"Authorization": f"Bearer {tidepool.token(ARM)}"}
    principal_id = claims(tidepool.token(ARM, principal))["oid"]
    scope = f"{ARM}/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}/providers/Microsoft.Authorization"
    query = {"api-version": "2022-04-01", "$filter": f"principalId eq '{principal_id}'"}
    held = requests.get(f"{scope}/roleAssignments", params=query, headers=headers, timeout=5).json()["value"]
    (removed,) = [
        assignment for assignment in held if assignment["properties"]["roleDefinitionId"].endswith(role)
    ]
    requests.delete(f"{ARM}{removed['id']}", params=query, headers=headers, timeout=5).raise_for_status()
    try:
        yield
    finally:
        body = {
            "properties": {key: removed["properties"][key] for key in ("principalId", "roleDefinitionId")}
        }
        requests.put(
            f"{ARM}{removed['id']}", params=query, headers=headers, json=body, timeout=5
        ).raise_for_status()
