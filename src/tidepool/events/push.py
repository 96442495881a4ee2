"""HTTP requests to the endpoints of event subscriptions: the validation handshake and the deliveries."""

import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import httpx

from tidepool.errors import AzureError
from tidepool.events.outbox import Envelope
from tidepool.events.queue_destination import QueueDestination
from tidepool.events.retries import TIMED_OUT, UNREACHABLE
from tidepool.events.schemas import Event, to_cloud_event
from tidepool.events.subscriptions import CLOUD_EVENT_SCHEMA, Subscription
from tidepool.functions.host import FunctionsApp

log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 30.0
ORIGIN = "eventgrid.azure.net"


class Push:
    """The sending side of Event Grid. `apps` are the functions apps that run now, by name."""

    def __init__(self, apps: Mapping[str, FunctionsApp], queues: QueueDestination) -> None:
        self._apps = apps
        self._queues = queues
        # Close idle connections before any server does, so that no event is sent on a closed connection.
        limits = httpx.Limits(max_connections=None, keepalive_expiry=1.0)
        self._http = httpx.AsyncClient(timeout=ANSWER_WITHIN_S, trust_env=False, limits=limits)

    async def send(self, subscription: Subscription, batch: Sequence[Envelope]) -> int:
        """Post a batch of events and return the status of the response.

        The status is 408 if no response comes in time, and 503 if the endpoint cannot be reached.
        """
        if subscription.destination.queue:
            return await self._queues.send(subscription, batch)
        url = self._url(subscription)
        if url is None:
            return UNREACHABLE
        content, media_type = _body([envelope.event for envelope in batch], subscription)
        headers = {
            "aeg-event-type": "Notification",
            "aeg-subscription-name": subscription.name.upper(),
            "aeg-delivery-count": str(batch[0].attempts),
            "aeg-data-version": str(batch[0].event.get("dataVersion", "")),
            "aeg-metadata-version": "1",
            "content-type": media_type,
        }
        try:
            response = await self._http.post(url, content=content, headers=headers)
        except httpx.TimeoutException:
            return TIMED_OUT
        except httpx.HTTPError as error:
            log.warning("endpoint_unreachable subscription=%s error=%r", subscription.name, error)
            return UNREACHABLE
        return response.status_code

    async def validate(self, subscription: Subscription, now: datetime) -> None:
        """Do the validation handshake. Raise AzureError 400, as Azure does, if the endpoint fails it."""
        if subscription.destination.queue:
            await self._queues.check(subscription)
            return
        url = self._url(subscription)
        if url is None:
            raise _failed_validation(f"the functions app '{subscription.destination.site}' is not running")
        try:
            if subscription.schema == CLOUD_EVENT_SCHEMA and subscription.destination.is_webhook:
                await self._validate_with_options(url)
            else:
                await self._validate_with_code(url, subscription, now)
        except httpx.HTTPError as error:
            raise _failed_validation(f"the endpoint could not be reached: {error!r}") from error

    async def close(self) -> None:
        await self._http.aclose()

    def _url(self, subscription: Subscription) -> str | None:
        destination = subscription.destination
        if destination.is_webhook:
            return destination.url
        app = self._apps.get(destination.site)
        return app.webhook_url(destination.function) if app else None

    async def _validate_with_code(self, url: str, subscription: Subscription, now: datetime) -> None:
        code = str(uuid.uuid4())
        headers = {
            "aeg-event-type": "SubscriptionValidation",
            "aeg-subscription-name": subscription.name.upper(),
        }
        event = validation_event(subscription, code, now)
        response = await self._http.post(url, json=[event], headers=headers)
        if response.status_code != 200:
            raise _failed_validation(f"the endpoint answered {response.status_code}; 200 is required")
        try:
            returned_code = response.json().get("validationResponse")
        except (ValueError, AttributeError):
            returned_code = None
        if returned_code != code:
            raise _failed_validation("the response of the endpoint does not have the validation code")

    async def _validate_with_options(self, url: str) -> None:
        response = await self._http.options(url, headers={"WebHook-Request-Origin": ORIGIN})
        if response.headers.get("WebHook-Allowed-Origin") not in ("*", ORIGIN):
            raise _failed_validation(
                "the response of the endpoint to OPTIONS does not have WebHook-Allowed-Origin"
            )


def validation_event(subscription: Subscription, code: str, now: datetime) -> Event:
    url = f"https://rp-japaneast.eventgrid.azure.net:553/eventsubscriptions/{subscription.name}/validate"
    return {
        "id": str(uuid.uuid4()),
        "topic": subscription.topic,
        "subject": "",
        "data": {"validationCode": code, "validationUrl": f"{url}?id={code}"},
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": now.isoformat(),
        "metadataVersion": "1",
        "dataVersion": "1",
    }


def _body(events: list[Event], subscription: Subscription) -> tuple[bytes, str]:
    if subscription.schema != CLOUD_EVENT_SCHEMA:
        return _json(events), "application/json; charset=utf-8"
    cloud_events = [to_cloud_event(event) for event in events]
    if subscription.max_batch_events == 1:
        return _json(cloud_events[0]), "application/cloudevents+json; charset=utf-8"
    return _json(cloud_events), "application/cloudevents-batch+json; charset=utf-8"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _failed_validation(reason: str) -> AzureError:
    return AzureError(
        400,
        "EndpointValidationFailed",
        f"The attempt to validate the provided endpoint failed: {reason}. "
        "For more details, visit https://aka.ms/esvalidation.",
    )
