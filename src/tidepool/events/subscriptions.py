"""An event subscription, read from its ARM resource or from `infra/subscriptions.yaml`, and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from tidepool.errors import AzureError
from tidepool.events.filters import EventFilter
from tidepool.events.system_topics import TopicIdentity

COLLECTION = "/providers/Microsoft.EventGrid/eventSubscriptions"

EVENT_GRID_SCHEMA = "EventGridSchema"
CLOUD_EVENT_SCHEMA = "CloudEventSchemaV1_0"

# name -> (lowest, highest, default)
_LIMITS = {
    "maxDeliveryAttempts": (1, 30, 30),
    "eventTimeToLiveInMinutes": (1, 1440, 1440),
    "maxEventsPerBatch": (1, 5000, 1),
    "preferredBatchSizeInKilobytes": (1, 1024, 64),
}


@dataclass(frozen=True)
class DeadLetterStore:
    account: str
    container: str


@dataclass(frozen=True)
class Destination:
    """The endpoint of a subscription.

    It is a function (`site`, `function`), a webhook (`url`), or a storage queue (`account`, `queue`).
    `message_ttl_s` is the lifetime of its messages, which is -1 without a limit.
    """

    url: str = ""
    site: str = ""
    function: str = ""
    account: str = ""
    queue: str = ""
    message_ttl_s: int = -1

    @property
    def is_webhook(self) -> bool:
        return bool(self.url)


@dataclass(frozen=True, kw_only=True)
class Subscription:
    topic: str
    name: str
    filter: EventFilter
    destination: Destination
    schema: str
    max_attempts: int
    time_to_live_s: int
    max_batch_events: int
    max_batch_bytes: int
    dead_letter: DeadLetterStore | None
    delivery_identity: TopicIdentity | None = None
    dead_letter_identity: TopicIdentity | None = None
    expires: datetime | None = None

    @property
    def id(self) -> str:
        return f"{self.topic}{COLLECTION}/{self.name}"

    @classmethod
    def read(cls, topic: str, name: str, properties: Mapping[str, Any]) -> "Subscription":
        """Read the properties of an ARM resource. Raise AzureError 400 if Azure would refuse them."""
        destination, delivery_identity = _with_identity(
            properties, "destination", "deliveryWithResourceIdentity"
        )
        dead_letters, dead_letter_identity = _with_identity(
            properties, "deadLetterDestination", "deadLetterWithResourceIdentity"
        )
        policy = properties.get("retryPolicy") or {}
        delivery = destination.get("properties") or {}
        return cls(
            topic=topic,
            name=name,
            filter=EventFilter(properties.get("filter")),
            destination=_destination(destination),
            schema=properties.get("eventDeliverySchema") or EVENT_GRID_SCHEMA,
            max_attempts=_limited(policy, "maxDeliveryAttempts"),
            time_to_live_s=60 * _limited(policy, "eventTimeToLiveInMinutes"),
            max_batch_events=_limited(delivery, "maxEventsPerBatch"),
            max_batch_bytes=1024 * _limited(delivery, "preferredBatchSizeInKilobytes"),
            dead_letter=_dead_letter_store(dead_letters),
            delivery_identity=delivery_identity,
            dead_letter_identity=dead_letter_identity,
            expires=_time(properties.get("expirationTimeUtc")),
        )


def read_file(
    file: Path, *, topics: Mapping[str, str], site: str, prefix: str = ""
) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (topic id, name, properties) of each subscription in `infra/subscriptions.yaml`.

    `topics` maps `storage`, `development` and `production` to ARM ids. Subscriptions of other topics are left
    out. `site` is the ARM id of the functions app. Dead letters go to the storage account. `prefix` is put
    before the names, because several apps may subscribe to a topic and a name must be unique in its topic.
    """
    entries = yaml.safe_load(file.read_text())
    return [
        (topics[entry["topic"]], prefix + entry["name"], _properties(entry, topics["storage"], site))
        for entry in entries
        if entry["topic"] in topics
    ]


def _properties(entry: Mapping[str, Any], storage_account: str, site: str) -> dict[str, Any]:
    return {
        "destination": {
            "endpointType": "AzureFunction",
            "properties": {
                "resourceId": f"{site}/functions/{entry['function']}",
                **entry.get("delivery", {}),
            },
        },
        "filter": entry.get("filter", {}),
        "eventDeliverySchema": EVENT_GRID_SCHEMA,
        "retryPolicy": entry.get("retryPolicy", {}),
        "deadLetterDestination": {
            "endpointType": "StorageBlob",
            "properties": {"resourceId": storage_account, "blobContainerName": entry["deadLetter"]},
        },
    }


def _destination(spec: Mapping[str, Any]) -> Destination:
    properties = spec.get("properties") or {}
    match spec.get("endpointType"):
        case "AzureFunction":
            site, _, function = str(properties.get("resourceId")).rpartition("/functions/")
            return Destination(site=site.rpartition("/")[2], function=function)
        case "WebHook":
            return Destination(url=str(properties.get("endpointUrl")))
        case "StorageQueue":
            seconds = properties.get("queueMessageTimeToLiveInSeconds")
            account = str(properties.get("resourceId")).rpartition("/")[2]
            return Destination(
                account=account, queue=str(properties.get("queueName")), message_ttl_s=seconds or -1
            )
        case other:
            raise AzureError(
                400,
                "InvalidRequest",
                f"The endpointType is {other!r}: it must be AzureFunction, StorageQueue or WebHook.",
            )


def _with_identity(
    properties: Mapping[str, Any], name: str, with_identity: str
) -> tuple[Mapping[str, Any], TopicIdentity | None]:
    """Return a destination, and the identity that is used for it, or None.

    Raise AzureError 400 if both spellings are used, or if one with an identity is incomplete.
    """
    bare, both = properties.get(name), properties.get(with_identity)
    if not both:
        return bare or {}, None
    if bare or not both.get("identity") or not both.get(name):
        raise AzureError(
            400,
            "InvalidRequest",
            f"{with_identity} needs 'identity' with its type and '{name}', and replaces '{name}' outside of "
            f"it. It is {dict(both)}.",
        )
    return both[name], TopicIdentity.read(both["identity"])


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise AzureError(
            400, "InvalidRequest", f"expirationTimeUtc is {text!r}, which is no time."
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _dead_letter_store(spec: Mapping[str, Any] | None) -> DeadLetterStore | None:
    if not spec:
        return None
    properties = spec["properties"]
    return DeadLetterStore(str(properties["resourceId"]).rpartition("/")[2], properties["blobContainerName"])


def _limited(spec: Mapping[str, Any], name: str) -> int:
    lowest, highest, default = _LIMITS[name]
    value = spec.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or not lowest <= value <= highest:
        raise AzureError(
            400, "InvalidRequest", f"{name} is {value!r}; it must be between {lowest} and {highest}."
        )
    return value
