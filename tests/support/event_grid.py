"""Event Grid for tests: event subscriptions made through ARM, and Tidepool's Event Grid in this process."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import requests
from azure.identity import DefaultAzureCredential

from tidepool import default_resources
from tidepool.access.identity import Identity
from tidepool.access.principals import PRINCIPALS
from tidepool.cloud import Site
from tidepool.events.eventgrid import EventGrid
from tidepool.faults import Faults
from tidepool.scheduler import Scheduler
from tidepool.store import Store

ENDPOINT = f"https://{default_resources.custom_topic_host(default_resources.CUSTOM_TOPIC)}/api/events"
TOPIC = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/mine"


MANAGEMENT = "https://management.azure.com"


class Subscriber:
    """The event subscriptions of one topic, made through ARM and deleted by `close`."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        token = DefaultAzureCredential().get_token(f"{MANAGEMENT}/.default").token
        self._headers = {"Authorization": f"Bearer {token}"}
        self._made: list[str] = []

    def put(self, name: str, url: str, **properties: Any) -> requests.Response:
        destination = {"endpointUrl": url, **properties.pop("delivery", {})}
        body = {
            "properties": {
                "destination": {"endpointType": "WebHook", "properties": destination},
                **properties,
            }
        }
        self._made.append(name)
        return self._send("PUT", name, json=body)

    def get(self, name: str) -> requests.Response:
        return self._send("GET", name)

    def close(self) -> None:
        for name in self._made:
            self._send("DELETE", name)

    def _send(self, method: str, name: str, **arguments: Any) -> requests.Response:
        path = f"{self.scope}/providers/Microsoft.EventGrid/eventSubscriptions/{name}?api-version=2025-02-15"
        return requests.request(method, MANAGEMENT + path, headers=self._headers, timeout=30, **arguments)


class Grid:
    """Tidepool's Event Grid in this process, with one custom topic."""

    def __init__(self, store: Store) -> None:
        self.scheduler = Scheduler()
        self.identity = Identity(store=store, secret="s" * 32)
        self.eventgrid = EventGrid(
            store=store,
            scheduler=self.scheduler,
            blobs=None,  # type: ignore[arg-type] - nothing dies here
            storage=None,  # type: ignore[arg-type] - nothing is sent to queues
            faults=Faults(0),
            identity=self.identity,
            apps={},
            topic_key=base64.b64encode(b"key").decode(),
        )
        self.topic_id = default_resources.custom_topic_id("mine")
        self.eventgrid.topics.change(self.topic_id, {})
        self.key = self.eventgrid.topics.key
        self.bearer = self.identity.issue("https://eventgrid.azure.net", PRINCIPALS["developer"])

    async def post(self, body: Any, media_type: str = "application/json", **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        transport = httpx.ASGITransport(self.eventgrid.app)
        async with httpx.AsyncClient(
            transport=transport, base_url="https://mine.japaneast-1.eventgrid.azure.net"
        ) as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.post(
                "/api/events", content=content, headers={"content-type": media_type, **named}
            )


def run_grid(test: Callable[[Grid], Awaitable[None]], store: Store | None = None) -> None:
    async def run() -> None:
        grid = Grid(store or Store(":memory:"))
        scheduling = asyncio.create_task(grid.scheduler.run())
        try:
            await test(grid)
        finally:
            scheduling.cancel()
            await grid.eventgrid.close()

    asyncio.run(run())


def deliver(site: Site, function: str, body: object) -> int:
    """Deliver events to the webhook of a functions app, as Event Grid does; return the answer's status."""
    answer = httpx.post(
        f"{site.url}/runtime/webhooks/eventgrid",
        params={"functionName": function, "code": site.event_grid_key},
        headers={"aeg-event-type": "Notification"},
        content=json.dumps(body),
        trust_env=False,
        timeout=60,
    )
    return answer.status_code


def wire_event(**changed: Any) -> dict[str, Any]:
    event = {
        "id": "1",
        "subject": "/a",
        "eventType": "T",
        "eventTime": datetime.now(UTC).isoformat(),
        "dataVersion": "1",
        "data": {},
    }
    return {name: value for name, value in {**event, **changed}.items() if value is not None}
