"""The event subscriptions and custom topics that exist in Azure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tidegate.cloud.arm import ArmClient
from tidegate.errors import NotFoundError

_API_VERSION = "2025-02-15"
_PROVIDER = "providers/Microsoft.EventGrid"


@dataclass(frozen=True)
class EventSubscription:
    """An event subscription, described by the function that it calls."""

    name: str
    function: str
    event_types: frozenset[str]
    ready: bool


@dataclass(frozen=True)
class CustomTopic:
    """A custom topic of Event Grid."""

    name: str
    id: str
    schema: str

    @property
    def takes_grid_events(self) -> bool:
        """Whether the topic accepts the schema of the service's events. A topic accepts only one schema."""
        return self.schema == "EventGridSchema"


def custom_topic(arm: ArmClient, subscriptions: Iterable[str], endpoint: str) -> CustomTopic | None:
    """Return the topic with this endpoint in any resource group of the subscriptions, or None."""
    for subscription in subscriptions:
        for topic in arm.list(f"/subscriptions/{subscription}/{_PROVIDER}/topics", _API_VERSION):
            properties = topic["properties"]
            if _same_url(str(properties.get("endpoint", "")), endpoint):
                schema = properties.get("inputSchema", "EventGridSchema")
                return CustomTopic(topic["name"], topic["id"], schema)
    return None


def event_subscriptions(arm: ArmClient, source: str) -> list[EventSubscription]:
    """Return the event subscriptions of a storage account or a workspace, given by its ARM id.

    They were created either on the resource itself or on a system topic in its resource group.
    """
    documents = {document["id"].lower(): document for document in _documents(arm, source)}
    return [_read(document) for document in documents.values()]


def _documents(arm: ArmClient, source: str) -> Iterator[dict[str, Any]]:
    yield from arm.list(f"{source}/{_PROVIDER}/eventSubscriptions", _API_VERSION)
    group = source.partition("/providers/")[0]
    try:
        topics = list(arm.list(f"{group}/{_PROVIDER}/systemTopics", _API_VERSION))
    except NotFoundError:
        return
    for topic in topics:
        if str(topic["properties"].get("source", "")).lower() == source.lower():
            yield from arm.list(f"{topic['id']}/eventSubscriptions", _API_VERSION)


def _same_url(first: str, second: str) -> bool:
    return first.lower().rstrip("/") == second.lower().rstrip("/")


def _read(document: dict[str, Any]) -> EventSubscription:
    properties = document["properties"]
    destination = (properties.get("destination") or {}).get("properties") or {}
    target = str(destination.get("resourceId") or destination.get("endpointBaseUrl") or "")
    return EventSubscription(
        name=document["name"],
        function=target.rstrip("/").rpartition("/")[2],
        event_types=frozenset((properties.get("filter") or {}).get("includedEventTypes") or ()),
        ready=properties.get("provisioningState") == "Succeeded",
    )
