"""The ARM routes of Microsoft.EventGrid: topics, system topics and event subscriptions."""

from starlette.responses import JSONResponse, Response

from tidepool.arm.requests import Call, Routes, kind, listed, resource
from tidepool.default_resources import LOCATION, RESOURCE_GROUP, SUBSCRIPTION, custom_topic_host
from tidepool.errors import not_found
from tidepool.events.eventgrid import EventGrid
from tidepool.store import Document, Store

PROVIDER = "Microsoft.EventGrid"
# The types of resources that have system topics. ARM and Event Grid name these types differently.
_SOURCES = {
    "Microsoft.Storage/storageAccounts": "Microsoft.Storage.StorageAccounts",
    "Microsoft.MachineLearningServices/workspaces": "Microsoft.MachineLearningServices.Workspaces",
}
_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}/providers"


class EventResources:
    """The routes of topics, system topics, and `{topic}/providers/Microsoft.EventGrid/eventSubscriptions`."""

    def __init__(self, *, store: Store, eventgrid: EventGrid) -> None:
        self._store = store
        self._eventgrid = eventgrid

    def routes(self) -> Routes:
        subscriptions = kind("eventSubscriptions", provider=PROVIDER)
        system = kind("systemTopics", provider=PROVIDER)
        return {
            (subscriptions, "LIST"): self._list,
            (subscriptions, "GET"): self._get,
            (subscriptions, "PUT"): self._put,
            (subscriptions, "DELETE"): self._delete,
            (system, "LIST"): self._system_topics,
            (system, "GET"): self._system_topic,
            (kind("systemTopics", "eventSubscriptions", provider=PROVIDER), "LIST"): self._of_system_topic,
            (kind("topics", provider=PROVIDER), "LIST"): self._topics,
            (kind("topics", provider=PROVIDER), "GET"): self._topic,
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

    def _all_system_topics(self) -> list[Document]:
        """Return one system topic for each storage account and workspace.

        The topic has the name of the resource.
        """
        return [
            resource(
                f"{_GROUP}/{PROVIDER}/systemTopics/{document['name']}",
                {"source": document["id"], "topicType": topic_type, "provisioningState": "Succeeded"},
                location=LOCATION,
            )
            for source, topic_type in _SOURCES.items()
            for _, document in self._store.children(f"{_GROUP}/{source}")
        ]

    def _find_system_topic(self, call: Call) -> Document:
        for topic in self._all_system_topics():
            if topic["name"].lower() == call.path.names[0].lower():
                return topic
        raise not_found(call.path.text)

    async def _system_topics(self, call: Call) -> Response:
        return listed(self._all_system_topics(), call.query, call.url)

    async def _system_topic(self, call: Call) -> Response:
        return JSONResponse(self._find_system_topic(call))

    async def _of_system_topic(self, call: Call) -> Response:
        source = self._find_system_topic(call)["properties"]["source"]
        return listed(self._eventgrid.subscriptions(source), call.query, call.url)

    def _custom_topics(self) -> list[Document]:
        return [_topic(document["id"]) for _, document in self._store.children("/eventgrid/topics")]

    async def _topics(self, call: Call) -> Response:
        return listed(self._custom_topics(), call.query, call.url)

    async def _topic(self, call: Call) -> Response:
        for topic in self._custom_topics():
            if topic["name"].lower() == call.path.names[0].lower():
                return JSONResponse(topic)
        raise not_found(call.path.text)


def _topic(topic_id: str) -> Document:
    host = custom_topic_host(topic_id.rpartition("/")[2])
    properties = {
        "endpoint": f"https://{host}/api/events",
        "inputSchema": "EventGridSchema",
        "provisioningState": "Succeeded",
    }
    return resource(topic_id, properties, location=LOCATION)
