"""Request bodies with one property each, sent to Tidepool: the property has the effect that is declared."""

import pytest
from tests.support.arm_requests import arm, token

from tidepool.cloud import StorageAccount, Tidepool, Workspace


@pytest.fixture(scope="session")
def bearer(tidepool: Tidepool) -> str:
    return token(tidepool, "developer")


def test_the_key_of_a_datastore_must_be_the_key_of_its_account(
    bearer: str, workspace: Workspace, storage_account: StorageAccount
) -> None:
    def put(key: str) -> int:
        properties = {
            "datastoreType": "AzureBlob",
            "accountName": storage_account.name,
            "containerName": "images",
            "credentials": {
                "credentialsType": "AccountKey",
                "secrets": {"secretsType": "AccountKey", "key": key},
            },
        }
        answer = arm("PUT", f"{workspace.id}/datastores/feeds", bearer, {"properties": properties})
        return answer.status_code

    assert put("bm90IHRoZSBrZXk=") == 400
    assert put(storage_account.key) == 201
