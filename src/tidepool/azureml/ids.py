"""Ids of Azure ML in all forms that request bodies and URIs use, and the parser of these ids."""

import re
from dataclasses import dataclass

from tidepool.arm.resource_groups import workspace_id as workspace_path
from tidepool.azureml.workspaces import workspace_by_guid
from tidepool.default_resources import workspace_id
from tidepool.store import Store

_NAMED = r"/(?P<kind>\w+)/(?P<name>[^/:]+)"
_VERSION = r"(?:(?:/versions/|:)(?P<version>[^/]+)|/labels/(?P<label>[^/]+))"
_ML = r"/providers/Microsoft\.MachineLearningServices"
# The forms of an id. The groups `id`, `workspace`, `guid` and `registry` name the owner.
# The first form that matches is used.
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
        # azureml:AzureML-sklearn-1.5@latest
        r"azureml:(?P<curated>AzureML-[^:@/]+)(?::(?P<version>[^:@/]+)|@(?P<label>[^:@/]+))?",
    )
)


@dataclass(frozen=True)
class Reference:
    """A resource that an id names, in the workspace or registry `root`.

    `kind` is the name of its type in ARM (`data`, `models` ...).
    """

    root: str
    kind: str
    name: str
    version: str = ""
    label: str = ""
    path: str = ""
    output: str = ""


def read_reference(store: Store, root: str, text: str) -> Reference | None:
    """Return the resource that a text names, or None if the text is no reference.

    A short id belongs to the workspace or registry `root`.
    """
    for form in _FORMS:
        match = form.fullmatch(text.rstrip("/") if "/paths/" not in text else text)
        if match:
            return _reference(store, root, match.groupdict())
    return None


def _reference(store: Store, root: str, groups: dict[str, str | None]) -> Reference:
    if groups.get("run"):
        return Reference(root, "artifacts", "", path=f"ExperimentRun/dcid.{groups['run']}/{groups['path']}")
    return Reference(
        root=_owner(store, root, groups),
        kind="environments" if groups.get("curated") else (groups["kind"] or "").lower(),
        name=groups.get("name") or groups.get("curated") or "",
        version=groups.get("version") or "",
        label=groups.get("label") or "",
        path=(groups.get("path") or "").lstrip("/"),
        output=groups.get("output") or "",
    )


def _owner(store: Store, root: str, groups: dict[str, str | None]) -> str:
    if groups.get("id"):
        return str(groups["id"])
    if groups.get("workspace"):
        return workspace_path(store, str(groups["workspace"]))
    if groups.get("registry"):
        return registry_id(str(groups["registry"]))
    if groups.get("guid"):
        owner = workspace_by_guid(store, str(groups["guid"]))
        return owner["id"] if owner else f"{workspace_id('')}{groups['guid']}"
    return root


def registry_id(name: str) -> str:
    return workspace_id(name).replace("/workspaces/", "/registries/")
