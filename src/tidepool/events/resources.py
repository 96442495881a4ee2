"""The ARM routes of Microsoft.EventGrid: topics, system topics and event subscriptions."""

from starlette.responses import JSONResponse, Response

from tidepool.arm.requests import Call, Routes, kind, listed
from tidepool.errors import AzureError, not_found
from tidepool.events.eventgrid import EventGrid
from tidepool.events.system_topics import PROVIDER
from tidepool.store import Document, Store


class EventResources:
    """The routes of topics, system topics, and `{topic}/providers/Microsoft.EventGrid/eventSubscriptions`."""

    def __init__(self, *, store: Store, eventgrid: EventGrid) -> None:
        self._store = store
        self._eventgrid = eventgrid
        self._system_topics = eventgrid.system_topics
        self._custom = eventgrid.topics

    def routes(self) -> Routes:
        subscriptions = kind("eventSubscriptions", provider=PROVIDER)
        custom = kind("topics", provider=PROVIDER)
        system = kind("systemTopics", provider=PROVIDER)
        of_system = kind("systemTopics", "eventSubscriptions", provider=PROVIDER)
        return {
            (subscriptions, "LIST"): self._list,
            (subscriptions, "GET"): self._get,
            (subscriptions, "PUT"): self._put,
            (subscriptions, "DELETE"): self._delete,
            (system, "LIST"): self._list_system,
            (system, "GET"): self._get_system,
            (system, "PUT"): self._put_system,
            (system, "PATCH"): self._put_system,
            (system, "DELETE"): self._delete_system,
            (of_system, "LIST"): self._list_of_system,
            (of_system, "GET"): self._get_of_system,
            (of_system, "PUT"): self._put_of_system,
            (of_system, "DELETE"): self._delete_of_system,
            (custom, "LIST"): self._topics,
            (custom, "GET"): self._topic,
            (custom, "PUT"): self._put_topic,
            (custom, "DELETE"): self._delete_topic,
        }

    async def _list(self, call: Call) -> Response:
        return listed(self._eventgrid.subscriptions(call.path.scope), call.query, call.url)

    async def _get(self, call: Call) -> Response:
        return JSONResponse(self._eventgrid.subscription(call.path.scope, call.path.names[0]))

    async def _put(self, call: Call) -> Response:
        name = call.path.names[0]
        return JSONResponse(
            await self._eventgrid.subscribe(call.path.scope, name, call.properties), status_code=201
        )

    async def _delete(self, call: Call) -> Response:
        self._eventgrid.unsubscribe(call.path.scope, call.path.names[0])
        return Response(status_code=200)

    async def _list_system(self, call: Call) -> Response:
        return listed(self._system_topics.all(call.path.scope), call.query, call.url)

    async def _get_system(self, call: Call) -> Response:
        return JSONResponse(self._system_topics.at(call.path.ancestor(1)))

    async def _put_system(self, call: Call) -> Response:
        document, new = self._system_topics.put(call.path.text, call.body)
        return JSONResponse(document, status_code=201 if new else 200)

    async def _delete_system(self, call: Call) -> Response:
        """Delete a topic with its event subscriptions."""
        topic = self._store.get(call.path.text)
        if topic is None:
            return Response(status_code=204)
        source = topic["properties"]["source"]
        for subscription in self._eventgrid.subscriptions(source):
            self._eventgrid.unsubscribe(source, subscription["name"])
        self._system_topics.delete(call.path.text)
        return Response(status_code=200)

    async def _list_of_system(self, call: Call) -> Response:
        return listed(self._eventgrid.subscriptions(self._source(call)), call.query, call.url)

    async def _get_of_system(self, call: Call) -> Response:
        document = self._eventgrid.subscription(self._source(call), call.path.names[1])
        return JSONResponse(_inside(call, document))

    async def _put_of_system(self, call: Call) -> Response:
        document = await self._eventgrid.subscribe(self._source(call), call.path.names[1], call.properties)
        return JSONResponse(_inside(call, document), status_code=201)

    async def _delete_of_system(self, call: Call) -> Response:
        self._eventgrid.unsubscribe(self._source(call), call.path.names[1])
        return Response(status_code=200)

    def _source(self, call: Call) -> str:
        """Return the resource whose events the system topic of a request has."""
        return str(self._system_topics.at(call.path.ancestor(1))["properties"]["source"])

    async def _topics(self, call: Call) -> Response:
        group = f"{call.path.scope}/".lower()
        topics = [topic for topic in self._custom.all() if topic["id"].lower().startswith(group)]
        return listed(topics, call.query, call.url)

    async def _topic(self, call: Call) -> Response:
        for topic in self._custom.all():
            if topic["id"].lower() == call.path.text.lower():
                return JSONResponse(topic)
        raise not_found(call.path.text)

    async def _put_topic(self, call: Call) -> Response:
        if not call.body.get("location"):
            raise AzureError(
                400, "LocationRequired", "The location property is required for this definition."
            )
        document, new = self._custom.change(call.path.text, call.body)
        return JSONResponse(document, status_code=201 if new else 200)

    async def _delete_topic(self, call: Call) -> Response:
        """Delete a custom topic with its event subscriptions."""
        for subscription in self._eventgrid.subscriptions(call.path.text):
            self._eventgrid.unsubscribe(call.path.text, subscription["name"])
        return Response(status_code=200 if self._custom.delete(call.path.text) else 204)


def _inside(call: Call, document: Document) -> Document:
    """Return an event subscription with the id that it has inside its system topic."""
    path = f"{call.path.ancestor(1)}/eventSubscriptions/{document['name']}"
    return {**document, "id": path, "type": f"{PROVIDER}/systemTopics/eventSubscriptions"}
