"""What a request may say of a storage account: its kind, its sku and its region."""

import re
from typing import Any

from tidepool.default_resources import LOCATION
from tidepool.errors import AzureError, refused_property
from tidepool.store import Document

KINDS = ("StorageV2", "Storage", "BlobStorage", "BlockBlobStorage")
_SKU = re.compile(r"(Standard|Premium)_(LRS|GRS|RAGRS|ZRS|GZRS|RAGZRS)")


def requested(name: str, body: Document, existing: Document | None) -> Document:
    """Return the outer fields and the properties that an account has after a request.

    Raise AzureError 400 or 409 if Azure would refuse the request, and 501 for what Tidepool does not emulate.
    """
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
    return {**fields, "properties": {key: value for key, value in properties.items() if value is not None}}


def _check_kind(kind: Any, sku: Any) -> None:
    if kind == "FileStorage":
        raise refused_property("kind", kind, "it has no file shares")
    if kind not in KINDS:
        raise _invalid(f"The kind '{kind}' is not one of {', '.join(KINDS)}, FileStorage.")
    name = sku.get("name") if isinstance(sku, dict) else None
    if not _SKU.fullmatch(str(name)):
        raise _invalid(f"The sku '{name}' is not one of Azure Storage's, such as Standard_LRS.")


def _plain(location: str) -> str:
    return location.replace(" ", "").lower()


def _invalid(message: str) -> AzureError:
    return AzureError(400, "InvalidRequestContent", message)


def default_request() -> Document:
    """Return the body of the request for an account that Tidepool creates itself."""
    return {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "location": LOCATION}
