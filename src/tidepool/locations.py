"""Where data is: reads every form of URI and id that Azure ML has for data, down to account, container and path."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from tidepool.errors import AzureError
from tidepool.estate import workspace_id
from tidepool.store import Store
from tidepool.workspaces import artifact_store, workspace_by_guid

# What a reference names: the forms are tried in order; `workspace`, `guid` and `registry` say whose it is.
_FORMS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # /subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/data/n/versions/1
        r"(?:azureml:)?(?P<id>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.MachineLearningServices/"
        r"(?:workspaces|registries)/[^/]+)/(?P<kind>\w+)/(?P<name>[^/:]+)(?:(?:/versions/|:)(?P<version>[^/]+)|/labels/(?P<label>[^/]+))?",
        # azureml://locations/l/workspaces/GUID/data/n/versions/1
        r"azureml://locations/[^/]+/workspaces/(?P<guid>[^/]+)/(?P<kind>\w+)/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+)|/labels/(?P<label>[^/]+))?",
        # azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/d/paths/p and .../data/n/versions/1
        r"azureml://subscriptions/[^/]+/resourcegroups/[^/]+(?:/providers/Microsoft\.MachineLearningServices)?/workspaces/(?P<workspace>[^/]+)"
        r"/(?P<kind>\w+)/(?P<name>[^/]+)(?:/paths/(?P<path>.*)|/versions/(?P<version>[^/]+)|/labels/(?P<label>[^/]+))?",
        # azureml://registries/r/models/m/versions/1
        r"azureml://registries/(?P<registry>[^/]+)/(?P<kind>\w+)/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+)|/labels/(?P<label>[^/]+))",
        # azureml://datastores/d/paths/p, azureml://jobs/j/outputs/o/paths/p
        r"azureml://(?P<kind>datastores)/(?P<name>[^/]+)(?:/paths)?/(?P<path>.*)",
        r"azureml://(?P<kind>jobs)/(?P<name>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths/?(?P<path>.*))?",
        # azureml://artifacts/ExperimentRun/dcid.r/model
        r"azureml://(?P<kind>artifacts)/(?P<path>.*)",
        r"runs:/(?P<run>[^/]+)/(?P<path>.*)",
    )
)
_STORAGE = re.compile(r"(?P<account>[a-z0-9]+)\.(?:blob|dfs)\.core\.windows\.net")

DEPTH = 8  # data that points at data that points at data


@dataclass(frozen=True)
class BlobLocation:
    """A blob, or a folder of blobs when `path` is one; an empty path is the whole container."""

    account: str
    container: str
    path: str

    @property
    def url(self) -> str:
        return f"https://{self.account}.blob.core.windows.net/{self.container}/{self.path}"


@dataclass(frozen=True)
class Reference:
    """What an id or URI names: `kind` as in ARM (`data`, `models`, `datastores`, `computes` ...), in `root`."""

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


def locate(store: Store, root: str, text: str) -> BlobLocation:
    """The blobs that a URI or an asset id stands for. AzureError 400 for what cannot be read or is not there."""
    for _ in range(DEPTH):
        url = urlsplit(text)
        if url.scheme in ("https", "abfss", "wasbs"):
            return _from_url(text)
        reference = read_reference(store, root, text)
        if reference is None:
            break
        if reference.kind == "artifacts":
            account, container = artifact_store(store, reference.root)
            return BlobLocation(account, container, reference.path)
        if reference.kind == "datastores":
            return _in_datastore(store, reference)
        root, text = reference.root, _uri(store, reference)
    raise AzureError(400, "UserError", f"'{text}' is no place where data could be.")


def _in_datastore(store: Store, reference: Reference) -> BlobLocation:
    found = store.get(f"{reference.root}/datastores/{reference.name}")
    if found is None:
        raise AzureError(400, "UserError", f"The datastore '{reference.name}' was not found.")
    properties = found["properties"]
    container = properties.get("containerName") or properties.get("filesystem")
    return BlobLocation(properties["accountName"], container, reference.path)


def _uri(store: Store, reference: Reference) -> str:
    """The URI that an asset, or the output of a job, has."""
    if reference.kind == "jobs":
        run = store.get(f"/history{reference.root}/runs/{reference.name}") or {}
        output = (run.get("outputs") or {}).get(reference.output) or {}
        uri = (
            output.get("uri")
            or output.get("assetId")
            or f"azureml://datastores/workspaceblobstore/paths/azureml/{reference.name}/{reference.output}/"
        )
        return f"{uri.rstrip('/')}/{reference.path}" if reference.path else uri
    found = store.get(f"{reference.root}/{reference.kind}/{reference.name}/versions/{reference.version}")
    if found is None:
        raise AzureError(
            400,
            "UserError",
            f"'{reference.name}' version '{reference.version}' was not found in {reference.kind}.",
        )
    properties = found["properties"]
    return str(properties.get("dataUri") or properties.get("modelUri") or properties.get("codeUri"))


def _from_url(text: str) -> BlobLocation:
    url = urlsplit(text)
    host = url.hostname or ""
    match = _STORAGE.fullmatch(host)
    if not match:
        raise AzureError(400, "UserError", f"'{text}' is not in a storage account of Tidepool.")
    path = unquote(url.path).lstrip("/")
    if url.scheme == "https":
        container, _, path = path.partition("/")
    else:
        container = unquote(url.username or "")
    return BlobLocation(match["account"], container, path)
