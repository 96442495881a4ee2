"""Ids of Azure ML: every form that bodies and URIs have, read into what it names. Knows no asset."""

import re
from dataclasses import dataclass

from tidepool.azureml.workspaces import workspace_by_guid
from tidepool.default_resources import workspace_id
from tidepool.store import Store

_NAMED = r"/(?P<kind>\w+)/(?P<name>[^/:]+)"
_VERSION = r"(?:(?:/versions/|:)(?P<version>[^/]+)|/labels/(?P<label>[^/]+))"
_ML = r"/providers/Microsoft\.MachineLearningServices"
# What an id names; `id`, `workspace`, `guid` and `registry` say whose it is. The first form that fits counts.
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        # /subscriptions/s/resourceGroups/g/providers/.../workspaces/w/data/n/versions/1
        rf"(?:azureml:)?(?P<id>/subscriptions/[^/]+/resourceGroups/[^/]+{_ML}/(?:workspaces|registries)/[^/]+)"
        rf"{_NAMED}{_VERSION}?",
        # azureml://locations/l/workspaces/GUID/data/n/versions/1
        rf"azureml://locations/[^/]+/workspaces/(?P<guid>[^/]+){_NAMED}{_VERSION}?",
        # azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/d/paths/p
        rf"azureml://subscriptions/[^/]+/resourcegroups/[^/]+(?:{_ML})?/workspaces/(?P<workspace>[^/]+)"
        rf"{_NAMED}(?:/paths/(?P<path>.*)|{_VERSION})?",
        rf"azureml://registries/(?P<registry>[^/]+){_NAMED}{_VERSION}",
        r"azureml://(?P<kind>datastores)/(?P<name>[^/]+)(?:/paths)?/(?P<path>.*)",
        r"azureml://(?P<kind>jobs)/(?P<name>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths/?(?P<path>.*))?",
        # azureml://artifacts/ExperimentRun/dcid.r/model
        r"azureml://(?P<kind>artifacts)/(?P<path>.*)",
        r"runs:/(?P<run>[^/]+)/(?P<path>.*)",
    )
)


@dataclass(frozen=True)
class Reference:
    """What an id names: `kind` as in ARM (`data`, `models` ...), in the workspace or registry `root`."""

    root: str
    kind: str
    name: str
    version: str = ""
    label: str = ""
    path: str = ""
    output: str = ""


def read_reference(store: Store, root: str, text: str) -> Reference | None:
    """What `text` names, seen from the workspace (or registry) `root`; None where it is no reference."""
    for form in _FORMS:
        match = form.fullmatch(text.rstrip("/") if "/paths/" not in text else text)
        if match:
            return _reference(store, root, match.groupdict())
    return None


def _reference(store: Store, root: str, found: dict[str, str | None]) -> Reference:
    if found.get("run"):
        return Reference(root, "artifacts", "", path=f"ExperimentRun/dcid.{found['run']}/{found['path']}")
    return Reference(
        root=_owner(store, root, found),
        kind=(found["kind"] or "").lower(),
        name=found.get("name") or "",
        version=found.get("version") or "",
        label=found.get("label") or "",
        path=(found.get("path") or "").lstrip("/"),
        output=found.get("output") or "",
    )


def _owner(store: Store, root: str, found: dict[str, str | None]) -> str:
    if found.get("id"):
        return str(found["id"])
    if found.get("workspace"):
        return workspace_id(str(found["workspace"]))
    if found.get("registry"):
        return registry_id(str(found["registry"]))
    if found.get("guid"):
        owner = workspace_by_guid(store, str(found["guid"]))
        return owner["id"] if owner else f"{workspace_id('')}{found['guid']}"
    return root


def registry_id(name: str) -> str:
    return workspace_id(name).replace("/workspaces/", "/registries/")
