"""The kinds of versioned assets as data: their required, default and fixed properties."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidepool.store import Document


@dataclass(frozen=True, kw_only=True)
class AssetKind:
    """A kind of versioned asset.

    The properties in `fixed` cannot change once a version exists; `refused` is the error message for an
    attempt to change them. The property `uri` is the location of the files. The object in the property
    `named_in` contains the name and the version again. A kind that is `provisioned` has a provisioningState.
    A kind that `names_job` has the name of the job whose output or artifact it is.
    """

    type: str
    noun: str
    fixed: tuple[str, ...]
    refused: str
    refused_status: int = 400
    required: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    uri: str = ""
    named_in: str = ""
    found_by_hash: bool = False
    provisioned: bool = True
    names_job: bool = False

    @property
    def version_noun(self) -> str:
        return f"{self.noun} version"

    @property
    def state(self) -> Document:
        return {"provisioningState": "Succeeded"} if self.provisioned else {}

    def changes(self, existing: Document, requested: Document) -> bool:
        """Return whether the requested properties differ from the existing ones in a fixed property."""
        return any(_content(existing.get(key)) != _content(requested.get(key)) for key in self.fixed)


_PATHS = "Asset paths cannot be updated."
_CONTENT = (
    "A {noun} with this name and version is already registered, with other content. "
    "Only description, tags, properties and isArchived can be updated: use another version."
)

KINDS = (
    AssetKind(
        type="data",
        noun="data",
        fixed=("dataUri", "dataType"),
        refused=_PATHS,
        required=("dataUri",),
        defaults={"dataType": "uri_folder"},
        uri="dataUri",
        provisioned=False,
    ),
    AssetKind(
        type="models",
        noun="model",
        fixed=("modelUri", "modelType"),
        refused=_PATHS,
        required=("modelUri",),
        defaults={"modelType": "custom_model", "flavors": {}},
        uri="modelUri",
        names_job=True,
    ),
    AssetKind(
        type="codes",
        noun="code",
        fixed=("codeUri",),
        refused=_PATHS,
        required=("codeUri",),
        uri="codeUri",
        found_by_hash=True,
    ),
    AssetKind(
        type="environments",
        noun="environment",
        fixed=("image", "condaFile", "build", "osType"),
        refused=_CONTENT,
        refused_status=409,  # the SDK then takes the next version
        defaults={"osType": "Linux"},
    ),
    AssetKind(
        type="components",
        noun="component",
        fixed=("componentSpec",),
        refused=_CONTENT,
        required=("componentSpec",),
        named_in="componentSpec",
    ),
)

DEFAULTS: Document = {
    "description": None,
    "tags": {},
    "properties": {},
    "isArchived": False,
}
MUTABLE = ("description", "tags", "isArchived", "stage", "properties")
# These version names mean the latest version. The SDK sends this name if a component is used without a
# version.
LATEST = ("azureml_default",)

# The keys of a component's specification that may differ between equal components.
_DESCRIBING = frozenset({"description", "display_name", "tags", "name", "version", "_source", "$schema"})


def _content(value: Any) -> Any:
    """Return a value in the form in which it is compared: a URI without a slash at the end, None if empty."""
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if key not in _DESCRIBING} or None
    return value.rstrip("/") if isinstance(value, str) else value or None
