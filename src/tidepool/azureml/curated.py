"""Curated environments: the registry `azureml`, and the names `AzureML-...` in each workspace.

The data file has the names and the newest versions. Only the newest versions are stored, so that lists and
the label `latest` work. Older versions, and the names in workspaces, are made when they are looked up.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path

import yaml

from tidepool.arm.requests import resource
from tidepool.arm.system_data import with_system_data
from tidepool.azureml.asset_kinds import DEFAULTS
from tidepool.azureml.ids import registry_id
from tidepool.store import Document, Store

REGISTRY = "azureml"
PREFIX = "AzureML-"  # of the names in workspaces
_FILE = Path(__file__).parent / "curated_environments.yaml"
_IMAGE = "mcr.microsoft.com/azureml/curated"
_CONTAINER = re.compile(
    rf"(?P<id>.*/(?:registries/{REGISTRY}/environments/|workspaces/[^/]+/environments/{PREFIX})(?P<name>[^/]+))",
    re.IGNORECASE,
)
_AUTHOR = "Microsoft"


@cache
def newest_versions() -> Mapping[str, int]:
    """Return the number of the newest version of each curated environment, by its name in the registry."""
    versions: dict[str, int] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return versions


def curated_version(container: str, version: str) -> Document | None:
    """Return a version of the environment at a path, such as `/.../environments/AzureML-sklearn-1.5`.

    An empty version means the newest one. Return None if there is no such curated environment or version.
    """
    match = _CONTAINER.fullmatch(container)
    name, newest = _known(match["name"]) if match else ("", 0)
    number = version or str(newest)
    if not number.isdecimal() or not 0 < int(number) <= newest:
        return None
    properties = {
        **DEFAULTS,
        "isAnonymous": False,
        "osType": "Linux",
        "environmentType": "Curated",
        "image": f"{_IMAGE}/{name}:{number}",
        "provisioningState": "Succeeded",
    }
    document = resource(f"{container}/versions/{number}", properties)
    return {**document, "id": _public_id(document["id"])}


def store_newest(store: Store, now: datetime) -> None:
    """Store the registry's environments with their newest versions, unless they are stored already."""
    for name, number in newest_versions().items():
        path = f"{registry_id(REGISTRY)}/environments/{name}"
        version = curated_version(path, str(number))
        if version is None or store.get(f"{path}/versions/{number}"):
            continue
        container = resource(path, {**DEFAULTS, "provisioningState": "Succeeded"})
        container["id"] = _public_id(container["id"])
        store.put(path, with_system_data(container, now, _AUTHOR))
        store.put(f"{path}/versions/{number}", with_system_data(version, now, _AUTHOR))


def _known(name: str) -> tuple[str, int]:
    """Return the name as Azure spells it, with its newest version, or 0 if it is unknown."""
    for known, newest in newest_versions().items():
        if known.lower() == name.lower():
            return known, newest
    return name, 0


def _public_id(path: str) -> str:
    """Return the id of an asset of a registry, which differs from its path, or the path of another asset."""
    _, separator, rest = path.partition("/registries/")
    return f"azureml://registries/{rest}" if separator else path
