"""Jobs as resources: what was submitted, with the state that run history has of it. Runs nothing."""

from collections.abc import Mapping
from typing import Any, Protocol

from starlette.responses import JSONResponse, Response

from tidepool.access.principals import Principal
from tidepool.arm.operations import POLL
from tidepool.arm.requests import MANAGEMENT, Call, Routes, kind, listed, resource
from tidepool.arm.system_data import stamp
from tidepool.azureml.asset_routes import has_tags, in_view
from tidepool.azureml.ml_errors import UserError, missing
from tidepool.azureml.references import References
from tidepool.azureml.run_history import FINAL, Runs, check_limits
from tidepool.scheduler import Scheduler
from tidepool.store import Document, Store

_MUTABLE = ("description", "tags", "displayName", "properties", "isArchived")
# A pipeline is made of steps, or of a registered component.
_REQUIRED = {"Command": ("command", "environmentId")}
_READ_ONLY = ("status", "provisioningState", "parentJobName")
_CANCELLED = 204


class Runner(Protocol):
    """The part that runs jobs."""

    async def submit(self, workspace_id: str, name: str, body: Document, principal: Principal) -> None: ...

    async def cancel(self, workspace_id: str, name: str) -> None: ...


class Submissions:
    """The routes of jobs. A name is used once: the same body is the same job, another body is refused."""

    def __init__(
        self, *, store: Store, scheduler: Scheduler, references: References, runs: Runs, runner: Runner
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._references = references
        self._runs = runs
        self.runner = runner

    def routes(self) -> Routes:
        jobs = kind("workspaces", "jobs")
        return {
            (jobs, "LIST"): self._list,
            (jobs, "GET"): self._get,
            (jobs, "PUT"): self._put,
            (jobs, "cancel"): self._cancel,
            (kind("workspaces", "jobs", "cancellations"), "GET"): self._cancelled,
        }

    async def submit(
        self, workspace_id: str, name: str, body: Document, principal: Principal
    ) -> tuple[Document, bool]:
        """Submit a job, or find it submitted; (its resource, whether it is new)."""
        path = f"{workspace_id}/jobs/{name}"
        properties = {
            key: value for key, value in (body.get("properties") or {}).items() if key not in _READ_ONLY
        }
        found = self._store.get(path)
        if found is not None and self._runs.get(workspace_id, name):  # else it was cut off before it began
            return self._update(found, properties), False
        self._check(workspace_id, name, properties)
        document = stamp(resource(path, properties), self._scheduler.now(), principal.name)
        self._store.put(path, document)
        try:
            await self.runner.submit(workspace_id, name, body, principal)
        except BaseException:
            if self._runs.get(workspace_id, name) is None:
                self._store.delete(path)
            raise
        return self.view(document), True

    def view(self, document: Document) -> Document:
        """A job as ARM shows it: what was submitted, over what run history knows by now."""
        workspace_id, _, name = document["id"].rpartition("/jobs/")
        run = self._runs.get(workspace_id, name) or {}
        submitted = document["properties"]
        known = {
            "status": run.get("status", "NotStarted"),
            "displayName": run.get("displayName") or submitted.get("displayName"),
            "description": run.get("description") or submitted.get("description"),
            "tags": run.get("tags", submitted.get("tags")) or {},
            "properties": {**(submitted.get("properties") or {}), **(run.get("properties") or {})},
            "isArchived": bool(run.get("hidden")),
            "experimentName": run.get("experimentName") or submitted.get("experimentName") or "Default",
            "services": _services(workspace_id, name),
            "outputs": {**_default_output(name), **_outputs(submitted, run)},
        }
        return {**document, "properties": {**submitted, **known}}

    def _check(self, workspace_id: str, name: str, properties: Document) -> None:
        for needed in ("jobType", *_REQUIRED.get(properties.get("jobType", ""), ())):
            if not properties.get(needed):
                message = f"The job needs a value for '{needed}'."
                raise UserError(400, message, "BadArgument", "ArgumentBlankOrEmpty")
        if len(name) > 255 or not name.replace("-", "").replace("_", "").isalnum():
            raise UserError(
                400,
                f"The job name '{name}' is not valid: letters, digits, '-' and '_', up to 255.",
                "BadArgument",
            )
        check_limits(properties)
        self._references.check(workspace_id, properties)

    def _update(self, found: Document, properties: Document) -> Document:
        changed = [key for key in sorted({*properties, *found["properties"]}) if key not in _MUTABLE]
        changed = [
            key for key in changed if _plain(properties.get(key)) != _plain(found["properties"].get(key))
        ]
        if changed:
            named = ",".join(f" {key[0].upper()}{key[1:]}" for key in changed)
            raise UserError(
                400,
                "A job with this name already exists. If you are trying to create a new job, use a different "
                f"name. If you are trying to update an existing job, the existing job's{named} cannot be "
                "changed. "
                "Only description, tags, displayName, properties, and isArchived can be updated.",
                "Immutable",
                "JobPropertyImmutable",
            )
        changes = {key: properties[key] for key in _MUTABLE if properties.get(key) is not None}
        if "isArchived" in changes:
            changes["hidden"] = changes.pop("isArchived")
        workspace_id, _, name = found["id"].rpartition("/jobs/")
        self._runs.patch(workspace_id, name, changes)
        return self.view(found)

    async def _put(self, call: Call) -> Response:
        document, new = await self.submit(call.path.root, call.path.names[1], call.body, call.principal)
        return JSONResponse(document, status_code=201 if new else 200)

    async def _get(self, call: Call) -> Response:
        name = call.path.names[1]
        found = self._store.get(call.path.text)
        if found is not None:
            return JSONResponse(self.view(found))
        if self._runs.get(call.path.root, name):  # a step of a pipeline: ARM knows its name only
            return JSONResponse({**resource(call.path.text, {}), "properties": None})
        raise missing("job", name, root=call.path.root, status=404)

    async def _list(self, call: Call) -> Response:
        documents = [self.view(document) for _, document in self._store.children(f"{call.path.root}/jobs")]
        query = call.query
        return listed([document for document in documents[::-1] if _wanted(document, query)], query, call.url)

    async def _cancel(self, call: Call) -> Response:
        name = call.path.names[1]
        run = self._runs.get(call.path.root, name)
        if run is None:
            raise missing("job", name, root=call.path.root, status=404)
        if run["status"] in FINAL:
            raise UserError(
                400,
                f"The job '{name}' is {run['status']} already: it cannot be cancelled.",
                "BadArgument",
                "JobNotCancelable",
            )
        await self.runner.cancel(call.path.root, name)
        location = f"{MANAGEMENT}{call.path.text}/cancellations/{name}?api-version=2024-04-01"
        return Response(status_code=202, headers={"Location": location, **POLL})

    async def _cancelled(self, call: Call) -> Response:
        run = self._runs.existing(call.path.root, call.path.names[1])
        if run["status"] in FINAL:
            return Response(status_code=_CANCELLED)
        return Response(status_code=202, headers={"Location": f"{call.url}?api-version=2024-04-01", **POLL})


def _wanted(document: Document, query: Mapping[str, str]) -> bool:
    properties = document["properties"]
    job_type = query.get("jobType", properties["jobType"])
    return (
        in_view(query.get("listViewType", "ActiveOnly"), properties["isArchived"])
        and has_tags(properties["tags"], query.get("tag", ""))
        and job_type.lower() == properties["jobType"].lower()
    )


def _services(workspace_id: str, name: str) -> Document:
    studio = f"https://ml.azure.com/runs/{name}?wsid={workspace_id}"
    tracking = {"jobServiceType": "Tracking", "endpoint": "azureml://tidepool"}
    return {"Tracking": tracking, "Studio": {"jobServiceType": "Studio", "endpoint": studio}}


def _default_output(name: str) -> Document:
    uri = f"azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.{name}"
    return {"default": {"jobOutputType": "uri_folder", "mode": "ReadWriteMount", "uri": uri}}


def _outputs(submitted: Document, run: Document) -> Document:
    """What was asked for, with the places that the run really wrote to."""
    outputs: Document = {}
    for name, output in (submitted.get("outputs") or {}).items():
        place = (run.get("outputs") or {}).get(name) or {}
        uri = place.get("uri") or (output or {}).get("uri")
        outputs[name] = {**(output or {}), **({"uri": uri} if uri else {})}
    return outputs


def _plain(value: Any) -> Any:
    """A value without what says nothing: null and empty members."""
    if isinstance(value, dict):
        return {key: plain for key, item in value.items() if (plain := _plain(item)) not in (None, {}, [])}
    return [_plain(item) for item in value] if isinstance(value, list) else value
