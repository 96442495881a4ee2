"""Resource groups, and the resources that are found in them by their names.

The names of storage accounts are unique in Azure. The names of workspaces are unique in a Tidepool, because
the addresses of MLflow and of run pages have no group.
"""

from collections.abc import Iterator

from tidepool.default_resources import LOCATION, RESOURCE_GROUP, SUBSCRIPTION
from tidepool.store import Document, Store

ACCOUNTS = "Microsoft.Storage/storageAccounts"
WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
_COLLECTION = "/resourceGroups"
_SUBSCRIPTION = f"/subscriptions/{SUBSCRIPTION}"


def group_names(store: Store) -> list[str]:
    """Return the names of all resource groups. Tidepool's own group is the first."""
    stored = [path.rpartition("/")[2] for path, _ in store.children(_COLLECTION)]
    return [RESOURCE_GROUP, *(name for name in stored if name.lower() != RESOURCE_GROUP.lower())]


def group_named(store: Store, name: str) -> str | None:
    """Return the name of a group as it was created, given in any case, or None if there is no such group."""
    if name.lower() == RESOURCE_GROUP.lower():
        return RESOURCE_GROUP
    path = store.spelled(f"{_COLLECTION}/{name}")
    return path.rpartition("/")[2] if path else None


def group_id(name: str) -> str:
    return f"{_SUBSCRIPTION}/resourceGroups/{name}"


def group_document(store: Store, name: str) -> Document:
    """Return a resource group that exists."""
    stored = store.get(f"{_COLLECTION}/{name}") or {}
    return {
        "id": group_id(name),
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": stored.get("location") or LOCATION,
        "tags": stored.get("tags") or {},
        "properties": {"provisioningState": "Succeeded"},
    }


def write_group(store: Store, name: str, location: str, tags: Document) -> None:
    store.put(f"{_COLLECTION}/{name}", {"location": location, "tags": tags})


def resources_in(store: Store, type_: str, scope: str = "") -> Iterator[Document]:
    """Yield the resources of a type, such as ACCOUNTS. `scope` is the id of a group, or "" for all groups."""
    if "/resourcegroups/" not in scope.lower():
        yield from store.of_type(type_)
    else:
        yield from (document for _, document in store.children(f"{scope.rstrip('/')}/providers/{type_}"))


def id_of(store: Store, type_: str, name: str) -> str:
    """Return the id of the resource of a type with a name, in whichever group it is.

    If there is none, return the id that it would have in Tidepool's own group.
    """
    return store.path_of(type_, name) or f"{group_id(RESOURCE_GROUP)}/providers/{type_}/{name}"


def account_id(store: Store, name: str) -> str:
    return id_of(store, ACCOUNTS, name)


def workspace_id(store: Store, name: str) -> str:
    return id_of(store, WORKSPACES, name)


def name_taken(store: Store, resource_id: str) -> bool:
    """Return whether another group has a resource of the same type and name."""
    type_and_name = resource_id.partition("/providers/")[2]
    type_, _, name = type_and_name.rpartition("/")
    existing = id_of(store, type_, name)
    return existing.lower() != resource_id.lower() and store.get(existing) is not None
