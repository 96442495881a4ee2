"""Data assets and datastores: what is registered, its name and its URI."""

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.config.schema import FeedStorage

BLOBSTORE = "workspaceblobstore"
_DATASTORE_PATHS = "azureml://datastores/{datastore}/paths/{path}"


@dataclass(frozen=True)
class DataAsset:
    """A version of a Data asset to be registered: a folder with its description and tags."""

    name: str
    version: str
    path: str
    description: str
    tags: Mapping[str, str]


def datastore_name(storage: FeedStorage) -> str:
    """Return the name of the datastore without credentials that `tidegate deploy` creates for a container."""
    return f"tidegate_{storage.account}_{storage.container}".replace("-", "_")


def datastore_uri(datastore: str, path: str) -> str:
    """Return the URI of a path in a datastore."""
    return _DATASTORE_PATHS.format(datastore=datastore, path=path)
