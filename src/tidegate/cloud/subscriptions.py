"""Event subscriptions, as Azure has them. Makes none: the templates do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tidegate.cloud.arm import Arm
from tidegate.errors import NotThereError

_API_VERSION = "2025-02-15"
_PROVIDER = "providers/Microsoft.EventGrid"


@dataclass(frozen=True)
class EventSubscription:
    """One, by the function that it calls."""

    name: str
    function: str
    event_types: frozenset[str]
    ready: bool


def event_subscriptions(arm: Arm, source: str) -> list[EventSubscription]:
    """Of a storage account or a workspace (an ARM id): made on it, or on a system topic of its group."""
    found = {one["id"].lower(): one for one in _of(arm, source)}
    return [_read(one) for one in found.values()]


def _of(arm: Arm, source: str) -> Iterator[dict[str, Any]]:
    yield from arm.list(f"{source}/{_PROVIDER}/eventSubscriptions", _API_VERSION)
    group = source.partition("/providers/")[0]
    try:
        topics = list(arm.list(f"{group}/{_PROVIDER}/systemTopics", _API_VERSION))
    except NotThereError:
        return
    for topic in topics:
        if str(topic["properties"].get("source", "")).lower() == source.lower():
            yield from arm.list(f"{topic['id']}/eventSubscriptions", _API_VERSION)


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
