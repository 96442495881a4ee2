"""Executes jobs of Azure ML: submit, cancel, what is running, recovery after a restart. Keeps no states."""

import asyncio
import logging
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from tidepool.access.principals import Principal
from tidepool.azureml.asset_catalog import AssetCatalog
from tidepool.azureml.run_history import FINAL, Runs
from tidepool.default_resources import workspace_id as workspace_path
from tidepool.errors import AzureError
from tidepool.faults import Faults
from tidepool.jobs.bodies import Body, read_job, short_name
from tidepool.jobs.graph import Graph
from tidepool.jobs.records import Records, Tracker
from tidepool.jobs.reuse import Reuse
from tidepool.jobs.run import JobRun, Toolbox
from tidepool.jobs.staging import Staging
from tidepool.jobs.steps import Steps
from tidepool.jobs.workplace import Machine
from tidepool.scheduler import Scheduler
from tidepool.storage.blobs import Blobs
from tidepool.store import Document, Store

log = logging.getLogger(__name__)

_INTERRUPTED = {
    "code": "SystemError",
    "message": "Tidepool was stopped while this job was running; its processes are gone.",
}


class Jobs:
    """All jobs of this Tidepool."""

    def __init__(  # noqa: PLR0913  # what a job touches
        self,
        *,
        store: Store,
        scheduler: Scheduler,
        runs: Runs,
        blobs: Blobs,
        faults: Faults,
        tracking: Tracker,
        catalog: AssetCatalog,
        folder: Path,
        python: Path,
        environment: Callable[[str], dict[str, str]],
    ) -> None:
        self._store = store
        self._runs = runs
        self._catalog = catalog
        work = _without_spaces(folder)
        staging = Staging(blobs=blobs, cache=work / "cache")
        machine = Machine(work, staging, python, environment, tracking.warm)
        self._steps = Steps(store=store, scheduler=scheduler, runs=runs, faults=faults, machine=machine)
        self._tools = Toolbox(
            records=Records(runs=runs, tracking=tracking, catalog=catalog),
            steps=self._steps,
            reuse=Reuse(store),
            closing=lambda: self._closing,
        )
        self._closing = False
        self._live: dict[tuple[str, str], tuple[JobRun, asyncio.Task[None]]] = {}

    async def submit(self, workspace_id: str, name: str, body: Document, principal: Principal) -> None:
        """Record the job and begin it. AzureError for a job that cannot be carried out as it is written."""
        properties = body["properties"]
        graph = read_job(name, properties, lambda component: self._component(workspace_id, component))
        self._tools.records.create(workspace_id, _root_run(name, properties, graph, principal))
        job = JobRun(workspace_id, name, graph, self._tools)
        pipeline = properties.get("jobType") == "Pipeline"
        task = asyncio.create_task(self._guarded(job, pipeline=pipeline), name=f"job {name}")
        self._live[workspace_id.lower(), name] = job, task
        task.add_done_callback(lambda _: self._live.pop((workspace_id.lower(), name), None))
        await asyncio.sleep(0)  # a task that is cancelled before it began would leave its run as it is

    async def cancel(self, workspace_id: str, name: str) -> None:
        """Ask a job, or one step of a pipeline, to stop; its processes are killed soon after."""
        for (owner, job_name), (job, task) in list(self._live.items()):
            target = task if job_name == name else job.children.get(name)
            if owner == workspace_id.lower() and target is not None:
                await self._tools.records.move(workspace_id, name, "CancelRequested")
                target.cancel()

    def running(self) -> list[str]:
        """Jobs that are getting on; those that a fault keeps from starting are not."""
        return [job.name for job, _ in self._live.values() if not self._is_stuck(job)]

    async def recover(self) -> None:
        """Fail every run that was live when Tidepool last stopped, steps before their pipelines."""
        for workspace_id, _ in list(self._store.children(workspace_path("").rstrip("/"))):
            for run in reversed(self._runs.all(workspace_id)):
                if run["status"] not in FINAL:
                    await self._tools.records.move(workspace_id, run["runId"], "Failed", _INTERRUPTED)

    async def stop(self) -> None:
        """Kill all processes; the runs keep the state that they were in, for `recover`."""
        self._closing = True
        tasks = [task for _, task in self._live.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _guarded(self, job: JobRun, *, pipeline: bool) -> None:
        try:
            await (job.pipeline() if pipeline else job.command())
        except Exception as error:
            log.exception("job_crashed job=%s", job.name)
            fault = {"code": "SystemError", "message": f"Tidepool could not carry the job out: {error!r}"}
            await self._tools.records.move(job.workspace_id, job.name, "Failed", fault)

    def _is_stuck(self, job: JobRun) -> bool:
        live = set(job.children) or {job.name}
        return live <= self._steps.stuck

    def _component(self, workspace_id: str, identifier: str) -> Body:
        found = self._catalog.named(workspace_id, identifier)
        if found is None:
            raise AzureError(400, "UserError", f"The component '{identifier}' was not found.")
        spec: Body = found["properties"]["componentSpec"]
        return spec


def _root_run(name: str, properties: Body, graph: Graph, principal: Principal) -> dict[str, Any]:
    pipeline = properties.get("jobType") == "Pipeline"
    own = {"azureml.runsource": "azureml.PipelineRun"} if pipeline else {}
    compute = properties.get("computeId") or (properties.get("settings") or {}).get("default_compute")
    return {
        "runId": name,
        "displayName": properties.get("displayName"),
        "description": properties.get("description"),
        "experimentName": properties.get("experimentName"),
        "tags": properties.get("tags") or {},
        "properties": {**(properties.get("properties") or {}), **own},
        "runType": "azureml.PipelineRun" if pipeline else "azureml.scriptrun",
        "target": short_name(compute),
        "createdBy": principal.name,
        "inputs": {
            key: {"assetId": value.text, "type": value.type}
            for key, value in graph.inputs.items()
            if value.is_data
        },
    }


def _without_spaces(folder: Path) -> Path:
    """A path to the folder that stands in a command line without quotes, as paths on Azure ML do."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if not any(character.isspace() for character in str(folder)):
        return folder
    link = Path(tempfile.gettempdir()) / f"tidepool-{sha256(str(folder).encode()).hexdigest()[:12]}"
    if not link.exists():
        link.symlink_to(folder, target_is_directory=True)
    return link
