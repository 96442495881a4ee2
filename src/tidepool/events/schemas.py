"""The two event schemas, Event Grid's checks for each schema, and the conversion to CloudEvents."""

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
    """Return published Event Grid events with their topic. Raise AzureError 400 for a bad property."""
    if not isinstance(events, list):
        raise _bad_request(
            "This resource is configured to receive event in 'EventGridEvent' schema, as an array."
        )
    for number, event in enumerate(events):
        _check(event, number, _REQUIRED)
        _check_time(event["eventTime"], number)
        if str(event.get("topic") or topic).lower() != topic.lower():
            raise _bad_request(f"The topic of event {number} does not match: '{event['topic']}'.")
    return [{**event, "topic": topic, "metadataVersion": "1"} for event in events]


def accept_cloud_events(events: Any) -> list[Event]:
    """Return published CloudEvents 1.0, with their source unchanged. `events` is one event or a list.

    Raise AzureError 400 for a bad property.
    """
    batch = events if isinstance(events, list) else [events]
    for number, event in enumerate(batch):
        _check(event, number, _CLOUD_REQUIRED)
        if event["specversion"] != "1.0":
            raise _bad_request(f"The property 'specversion' of event {number} must be '1.0'.")
    return batch


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
        raise _bad_request(f"Event {number} is not an object.")
    for name in required:
        value = event.get(name)
        if not isinstance(value, str) or (not value and name != "dataVersion"):
            raise _bad_request(f"Required property '{name}' is not set on event {number}.")


def _check_time(value: str, number: int) -> None:
    try:
        datetime.fromisoformat(value)
    except ValueError as error:
        raise _bad_request(f"The property 'eventTime' of event {number} is not a time: '{value}'.") from error


def _bad_request(message: str) -> AzureError:
    return AzureError(400, "BadRequest", message)
