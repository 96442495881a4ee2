"""The kinds of versioned assets as data: what each keeps, needs and forbids. Stores nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidepool.store import Document


@dataclass(frozen=True, kw_only=True)
class AssetKind:
    """`fixed` cannot change once a version exists: `refused` says so.

    `uri` names the property that is a place, `named_in` the one in which name and version stand once more;
    only what is `provisioned` has a provisioningState.
    """

    type: str
    noun: str
    fixed: tuple[str, ...]
    refused: str
    required: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    uri: str = ""
    named_in: str = ""
    found_by_hash: bool = False
    provisioned: bool = True

    @property
    def version_noun(self) -> str:
        return f"{self.noun} version"

    @property
    def state(self) -> Document:
        return {"provisioningState": "Succeeded"} if self.provisioned else {}

    def changes(self, found: Document, wanted: Document) -> bool:
        """Whether `wanted` would change what is fixed."""
        return any(_content(found.get(key)) != _content(wanted.get(key)) for key in self.fixed)


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
ASSET_KINDS = {one.type: one for one in KINDS}

DEFAULTS: Document = {
    "description": None,
    "tags": {},
    "properties": {},
    "isArchived": False,
}
MUTABLE = ("description", "tags", "isArchived", "stage", "properties")
# The versions that mean "the latest one": the SDK asks for a component without a version by this name.
LATEST = ("azureml_default",)

# Of a component's specification: what may differ without making another component.
_DESCRIBING = frozenset({"description", "display_name", "tags", "name", "version", "_source", "$schema"})


def _content(value: Any) -> Any:
    """What a value says: a slash at the end of a place says nothing, and absent is the same as empty."""
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if key not in _DESCRIBING} or None
    return value.rstrip("/") if isinstance(value, str) else value or None
