"""Schedules of a workspace. Tidepool stores schedules, but does not start their jobs."""

from starlette.responses import JSONResponse, Response

from tidepool.arm.requests import Call, Routes, kind, listed, resource
from tidepool.arm.system_data import with_system_data
from tidepool.azureml.ml_errors import UserError, missing
from tidepool.azureml.references import References
from tidepool.scheduler import Scheduler
from tidepool.store import Document, Store


class Schedules:
    """The routes of schedules."""

    def __init__(self, *, store: Store, scheduler: Scheduler, references: References) -> None:
        self._store = store
        self._scheduler = scheduler
        self._references = references

    def routes(self) -> Routes:
        schedules = kind("workspaces", "schedules")
        return {
            (schedules, "LIST"): self._list,
            (schedules, "GET"): self._get,
            (schedules, "PUT"): self._put,
            (schedules, "DELETE"): self._delete,
        }

    async def _list(self, call: Call) -> Response:
        documents = [document for _, document in self._store.children(f"{call.path.root}/schedules")]
        view = call.query.get("listViewType", "EnabledOnly")
        shown = [
            schedule
            for schedule in documents
            if view == "All" or schedule["properties"]["isEnabled"] == (view == "EnabledOnly")
        ]
        return listed(shown, call.query, call.url)

    async def _get(self, call: Call) -> Response:
        return JSONResponse(self._existing(call))

    async def _put(self, call: Call) -> Response:
        existing = self._store.get(call.path.text)
        for name in ("action", "trigger"):
            if not call.properties.get(name):
                raise UserError(
                    400, f"The schedule needs a value for '{name}'.", "BadArgument", "ArgumentBlankOrEmpty"
                )
        self._references.check(call.path.root, call.properties["action"])
        properties = {
            "tags": {},
            "properties": {},
            "isEnabled": True,
            **call.properties,
            "provisioningState": "Succeeded",
        }
        document = with_system_data(
            {**(existing or {}), **resource(call.path.text, properties)},
            self._scheduler.now(),
            call.principal.name,
        )
        self._store.put(call.path.text, document)
        return JSONResponse(document, status_code=200 if existing else 201)

    async def _delete(self, call: Call) -> Response:
        document = self._existing(call)
        if document["properties"]["isEnabled"]:
            raise UserError(
                400,
                f"The schedule '{document['name']}' is enabled: disable it before deleting it.",
                "BadArgument",
            )
        self._store.delete(call.path.text)
        return Response(status_code=200)

    def _existing(self, call: Call) -> Document:
        document = self._store.get(call.path.text)
        if document is None:
            raise missing("schedule", call.path.names[1], root=call.path.root, status=404)
        return document
