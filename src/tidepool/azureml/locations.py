"""Locations of data: resolve URIs and asset ids to a storage account, a container and a path."""

import re
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urlsplit

from tidepool.arm.resource_groups import account_id
from tidepool.azureml.datastore_credentials import DatastoreCredential, credential_of
from tidepool.azureml.ids import Reference, read_reference
from tidepool.azureml.workspaces import artifact_store
from tidepool.default_resources import seed_hint
from tidepool.errors import AzureError
from tidepool.store import Store

_STORAGE = re.compile(r"(?P<account>[a-z0-9]+)\.(?:blob|dfs)\.core\.windows\.net")

_ARTIFACT_STORE = "azureml://datastores/workspaceartifactstore/paths"
ARTIFACTS = ("artifacts", "default")  # the output of a job with the artifacts of its run, in both spellings
DEPTH = 8  # the greatest number of assets in a row, each of which only refers to the next


@dataclass(frozen=True)
class BlobLocation:
    """A blob or a folder of blobs. An empty path is the whole container.

    `keyed` is true if it belongs to a datastore with credentials. Azure ML then uses these, and otherwise the
    identity of the job or the endpoint. `credential` has those that are no key of the account.
    """

    account: str
    container: str
    path: str
    keyed: bool = field(default=False, compare=False)
    credential: DatastoreCredential | None = field(default=None, compare=False)

    @property
    def url(self) -> str:
        return f"https://{self.account}.blob.core.windows.net/{self.container}/{self.path}"


def locate(store: Store, root: str, text: str) -> BlobLocation:
    """Return the location of a URI or an asset id. Raise AzureError 400 if there is no such location."""
    given_out = False
    for _ in range(DEPTH):
        url = urlsplit(text)
        if url.scheme in ("https", "abfss", "wasbs"):
            return replace(_existing(store, _from_url(text)), keyed=given_out)
        reference = read_reference(store, root, text)
        if reference is None:
            break
        if reference.kind == "artifacts":
            account, container = artifact_store(store, reference.root)
            return BlobLocation(account, container, reference.path, keyed=True)
        if reference.kind == "datastores":
            return _in_datastore(store, reference)
        # Azure ML itself gives out code, and the files of registries.
        given_out = given_out or reference.kind == "codes" or "/registries/" in reference.root.lower()
        root, text = reference.root, _uri(store, reference)
    raise AzureError(
        400,
        "UserError",
        f"'{text}' does not lead to data. Use a datastore path, an asset id or a storage URL.",
    )


def _existing(store: Store, location: BlobLocation) -> BlobLocation:
    """Return the location. Raise AzureError 400 if Tidepool has no such account, such as a public one."""
    if store.get(account_id(store, location.account)) is None:
        hint = seed_hint(location.account, location.container)
        message = f"{location.url}: the storage account '{location.account}' does not exist. {hint}"
        raise AzureError(400, "UserError", message)
    return location


def _in_datastore(store: Store, reference: Reference) -> BlobLocation:
    path = f"{reference.root}/datastores/{reference.name}"
    datastore = store.get(path)
    if datastore is None:
        raise AzureError(400, "UserError", f"The datastore '{reference.name}' was not found.")
    properties = datastore["properties"]
    container = properties.get("containerName") or properties.get("filesystem")
    credentials = properties.get("credentials") or {}
    return BlobLocation(
        properties["accountName"],
        container,
        reference.path,
        keyed=credentials.get("credentialsType", "None") != "None",
        credential=credential_of(store, path, credentials),
    )


def _uri(store: Store, reference: Reference) -> str:
    """Return the URI of an asset, or of an output of a job."""
    if reference.kind == "jobs":
        return job_output_uri(store, reference)
    version = store.get(f"{reference.root}/{reference.kind}/{reference.name}/versions/{reference.version}")
    if version is None:
        raise AzureError(
            400,
            "UserError",
            f"'{reference.name}' version '{reference.version}' was not found in {reference.kind}.",
        )
    properties = version["properties"]
    return str(properties.get("dataUri") or properties.get("modelUri") or properties.get("codeUri"))


def job_output_uri(store: Store, reference: Reference) -> str:
    """Return the URI of a path in an output of a job. The output `artifacts` has the files of the run."""
    run = store.get(f"/history{reference.root}/runs/{reference.name}") or {}
    output = (run.get("outputs") or {}).get(reference.output) or {}
    if not output and reference.output in ARTIFACTS:
        return f"{_ARTIFACT_STORE}/ExperimentRun/dcid.{reference.name}/{reference.path}"
    uri = (
        output.get("uri")
        or f"azureml://datastores/workspaceblobstore/paths/azureml/{reference.name}/{reference.output}/"
    )
    return f"{uri.rstrip('/')}/{reference.path}" if reference.path else uri


def _from_url(text: str) -> BlobLocation:
    url = urlsplit(text)
    host = url.hostname or ""
    match = _STORAGE.fullmatch(host)
    if not match:
        raise AzureError(
            400,
            "UserError",
            f"'{text}' is not in a storage account of Tidepool. Tidepool reads no other storage.",
        )
    path = unquote(url.path).lstrip("/")
    if url.scheme == "https":
        container, _, path = path.partition("/")
    else:
        container = unquote(url.username or "")
    return BlobLocation(match["account"], container, path)
