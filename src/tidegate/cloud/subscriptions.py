"""Event subscriptions and custom topics, as Azure has them. Makes none."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tidegate.cloud.arm import ArmClient
from tidegate.errors import NotFoundError

_API_VERSION = "2025-02-15"
_PROVIDER = "providers/Microsoft.EventGrid"


@dataclass(frozen=True)
class EventSubscription:
    """One, by the function that it calls."""

    name: str
    function: str
    event_types: frozenset[str]
    ready: bool


@dataclass(frozen=True)
class CustomTopic:
    name: str
    id: str
    schema: str

    @property
    def takes_grid_events(self) -> bool:
        """The schema that we publish in; a topic takes one only."""
        return self.schema == "EventGridSchema"


def custom_topic(arm: ArmClient, subscriptions: Iterable[str], endpoint: str) -> CustomTopic | None:
    """The topic that has this address, in any resource group of these subscriptions."""
    for subscription in subscriptions:
        for one in arm.list(f"/subscriptions/{subscription}/{_PROVIDER}/topics", _API_VERSION):
            properties = one["properties"]
            if _same(str(properties.get("endpoint", "")), endpoint):
                return CustomTopic(one["name"], one["id"], properties.get("inputSchema", "EventGridSchema"))
    return None


def event_subscriptions(arm: ArmClient, source: str) -> list[EventSubscription]:
    """Of a storage account or a workspace (an ARM id): made on it, or on a system topic of its group."""
    found = {one["id"].lower(): one for one in _of(arm, source)}
    return [_read(one) for one in found.values()]


def _of(arm: ArmClient, source: str) -> Iterator[dict[str, Any]]:
    yield from arm.list(f"{source}/{_PROVIDER}/eventSubscriptions", _API_VERSION)
    group = source.partition("/providers/")[0]
    try:
        topics = list(arm.list(f"{group}/{_PROVIDER}/systemTopics", _API_VERSION))
    except NotFoundError:
        return
    for topic in topics:
        if str(topic["properties"].get("source", "")).lower() == source.lower():
            yield from arm.list(f"{topic['id']}/eventSubscriptions", _API_VERSION)


def _same(one: str, other: str) -> bool:
    return one.lower().rstrip("/") == other.lower().rstrip("/")


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
