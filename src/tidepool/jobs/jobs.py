"""The jobs of Azure ML on this machine: submission, cancellation, recovery after a restart."""

import asyncio
import logging
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from tidepool.access.applications import Applications
from tidepool.access.principals import Principal
from tidepool.arm.resource_groups import WORKSPACES, resources_in
from tidepool.azureml.asset_catalog import AssetCatalog
from tidepool.azureml.run_history import Runs
from tidepool.azureml.run_states import FINAL
from tidepool.errors import AzureError
from tidepool.faults import Faults
from tidepool.jobs.bodies import read_job
from tidepool.jobs.body_values import Body, short_name
from tidepool.jobs.graph import Graph
from tidepool.jobs.python_environments import PythonEnvironments
from tidepool.jobs.records import JobRecords
from tidepool.jobs.reuse import Reuse
from tidepool.jobs.run import JobRun
from tidepool.jobs.staging import Staging
from tidepool.jobs.step_folder import Machine
from tidepool.jobs.steps import Steps
from tidepool.scheduler import Scheduler
from tidepool.storage.blobs import Blobs
from tidepool.store import Document, Store
from tidepool.tracking.tracking import Tracking

log = logging.getLogger(__name__)

_RUN_TYPES = {"Pipeline": "azureml.PipelineRun", "Sweep": "azureml.HyperDriveRun"}
_INTERRUPTED = {
    "code": "SystemError",
    "message": "Tidepool was stopped while this job was running. Submit the job again.",
}


