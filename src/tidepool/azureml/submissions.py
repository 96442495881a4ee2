"""Jobs as resources: the submitted body with the state from run history."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from tidepool.access.principals import Principal
from tidepool.arm.operations import POLL
from tidepool.arm.requests import MANAGEMENT, Call, Routes, kind, listed, resource
from tidepool.arm.system_data import with_system_data
from tidepool.azureml.asset_routes import has_tags, in_view
from tidepool.azureml.ml_errors import UserError, missing
from tidepool.azureml.references import References
from tidepool.azureml.run_history import DEFAULT_EXPERIMENT, Runs, check_limits
from tidepool.azureml.run_states import FINAL
from tidepool.scheduler import Scheduler
from tidepool.store import Document, Store

_MUTABLE = ("description", "tags", "displayName", "properties", "isArchived")
# The required keys by type of job. A pipeline needs no such key, because it has steps or a registered
# component.
_REQUIRED = {"Command": ("command", "environmentId")}
_READ_ONLY = ("status", "provisioningState", "parentJobName")
_CANCELLED = 204


# Starts a job for a principal. The arguments are the workspace, the job's name and its body.
Start = Callable[[str, str, Document, Principal], Awaitable[None]]
# Returns the address of the page of a run. The arguments are the workspace and the run.
PageOf = Callable[[str, str], str]
# Cancels a job. The arguments are the workspace and the job's name.
Cancel = Callable[[str, str], Awaitable[None]]


class Submissions:
    """The routes of jobs.

    A job name is used only once. The same name and body mean the existing job. The same name with another
    body is refused.
    """

    def __init__(  # noqa: PLR0913  # what a job resource needs
        self,
        *,
        store: Store,
        scheduler: Scheduler,
        references: References,
        runs: Runs,
        start: Start,
        cancel: Cancel,
        page_of: PageOf,
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._references = references
        self._runs = runs
        self._start_job = start
        self._cancel_job = cancel
        self._page_of = page_of

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
        """Submit a job, or update it if it exists.

        Return the resource of the job, and whether the job is new.
        """
        path = f"{workspace_id}/jobs/{name}"
        properties = {
            key: value for key, value in (body.get("properties") or {}).items() if key not in _READ_ONLY
        }
        existing = self._store.get(path)
        if existing is not None and self._runs.get(workspace_id, name):  # a job without a run never began
            return self._update(existing, properties), False
        self._check(workspace_id, name, properties)
        document = with_system_data(resource(path, properties), self._scheduler.now(), principal.name)
        self._store.put(path, document)
        try:
            await self._start_job(workspace_id, name, body, principal)
        except BaseException:
            if self._runs.get(workspace_id, name) is None:
                self._store.delete(path)
            raise
        return self.view(document), True

    def view(self, document: Document) -> Document:
        """Return a job as ARM shows it: the submitted properties, updated from run history."""
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
            "experimentName": run.get("experimentName")
            or submitted.get("experimentName")
            or DEFAULT_EXPERIMENT,
            "services": {**(submitted.get("services") or {}), **self._services(workspace_id, name)},
            "outputs": {**_default_output(name), **_outputs(submitted, run)},
        }
        return {**document, "properties": {**submitted, **known}}

    def _services(self, workspace_id: str, name: str) -> Document:
        """Return the links of a job. In place of Azure ML studio there is a page of Tidepool."""
        tracking = {"jobServiceType": "Tracking", "endpoint": "azureml://tidepool"}
        studio = {"jobServiceType": "Studio", "endpoint": self._page_of(workspace_id, name)}
        return {"Tracking": tracking, "Studio": studio}

    def _check(self, workspace_id: str, name: str, properties: Document) -> None:
        for required in ("jobType", *_REQUIRED.get(properties.get("jobType", ""), ())):
            if not properties.get(required):
                message = f"The job needs a value for '{required}'."
                raise UserError(400, message, "BadArgument", "ArgumentBlankOrEmpty")
        if len(name) > 255 or not name.replace("-", "").replace("_", "").isalnum():
            raise UserError(
                400,
                f"The job name '{name}' is not valid: use up to 255 letters, digits, '-' and '_'.",
                "BadArgument",
            )
        check_limits(properties)
        self._references.check(workspace_id, properties)

    def _update(self, existing: Document, properties: Document) -> Document:
        shown = self.view(existing)["properties"]
        changed = [key for key in sorted({*properties, *existing["properties"]}) if key not in _MUTABLE]
        # A body that was read with GET has what Azure added, such as the services and the default output.
        changed = [key for key in changed if _plain(properties.get(key)) != _plain(shown.get(key))]
        changed = [
            key for key in changed if _plain(properties.get(key)) != _plain(existing["properties"].get(key))
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
        workspace_id, _, name = existing["id"].rpartition("/jobs/")
        self._runs.patch(workspace_id, name, changes)
        return self.view(existing)

    async def _put(self, call: Call) -> Response:
        document, new = await self.submit(call.path.root, call.path.names[1], call.body, call.principal)
        return JSONResponse(document, status_code=201 if new else 200)

    async def _get(self, call: Call) -> Response:
        name = call.path.names[1]
        document = self._store.get(call.path.text)
        if document is not None:
            return JSONResponse(self.view(document))
        if self._runs.get(call.path.root, name):  # ARM knows only the name of a step of a pipeline
            return JSONResponse({**resource(call.path.text, {}), "properties": None})
        raise missing("job", name, root=call.path.root, status=404)

    async def _list(self, call: Call) -> Response:
        documents = [self.view(document) for _, document in self._store.children(f"{call.path.root}/jobs")]
        return listed(_selected(documents[::-1], call.query), call.query, call.url)

    async def _cancel(self, call: Call) -> Response:
        name = call.path.names[1]
        run = self._runs.get(call.path.root, name)
        if run is None:
            raise missing("job", name, root=call.path.root, status=404)
        if run["status"] in FINAL:
            raise UserError(
                400,
                f"The job '{name}' cannot be cancelled: it is {run['status']} already.",
                "BadArgument",
                "JobNotCancelable",
            )
        await self._cancel_job(call.path.root, name)
        location = f"{MANAGEMENT}{call.path.text}/cancellations/{name}?api-version=2024-04-01"
        return Response(status_code=202, headers={"Location": location, **POLL})

    async def _cancelled(self, call: Call) -> Response:
        run = self._runs.existing(call.path.root, call.path.names[1])
        if run["status"] in FINAL:
            return Response(status_code=_CANCELLED)
        return Response(status_code=202, headers={"Location": f"{call.url}?api-version=2024-04-01", **POLL})


def _selected(documents: Iterable[Document], query: Mapping[str, str]) -> list[Document]:
    """Return the jobs that a query asks for."""
    view, tag = query.get("listViewType", "ActiveOnly"), query.get("tag", "")
    job_type = query.get("jobType", "").lower()
    return [
        document
        for document in documents
        if in_view(view, (properties := document["properties"])["isArchived"])
        and has_tags(properties["tags"], tag)
        and job_type in ("", properties["jobType"].lower())
    ]


def _default_output(name: str) -> Document:
    uri = f"azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.{name}"
    return {"default": {"jobOutputType": "uri_folder", "mode": "ReadWriteMount", "uri": uri}}


def _outputs(submitted: Document, run: Document) -> Document:
    """Return the submitted outputs with the URIs that the run wrote to."""
    outputs: Document = {}
    for name, output in (submitted.get("outputs") or {}).items():
        written = (run.get("outputs") or {}).get(name) or {}
        uri = written.get("uri") or (output or {}).get("uri")
        outputs[name] = {**(output or {}), **({"uri": uri} if uri else {})}
    return outputs


def _plain(value: Any) -> Any:
    """Return a value without null and empty members, so that two values can be compared."""
    if isinstance(value, dict):
        return {key: plain for key, item in value.items() if (plain := _plain(item)) not in (None, {}, [])}
    return [_plain(item) for item in value] if isinstance(value, list) else value
