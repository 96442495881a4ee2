"""The storage of a registry: its account, its containers, and the addresses with a SAS that clients get."""

import uuid

from tidepool.azureml.ml_errors import UserError
from tidepool.default_resources import storage_account_id
from tidepool.storage.blobs import Blobs
from tidepool.store import Document, Store


def registry_account(store: Store, registry: str) -> str:
    """Return the storage account of a registry."""
    account: str = existing_registry(store, registry)["properties"]["storageAccount"]
    return account.rpartition("/")[2]


def existing_registry(store: Store, resource_id: str) -> Document:
    """Return a registry. Raise UserError 404 if it does not exist."""
    document = store.get(resource_id)
    if document is None:
        name = resource_id.rpartition("/")[2]
        raise UserError(404, f"The registry '{name}' was not found.", "NotFound", "RegistryNotFound")
    return document


async def blob_reference(blobs: Blobs, account: str, container: str, permission: str) -> Document:
    """Return `blobReferenceForConsumption`: a container and a SAS for it."""
    return {
        "blobUri": f"https://{account}.blob.core.windows.net/{container}",
        "storageAccountArmId": storage_account_id(account),
        "credential": {
            "credentialType": "SAS",
            "sasUri": await blobs.sas(account, container, permission=permission),
        },
    }


def registry_container(registry: str, folder: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{registry.lower()}/{folder}"))