class Jobs:
    """All jobs of this Tidepool. `environments` has their Python environments."""

    def __init__(  # noqa: PLR0913  # its dependencies, by keyword
        self,
        *,
        store: Store,
        scheduler: Scheduler,
        runs: Runs,
        blobs: Blobs,
        applications: Applications,
        faults: Faults,
        tracking: Tracking,
        catalog: AssetCatalog,
        folder: Path,
        python: Path,
        environments: str,
        environment: Callable[[str], dict[str, str]],
    ) -> None:
        self._store = store
        self._runs = runs
        self._catalog = catalog
        work = _without_spaces(folder)
        staging = Staging(blobs=blobs, applications=applications, cache=work / "cache")
        machine = Machine(work, staging, python, environment, tracking.warm)
        self.environments = PythonEnvironments(
            store=store, mode=environments, python=python, folder=work / "environments"
        )
        self._steps = Steps(
            store=store,
            scheduler=scheduler,
            runs=runs,
            faults=faults,
            machine=machine,
            environments=self.environments,
        )
        self._records = JobRecords(runs=runs, tracking=tracking, catalog=catalog, reuse=Reuse(store))
        self._live: dict[tuple[str, str], tuple[JobRun, asyncio.Task[None]]] = {}

    async def submit(self, workspace_id: str, name: str, body: Document, principal: Principal) -> None:
        """Record the job and start it. Raise AzureError if the job cannot run as it is written."""
        properties = body["properties"]
        graph = read_job(name, properties, lambda component: self._component(workspace_id, component))
        self._records.create(workspace_id, _root_run(name, properties, graph, principal))
        job = JobRun(workspace_id, name, graph, self._records, self._steps)
        pipeline = properties.get("jobType") == "Pipeline"
        task = asyncio.create_task(self._guarded(job, pipeline=pipeline), name=f"job {name}")
        self._live[workspace_id.lower(), name] = job, task
        task.add_done_callback(lambda _: self._live.pop((workspace_id.lower(), name), None))
        # Let the task start now. If it was cancelled before its start, its run would stay in its first state.
        await asyncio.sleep(0)

    def check(self, workspace_id: str, properties: Document) -> None:
        """Raise AzureError if a job with these properties could not run as it is written."""
        read_job("job", properties, lambda component: self._component(workspace_id, component))

    async def cancel(self, workspace_id: str, name: str) -> None:
        """Cancel a job, or one step of a pipeline. Its processes are killed shortly after."""
        for (owner, job_name), (job, task) in list(self._live.items()):
            target = task if job_name == name else job.child(name)
            if owner == workspace_id.lower() and target is not None:
                await self._records.move(workspace_id, name, "CancelRequested")
                target.cancel()

    def running(self) -> list[str]:
        """Return the names of the live jobs. Jobs that do nothing because of a fault rule are left out."""
        return [job.name for job, _ in self._live.values() if not self._is_stuck(job)]

    async def recover(self) -> None:
        """Set the state Failed for all runs that were live when Tidepool last stopped.

        Steps come before their pipelines.
        """
        for workspace_id in [document["id"] for document in resources_in(self._store, WORKSPACES)]:
            for run in reversed(self._runs.all(workspace_id)):
                if run["status"] not in FINAL:
                    await self._records.move(workspace_id, run["runId"], "Failed", _INTERRUPTED)

    async def stop(self) -> None:
        """Kill all processes.

        The runs keep their states. After the next start, `recover` sets the state Failed.
        """
        self._records.freeze()
        tasks = [task for _, task in self._live.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _guarded(self, job: JobRun, *, pipeline: bool) -> None:
        try:
            await (job.run_pipeline() if pipeline else job.run_command())
        except Exception as error:
            log.exception("job_crashed job=%s", job.name)
            fault = {"code": "SystemError", "message": f"Tidepool could not run the job: {error!r}"}
            await self._records.move(job.workspace_id, job.name, "Failed", fault)

    def _is_stuck(self, job: JobRun) -> bool:
        live = {(job.workspace_id, name) for name in job.working() or {job.name}}
        return live <= self._steps.stuck

    def _component(self, workspace_id: str, identifier: str) -> Body:
        component = self._catalog.named(workspace_id, identifier)
        if component is None:
            raise AzureError(400, "UserError", f"The component '{identifier}' was not found.")
        spec: Body = component["properties"]["componentSpec"]
        source = short_name(spec.get("sourceJobId") or spec.get("source_job_id"))
        if not source:
            return spec
        job = self._store.get(f"{workspace_id}/jobs/{source}")
        if job is None:
            raise AzureError(
                400, "UserError", f"The job '{source}', which a component copies, was not found."
            )
        return {**spec, **_copied(job["properties"])}


def _root_run(name: str, properties: Body, graph: Graph, principal: Principal) -> dict[str, Any]:
    pipeline = properties.get("jobType") == "Pipeline"
    source = {"azureml.runsource": "azureml.PipelineRun"} if pipeline else {}
    compute = properties.get("computeId") or (properties.get("settings") or {}).get("default_compute")
    return {
        "runId": name,
        "displayName": properties.get("displayName"),
        "description": properties.get("description"),
        "experimentName": properties.get("experimentName"),
        "tags": properties.get("tags") or {},
        "hidden": bool(properties.get("isArchived")),
        "properties": {**(properties.get("properties") or {}), **source},
        "runType": _RUN_TYPES.get(properties.get("jobType", ""), "azureml.scriptrun"),
        "target": short_name(compute),
        "createdBy": principal.name,
        "inputs": {
            key: {"assetId": value.text, "type": value.type}
            for key, value in graph.inputs.items()
            if value.is_data
        },
    }


def _copied(job: Body) -> Body:
    """Return the steps of a pipeline job, and its literal inputs as defaults, as parts of a component."""
    inputs = {
        name: {"type": "string", "default": value.get("value")}
        if value.get("jobInputType") == "literal"
        else {"type": value.get("jobInputType")}
        for name, value in (job.get("inputs") or {}).items()
    }
    outputs = {
        name: {"type": value.get("jobOutputType")} for name, value in (job.get("outputs") or {}).items()
    }
    return {"jobs": job.get("jobs") or {}, "inputs": inputs, "outputs": outputs}


def _without_spaces(folder: Path) -> Path:
    """Return a path to the folder that contains no spaces.

    Paths on Azure ML contain no spaces, so the commands of jobs do not quote paths.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if not any(character.isspace() for character in str(folder)):
        return folder
    link = Path(tempfile.gettempdir()) / f"tidepool-{sha256(str(folder).encode()).hexdigest()[:12]}"
    if not link.exists():
        link.symlink_to(folder, target_is_directory=True)
    return link
