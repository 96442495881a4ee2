"""Clients of the unmodified Azure SDKs for tests: the only place that makes them.

A client has the identity of this process unless a test passes a `credential`. The SDKs are imported in the
functions, because azure-ai-ml takes seconds to import. `options` are the keyword arguments of the SDK.

All clients share one credential, with its tokens, and one pool of connections. A credential and new TLS
connections for each of hundreds of clients would take a good part of the tests' time.
"""

import os
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.data.tables import TableServiceClient
    from azure.storage.blob import BlobClient, BlobServiceClient, ContainerClient
    from azure.storage.queue import QueueClient

MANAGEMENT = "https://management.azure.com/.default"
STORAGE = "https://storage.azure.com/.default"
_HOSTS = 20  # whose connections stay open


def ml_client(workspace: str, credential: Any = None) -> "MLClient":
    """Return a client of a workspace, given by its id or its name in the group that the environment names."""
    from azure.ai.ml import MLClient

    group = workspace.split("/")[4] if "/" in workspace else os.environ["AZURE_RESOURCE_GROUP"]
    return MLClient(
        credential or _own_identity(),
        os.environ["AZURE_SUBSCRIPTION_ID"],
        group,
        workspace.rpartition("/")[2],
        show_progress=False,
        transport=_transport(),
    )


def registry_client(registry: str) -> "MLClient":
    """Return a client of an Azure ML registry."""
    from azure.ai.ml import MLClient

    return MLClient(_own_identity(), registry_name=registry, transport=_transport())


def blob_service(account: str, credential: Any = None, **options: Any) -> "BlobServiceClient":
    """Return a client of an account's blobs."""
    from azure.storage.blob import BlobServiceClient

    return BlobServiceClient(_url(account, "blob"), credential or _own_identity(), **_shared(options))


def container_client(
    account: str, container: str, credential: Any = None, **options: Any
) -> "ContainerClient":
    """Return a client of a blob container, whether or not it exists."""
    from azure.storage.blob import ContainerClient

    return ContainerClient(
        _url(account, "blob"), container, credential or _own_identity(), **_shared(options)
    )


def blob_client(url: str) -> "BlobClient":
    """Return a client of the blob at a URL."""
    from azure.storage.blob import BlobClient

    return BlobClient.from_blob_url(url, _own_identity(), transport=_transport())


def queue_client(account: str, queue: str, **options: Any) -> "QueueClient":
    """Return a client of a queue, whether or not it exists."""
    from azure.storage.queue import QueueClient

    return QueueClient(_url(account, "queue"), queue, credential=_own_identity(), **_shared(options))


def table_service(account: str) -> "TableServiceClient":
    """Return a client of an account's tables."""
    from azure.data.tables import TableServiceClient

    return TableServiceClient(_url(account, "table"), credential=_own_identity(), transport=_transport())


def token(scope: str) -> str:
    """Return a bearer token of this process for a scope."""
    return str(_own_identity().get_token(scope).token)


def _own_identity() -> Any:
    return _identity_at(os.environ.get("IDENTITY_ENDPOINT", ""), os.environ.get("IDENTITY_HEADER", ""))


@cache
def _identity_at(endpoint: str, header: str) -> Any:
    """Return the credential of this process while the environment names this endpoint and this identity."""
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


def _shared(options: dict[str, Any]) -> dict[str, Any]:
    return {"transport": _transport(), **options}


@cache
def _transport() -> Any:
    """Return a transport that a client which is closed leaves open."""
    import requests
    from azure.core.pipeline.transport import RequestsTransport
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.mount("https://", HTTPAdapter(pool_connections=_HOSTS))
    return RequestsTransport(session=session, session_owner=False)


def _url(account: str, service: str) -> str:
    return f"https://{account}.{service}.core.windows.net"
