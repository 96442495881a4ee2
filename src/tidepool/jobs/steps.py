"""The execution of a step as a run: its nodes, its process, its log and its states."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from tidepool.access.principals import PRINCIPALS, Principal, identity_of
from tidepool.arm.requests import name_in
from tidepool.azureml.locations import locate
from tidepool.azureml.run_history import Runs
from tidepool.azureml.workspaces import workspace
from tidepool.errors import AzureError
from tidepool.faults import Faults
from tidepool.jobs.environment import process_environment
from tidepool.jobs.expressions import UnknownReferenceError
from tidepool.jobs.graph import Value
from tidepool.jobs.python_environments import EnvironmentBuildError, PythonEnvironment, PythonEnvironments
from tidepool.jobs.slots import Slots
from tidepool.jobs.staging import Staging
from tidepool.jobs.step_commands import OF_MODEL, command_line
from tidepool.jobs.step_folder import Machine, StagingError, StepFolder, StepRun
from tidepool.jobs.step_processes import Program, StepError, StepProcesses
from tidepool.scheduler import Scheduler
from tidepool.store import Document, Store

_BUILD_LOG = "azureml-logs/20_image_build_log.txt"
# What users of Azure ML see: https://github.com/MicrosoftDocs/azure-docs/issues/66288
_PREEMPTED = (
    "AzureMLCompute job failed.\nPreemptionError: Nodes of this job got pre-empted. Check if the run has "
    "failed or restarted.\n\tReason: Received pre-emption warning signal"
)
T = TypeVar("T")
_UNLIMITED = 1_000_000  # the number of nodes of serverless compute


class Steps:
    """The steps that run on this machine.

    `stuck` contains the runs that cannot start, or that do nothing, because of a fault rule.
    """

    def __init__(  # noqa: PLR0913  # its dependencies, by keyword
        self,
        *,
        store: Store,
        scheduler: Scheduler,
        runs: Runs,
        faults: Faults,
        machine: Machine,
        environments: PythonEnvironments,
    ) -> None:
        self._store = store
        self._environments = environments
        self._scheduler = scheduler
        self._runs = runs
        self._faults = faults
        self._machine = machine
        self._slots = Slots()
        self._processes = StepProcesses(runs)
        self.stuck: set[tuple[str, str]] = set()  # workspace and run

    async def run(self, run: StepRun) -> dict[str, Value]:
        """Run a step from Preparing to Finalizing, and return its outputs with their URIs.

        The caller records the last state. Raise StepError if the step fails, is preempted or takes too long.
        """
        record = self._runs.existing(run.workspace_id, run.run_id)
        cluster = self._cluster(run)
        fault = self._fault(run, record, cluster)
        await self._move(run, "Preparing")
        environment = await self._environment(run)
        await self._move(run, "Queued")
        if fault == "never_start":
            await self._wait_forever((run.workspace_id, run.run_id))
        folder = StepFolder(run, self._machine_of(run, environment), self._store)
        compute = f"{run.workspace_id}/{run.step.compute}"
        async with self._slots.hold(compute, run.step.instances, _node_count(run, cluster)):
            try:
                await self._prepare(folder)
                await self._move(run, "Running")
                if fault == "preempt":
                    raise StepError("UserError", _PREEMPTED, logged=True)
                if fault == "silent":
                    await self._wait_forever((run.workspace_id, run.run_id))
                await self._execute(folder, record, environment)
                await self._move(run, "Finalizing")
                return await self._send_outputs(folder)
            finally:
                await folder.remove()

    def _machine_of(self, run: StepRun, environment: PythonEnvironment) -> Machine:
        """Return the machine of a step. Data without credentials is read and written with an identity.

        It is that of the process, or that of the user who submitted the job if the job says so.
        """
        return replace(self._machine, python=environment.python, staging=self._staging_of(run))

    def _staging_of(self, run: StepRun) -> Staging:
        principal = self._user(run) or identity_of(self._actor(run))
        staging = self._machine.staging
        return staging if principal is None else staging.acting_as(principal)

    async def _send_outputs(self, folder: StepFolder) -> dict[str, Value]:
        try:
            return await folder.send_outputs()
        except AzureError as error:
            message = f"The outputs of the job could not be uploaded: {error}"
            raise StepError("UserError", message) from error

    async def _prepare(self, folder: StepFolder) -> None:
        try:
            await folder.prepare()
        except StagingError as error:
            message = f"The data of the job could not be fetched to the compute: {error}"
            raise StepError("UserError", message) from error

    async def _environment(self, run: StepRun) -> PythonEnvironment:
        """Return the Python of a step, and write the log about it. Raise StepError if it cannot be built."""
        spec = run.step.spec
        identifier = (spec.get("task") or {}).get("environment") or spec.get("environment")
        model = None if identifier else (spec.get("task") or {}).get(OF_MODEL)
        try:
            environment = (
                await self._of_model(run, model)
                if model
                else await self._environments.get(run.workspace_id, identifier)
            )
        except EnvironmentBuildError as error:
            log = (error.log or str(error)).encode()
            await self._runs.log(run.workspace_id, run.run_id, _BUILD_LOG, log)
            raise StepError("UserError", str(error)) from error
        if environment.log:
            await self._runs.log(run.workspace_id, run.run_id, _BUILD_LOG, environment.log.encode())
        return environment

    async def _of_model(self, run: StepRun, name: str) -> PythonEnvironment:
        """Return the Python of the conda file of an MLflow model, which is an input of the step."""
        model = run.inputs[name].text
        label = model.rpartition("/models/")[2].replace("/versions/", ":")
        try:
            source = locate(self._store, run.workspace_id, model)
            file = replace(source, path=f"{source.path.rstrip('/')}/conda.yaml")
            conda = await self._staging_of(run).text(file)
        except AzureError:  # the step will fail when it fetches the model, and say why
            conda = None
        return await self._environments.of_conda_file(f"in conda.yaml of the model {label}", conda)

    async def _execute(self, folder: StepFolder, record: Document, environment: PythonEnvironment) -> None:
        """Run the processes to their end, and upload their logs while they run.

        Raise StepError if a process fails, or if they take longer than the limit.
        """
        run = folder.run
        try:
            step = replace(run.step, inputs=run.inputs)
            command = command_line(step, folder.texts, python=environment.python, folder=folder.path)
        except (UnknownReferenceError, ValueError) as error:
            raise StepError("UserError", f"The command of the job cannot be filled in: {error}") from error
        if folder.mentions(b"mlflow"):
            self._machine.warm_mlflow()
        environ = process_environment(folder, record, self._actor(run))
        try:
            program = Program(command, environ, environment.hint)
            await self.within(run.step.timeout_s, self._processes.run(folder, program))
        finally:
            await folder.keep_artifacts()

    async def within(self, timeout_s: float | None, work: Coroutine[Any, Any, T]) -> T:
        """Do the work of a job to its end.

        Raise StepError if it exceeds the time limit of the job. The limit counts in emulated time. As on
        Azure ML, a job that exceeds it is cancelled.
        """
        task = asyncio.create_task(work)
        waits: list[asyncio.Task[Any]] = [task]
        if timeout_s:
            waits.append(asyncio.create_task(self._scheduler.sleep(timeout_s, "time limit of a job")))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise StepError(
                "JobTimedOut",
                f"The job took longer than its limit of {timeout_s:g} s.",
                "Canceled",
                logged=True,
            )
        finally:
            for waiting in waits:
                waiting.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _user(self, run: StepRun) -> Principal | None:
        """Return the submitter of a job with `identity: user_identity`, and None for other jobs."""
        job = self._store.get(f"{run.workspace_id}/jobs/{run.run_id}") or {}
        identity = (job.get("properties") or {}).get("identity") or {}
        if identity.get("identityType") == "UserIdentity":
            return PRINCIPALS.get(job["systemData"]["createdBy"])
        if identity.get("identityType") == "Managed" and identity_of(self._compute(run) or {}) is None:
            raise StepError("UserError", "The job asks for a managed identity, and its compute has none.")
        return None

    def _actor(self, run: StepRun) -> Document:
        """Return the cluster if it has an identity, or else the workspace. The process uses this identity."""
        cluster = self._compute(run)
        if cluster is not None and identity_of(cluster):
            return cluster
        return workspace(self._store, run.workspace_id)

    def _compute(self, run: StepRun) -> Document | None:
        name = run.step.compute
        return self._store.get(f"{run.workspace_id}/computes/{name}") if name else None

    def _cluster(self, run: StepRun) -> Document | None:
        """Return the properties of the step's cluster, or None if its compute is serverless."""
        compute = self._compute(run)
        return (compute["properties"].get("properties") or {}) if compute else None

    def _fault(self, run: StepRun, record: Document, cluster: Document | None) -> str | None:
        """Return the fault that a fault rule adds to this step. Only low-priority nodes are preempted."""
        workspace_name = name_in(run.workspace_id, "workspaces")
        step = run.step.name if record.get("parentRunId") else None
        fault = self._faults.for_run(workspace_name, record["rootRunId"], step)
        low_priority = ((cluster or {}).get("vmPriority") or "").lower() == "lowpriority"
        return None if fault == "preempt" and not low_priority else fault

    async def _wait_forever(self, run: tuple[str, str]) -> None:
        """Wait until the run is cancelled."""
        self.stuck.add(run)
        try:
            await asyncio.Event().wait()
        finally:
            self.stuck.discard(run)

    async def _move(self, run: StepRun, status: str) -> None:
        await self._runs.move(run.workspace_id, run.run_id, status)


def _node_count(run: StepRun, cluster: Document | None) -> int:
    """Return how many nodes the compute can have, and raise StepError if the step needs more."""
    if cluster is None:
        return _UNLIMITED
    nodes = int((cluster.get("scaleSettings") or {}).get("maxNodeCount") or 1)
    if run.step.instances > nodes:
        raise StepError(
            "UserError",
            f"The step needs {run.step.instances} nodes; compute {run.step.compute} has at most {nodes}.",
        )
    return nodes
