"""What a request may say of a storage account: names, kinds and properties, and what is refused."""

import re
from typing import Any

from tidepool.default_resources import LOCATION
from tidepool.errors import AzureError, refused_property
from tidepool.store import Document

KINDS = ("StorageV2", "Storage", "BlobStorage", "BlockBlobStorage")
_NAME = re.compile(r"[a-z0-9]{3,24}")
_SKU = re.compile(r"(Standard|Premium)_(LRS|GRS|RAGRS|ZRS|GZRS|RAGZRS)")
# Properties that Tidepool keeps and returns, and why nothing that it emulates depends on them.
STORED = {
    "accessTier": "no blob is billed",
    "allowBlobPublicAccess": "anonymous requests are refused in any case",
    "allowCrossTenantReplication": "there is no replication",
    "allowedCopyScope": "there is one tenant and no network",
    "defaultToOAuthAuthentication": "it is a hint to the portal",
    "dualStackEndpointPreference": "there is no network",
    "keyPolicy": "keys do not expire",
    "largeFileSharesState": "there are no file shares",
    "minimumTlsVersion": "Tidepool speaks TLS 1.2 and later",
    "networkAcls": "there is no network: every program reaches every account",
    "publicNetworkAccess": "there is no network: every program reaches every account",
    "routingPreference": "there is no network",
    "sasPolicy": "it only causes warnings",
    "supportsHttpsTrafficOnly": "Tidepool speaks HTTPS only",
    "encryption": "files are on this machine; keys of a customer's own are refused",
}
_USED = ("allowSharedKeyAccess", "isHnsEnabled")
_HNS = (
    "an account with a hierarchical namespace (isHnsEnabled): Azurite, which stores the blobs, has no "
    "directories and no renames, so its events and listings would differ from Azure's"
)


def check_name(name: str) -> None:
    """Raise AzureError 400 if Azure would refuse the name of a storage account."""
    if not _NAME.fullmatch(name):
        raise AzureError(
            400,
            "AccountNameInvalid",
            f"{name} is not a valid storage account name. Storage account name must be between 3 and 24 "
            "characters in length and use numbers and lower-case letters only.",
        )


def requested(name: str, body: Document, existing: Document | None) -> Document:
    """Return the outer fields and the properties that an account has after a request.

    Raise AzureError 400 or 409 if Azure would refuse the request, and 501 for what Tidepool does not emulate.
    """
    check_name(name)
    before = existing or {}
    fields = {
        key: body.get(key) or before.get(key) for key in ("kind", "sku", "location", "tags", "identity")
    }
    for key in ("location", "sku", "kind"):
        if not fields[key]:
            raise _invalid(f"A storage account needs a value for '{key}'.")
    _check_kind(fields["kind"], fields["sku"])
    if existing and _plain(str(fields["location"])) != _plain(before["location"]):
        raise AzureError(
            409,
            "InvalidResourceLocation",
            f"The resource '{name}' already exists in location '{before['location']}'. A resource with the "
            f"same name cannot be created in location '{fields['location']}'.",
        )
    properties = body.get("properties") or {}
    _check_properties(properties, before.get("properties") or {})
    return {**fields, "properties": {key: value for key, value in properties.items() if value is not None}}


def _check_kind(kind: Any, sku: Any) -> None:
    if kind == "FileStorage":
        raise refused_property("kind", kind, "it has no file shares")
    if kind not in KINDS:
        raise _invalid(f"The kind '{kind}' is not one of {', '.join(KINDS)}, FileStorage.")
    name = sku.get("name") if isinstance(sku, dict) else None
    if not _SKU.fullmatch(str(name)):
        raise _invalid(f"The sku '{name}' is not one of Azure Storage's, such as Standard_LRS.")


def _check_properties(properties: Document, before: Document) -> None:
    if properties.get("isHnsEnabled"):
        raise AzureError(501, "NotEmulated", f"Tidepool does not emulate {_HNS}.")
    encryption = properties.get("encryption") or {}
    if str(encryption.get("keySource") or "Microsoft.Storage").lower() != "microsoft.storage":
        raise refused_property("encryption.keySource", encryption["keySource"], "it has no key vaults")
    for key, value in properties.items():
        unknown = key not in STORED and key not in _USED
        if unknown and value not in (None, False, before.get(key)):
            raise refused_property(key, value, "docs/tidepool.md lists what it knows of storage accounts")


def _plain(location: str) -> str:
    return location.replace(" ", "").lower()


def _invalid(message: str) -> AzureError:
    return AzureError(400, "InvalidRequestContent", message)


def default_request() -> Document:
    """Return the body of the request for an account that Tidepool creates itself."""
    return {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "location": LOCATION}
