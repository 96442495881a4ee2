"""What there is in a storage account, by name. Makes nothing."""

from typing import TYPE_CHECKING

from tidegate.cloud.azure_errors import azure_errors
from tidegate.cloud.blobs import blob_service

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_OURS = "tidegate"


def our_containers(account: str, credential: "TokenCredential") -> set[str]:
    with azure_errors(f"list containers of {account}"):
        found = blob_service(account, credential).list_containers(name_starts_with=_OURS)
        return {str(container.name) for container in found}


def our_queues(account: str, credential: "TokenCredential") -> set[str]:
    from azure.storage.queue import QueueServiceClient

    with azure_errors(f"list queues of {account}"):
        service = QueueServiceClient(f"https://{account}.queue.core.windows.net", credential=credential)
        return {str(queue.name) for queue in service.list_queues(name_starts_with=_OURS)}


def our_tables(account: str, credential: "TokenCredential") -> set[str]:
    from azure.data.tables import TableServiceClient

    with azure_errors(f"list tables of {account}"):
        service = TableServiceClient(f"https://{account}.table.core.windows.net", credential=credential)
        return {table.name for table in service.list_tables() if table.name.startswith(_OURS)}
