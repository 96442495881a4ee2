"""Carries one step out as a run: its place on the compute, its process, its log, its end. Plans no graph."""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any

from tidepool.access.principals import identity_of
from tidepool.arm.requests import name_in
from tidepool.azureml.run_history import Runs
from tidepool.azureml.workspaces import workspace
from tidepool.faults import Faults
from tidepool.jobs.environment import variables
from tidepool.jobs.expressions import UnknownReferenceError
from tidepool.jobs.graph import Value
from tidepool.jobs.process import LogStream, run_process
from tidepool.jobs.slots import Slots
from tidepool.jobs.step_commands import command_line
from tidepool.jobs.workplace import Machine, StagingError, StepRun, Workplace
from tidepool.scheduler import Scheduler
from tidepool.store import Document, Store

LOG = "user_logs/std_log.txt"
_TAIL = 4000  # characters of the log that an error quotes
_UNLIMITED = 1_000_000  # nodes of serverless compute


class StepError(Exception):
    """The step ends badly: `status` and `error` are what its run shows."""

    def __init__(self, code: str, message: str, status: str = "Failed") -> None:
        super().__init__(message)
        self.status = status
        self.error = {"code": code, "message": message}


class Steps:
    """Runs steps on this machine. `stuck` has the runs that a fault keeps from ever starting."""

    def __init__(
        self,
        *,
        store: Store,
        scheduler: Scheduler,
        runs: Runs,
        faults: Faults,
        machine: Machine,
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._runs = runs
        self._faults = faults
        self._machine = machine
        self._slots = Slots()
        self.stuck: set[str] = set()

    async def carry_out(self, run: StepRun) -> dict[str, Value]:
        """From Preparing to Finalizing; returns where the outputs are. The last state is the caller's."""
        record = self._runs.existing(run.workspace_id, run.run_id)
        cluster = self._cluster(run)
        fault = self._fault(run, record, cluster)
        await self._move(run, "Preparing")
        await self._move(run, "Queued")
        if fault == "never_start":
            await self._never(run.run_id)
        place = Workplace(run, self._machine, self._store)
        async with self._slots.taken(
            f"{run.workspace_id}/{run.step.compute}", run.step.instances, _nodes(run, cluster)
        ):
            try:
                await self._prepare(place)
                await self._move(run, "Running")
                if fault == "preempt":
                    raise StepError(
                        "NodePreempted", "The low-priority node of the job was preempted.", "Canceled"
                    )
                await self._execute(place, record)
                await self._move(run, "Finalizing")
                return await place.send_outputs()
            finally:
                await place.remove()

    async def _prepare(self, place: Workplace) -> None:
        try:
            await place.prepare()
        except StagingError as error:
            raise StepError(
                "UserError", f"Data of the job could not be brought to the compute: {error}"
            ) from error

    async def _execute(self, place: Workplace, record: Document) -> None:
        """Run the process to its end, its log visible meanwhile; StepError if it fails or takes too long."""
        run = place.run

        async def write(data: bytes) -> None:
            await self._runs.log(run.workspace_id, run.run_id, LOG, data)

        output = LogStream(write)
        try:
            command = command_line(run.step, place.texts, python=self._machine.python, folder=place.folder)
        except (UnknownReferenceError, ValueError) as error:
            raise StepError("UserError", f"The command of the job cannot be made: {error}") from error
        if place.mentions(b"mlflow"):
            self._machine.warm_mlflow()
        environ = self._variables(place, record)
        working = run_process(command, cwd=place.code, environ=environ, output=output)
        status = await self._within(run.step.timeout_s, working)
        await place.keep_artifacts()
        if status != 0:
            raise StepError(
                "UserError",
                f"Execution failed. User process exited with status code {status}. "
                f"Please check log file '{LOG}' for error details. Error: {output.text[-_TAIL:]}",
            )

    async def _within(self, timeout_s: float | None, working: Coroutine[Any, Any, int]) -> int:
        """The result, unless the job's time limit (in emulated time) ends first: Azure ML cancels it then."""
        task = asyncio.create_task(working)
        waits = [task]
        timer = (
            asyncio.create_task(self._scheduler.sleep(timeout_s, "time limit of a job"))
            if timeout_s
            else None
        )
        try:
            await asyncio.wait([task, *([timer] if timer else [])], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise StepError(
                "JobTimedOut", f"The job took longer than its limit of {timeout_s:g} s.", "Canceled"
            )
        finally:
            for one in (task, timer):
                if one is not None:
                    one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _variables(self, place: Workplace, record: Document) -> dict[str, str]:
        """This process's variables, Tidepool's, Azure ML's and the job's own; later ones win."""
        inputs = {f"AZURE_ML_INPUT_{name}": place.texts[f"inputs.{name}"] for name in place.run.inputs}
        outputs = {
            f"AZURE_ML_OUTPUT_{name}": place.texts[f"outputs.{name}"] for name in place.run.step.outputs
        }
        actor = self._actor(place.run)
        return {
            **os.environ,
            **self._machine.environment(actor["id"]),
            "PATH": f"{self._machine.python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
            **variables(place.run.workspace_id, record, identity_of(actor)),
            **inputs,
            **outputs,
            **place.run.step.environment_variables,
        }

    def _actor(self, run: StepRun) -> Document:
        """As what the process acts: the cluster, or the workspace where that has no identity."""
        cluster = self._compute(run)
        if cluster is not None and identity_of(cluster):
            return cluster
        return workspace(self._store, run.workspace_id)

    def _compute(self, run: StepRun) -> Document | None:
        name = run.step.compute
        return self._store.get(f"{run.workspace_id}/computes/{name}") if name else None

    def _cluster(self, run: StepRun) -> Document | None:
        """The properties of the step's compute; None where it is serverless."""
        found = self._compute(run)
        return (found["properties"].get("properties") or {}) if found else None

    def _fault(self, run: StepRun, record: Document, cluster: Document | None) -> str | None:
        """What a rule has in store for this step; only low-priority nodes are ever preempted."""
        workspace = name_in(run.workspace_id, "workspaces")
        step = run.step.name if record.get("parentRunId") else None
        fault = self._faults.for_run(workspace, record["rootRunId"], step)
        low_priority = ((cluster or {}).get("vmPriority") or "").lower() == "lowpriority"
        return None if fault == "preempt" and not low_priority else fault

    async def _never(self, run_id: str) -> None:
        self.stuck.add(run_id)
        try:
            await asyncio.Event().wait()
        finally:
            self.stuck.discard(run_id)

    async def _move(self, run: StepRun, status: str) -> None:
        await self._runs.move(run.workspace_id, run.run_id, status)


def _nodes(run: StepRun, cluster: Document | None) -> int:
    """How many nodes the step's compute can have."""
    if cluster is None:
        return _UNLIMITED
    nodes = int((cluster.get("scaleSettings") or {}).get("maxNodeCount") or 1)
    if run.step.instances > nodes:
        raise StepError(
            "UserError",
            f"The step needs {run.step.instances} nodes; compute {run.step.compute} has at most {nodes}.",
        )
    return nodes
