"""The two shapes of an event, what Event Grid checks in them, and how one becomes the other. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidepool.errors import AzureError

Event = dict[str, Any]

MAX_EVENT_BYTES = 1024 * 1024
_REQUIRED = ("id", "subject", "eventType", "eventTime", "dataVersion")
_CLOUD_REQUIRED = ("id", "source", "type", "specversion")


def is_cloud_event(event: Mapping[str, Any]) -> bool:
    return "specversion" in event


def accept_grid_events(events: Any, topic: str) -> list[Event]:
    """Published Event Grid events, stamped with their topic; AzureError 400 names the first bad property."""
    if not isinstance(events, list):
        raise _refused(
            "This resource is configured to receive event in 'EventGridEvent' schema, as an array."
        )
    for number, event in enumerate(events):
        _check(event, number, _REQUIRED)
        _check_time(event["eventTime"], number)
        if str(event.get("topic") or topic).lower() != topic.lower():
            raise _refused(f"The topic of event {number} does not match: '{event['topic']}'.")
    return [{**event, "topic": topic, "metadataVersion": "1"} for event in events]


def accept_cloud_events(events: Any) -> list[Event]:
    """Published CloudEvents 1.0, one or a batch; they keep their source."""
    listed = events if isinstance(events, list) else [events]
    for number, event in enumerate(listed):
        _check(event, number, _CLOUD_REQUIRED)
        if event["specversion"] != "1.0":
            raise _refused(f"The property 'specversion' of event {number} must be '1.0'.")
    return listed


def to_cloud_event(event: Event) -> Event:
    if is_cloud_event(event):
        return event
    return {
        "id": event["id"],
        "source": event["topic"],
        "specversion": "1.0",
        "type": event["eventType"],
        "subject": event["subject"],
        "time": event["eventTime"],
        "data": event.get("data"),
    }


def _check(event: Any, number: int, required: tuple[str, ...]) -> None:
    if not isinstance(event, dict):
        raise _refused(f"Event {number} is not an object.")
    for name in required:
        value = event.get(name)
        if not isinstance(value, str) or (not value and name != "dataVersion"):
            raise _refused(f"Required property '{name}' is not set on event {number}.")


def _check_time(value: str, number: int) -> None:
    try:
        datetime.fromisoformat(value)
    except ValueError as error:
        raise _refused(f"The property 'eventTime' of event {number} is not a time: '{value}'.") from error


def _refused(message: str) -> AzureError:
    return AzureError(400, "BadRequest", message)
