"""Data assets and datastores: what is registered, its name and its URI."""

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.config.schema import FeedStorage

BLOBSTORE = "workspaceblobstore"
_DATASTORE_PATHS = "azureml://datastores/{datastore}/paths/{path}"


@dataclass(frozen=True)
class DataAsset:
    """A version of a Data asset to be registered: a folder, and what it is."""

    name: str
    version: str
    path: str
    description: str
    tags: Mapping[str, str]


def datastore_name(storage: FeedStorage) -> str:
    """The credential-less datastore that `tidegate deploy` makes for a feed's container."""
    return f"tidegate_{storage.account}_{storage.container}".replace("-", "_")


def datastore_uri(datastore: str, path: str) -> str:
    return _DATASTORE_PATHS.format(datastore=datastore, path=path)
