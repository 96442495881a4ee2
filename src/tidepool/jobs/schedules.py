"""Schedules of a workspace as resources: created, enabled, disabled, triggered and deleted."""

from collections.abc import Callable

from dateutil.parser import isoparse
from starlette.responses import JSONResponse, Response

from tidepool.arm.requests import Call, Routes, kind, listed, resource
from tidepool.arm.system_data import with_system_data
from tidepool.azureml.ml_errors import UserError, missing
from tidepool.azureml.references import References
from tidepool.jobs.schedule_runs import ScheduleRuns, job_definition
from tidepool.jobs.triggers import check_trigger
from tidepool.scheduler import Scheduler
from tidepool.store import Document, Store

# Raises AzureError if a job cannot run. The arguments are the workspace and the properties of the job.
Check = Callable[[str, Document], None]


class Schedules:
    """The routes of schedules. `runs` starts their jobs, and `check` refuses jobs that cannot run."""

    def __init__(
        self, *, store: Store, scheduler: Scheduler, references: References, runs: ScheduleRuns, check: Check
    ) -> None:
        self._store = store
        self._runs = runs
        self._check_job = check
        self._scheduler = scheduler
        self._references = references

    def routes(self) -> Routes:
        schedules = kind("workspaces", "schedules")
        return {
            (schedules, "LIST"): self._list,
            (schedules, "GET"): self._get,
            (schedules, "PUT"): self._put,
            (schedules, "DELETE"): self._delete,
            (schedules, "trigger"): self._trigger,
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
        check_trigger(document["properties"]["trigger"], self._scheduler.now())
        definition = job_definition(self._store, document)
        self._references.check(call.path.root, definition)
        self._check_job(call.path.root, definition)
        self._store.put(call.path.text, document)
        self._runs.changed(document, call.principal, is_new=existing is None)
        return JSONResponse(document, status_code=200 if existing else 201)

    async def _trigger(self, call: Call) -> Response:
        """Start the job of an enabled schedule once, now."""
        schedule = self._existing(call)
        if not schedule["properties"]["isEnabled"]:
            message = f"The schedule '{schedule['name']}' is disabled: enable it before triggering it."
            raise UserError(400, message, "BadArgument")
        text = call.body.get("scheduleTime")
        try:
            moment = isoparse(text) if text else self._scheduler.now()
        except ValueError as error:
            message = f"scheduleTime is '{text}', which is not a time in ISO 8601."
            raise UserError(400, message, "BadArgument") from error
        name = await self._runs.start(schedule, moment)
        return JSONResponse({"scheduleActionType": "CreateJob", "submissionId": name})

    async def _delete(self, call: Call) -> Response:
        document = self._existing(call)
        if document["properties"]["isEnabled"]:
            raise UserError(
                400,
                f"The schedule '{document['name']}' is enabled: disable it before deleting it.",
                "BadArgument",
            )
        self._runs.forget(call.path.text)
        self._store.delete(call.path.text)
        return Response(status_code=200)

    def _existing(self, call: Call) -> Document:
        document = self._store.get(call.path.text)
        if document is None:
            raise missing("schedule", call.path.names[1], root=call.path.root, status=404)
        return document
