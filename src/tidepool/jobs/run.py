"""A live job: runs the steps of its graph, moves its runs from state to state, and reuses completed steps."""

import asyncio
import logging
import uuid
from dataclasses import dataclass, field, replace

from tidepool.errors import AzureError
from tidepool.jobs.distribution import LOG
from tidepool.jobs.expressions import UnknownReferenceError
from tidepool.jobs.graph import Graph, Step, Value, bind_inputs
from tidepool.jobs.records import JobRecords
from tidepool.jobs.reuse import fingerprint
from tidepool.jobs.step_folder import StepRun
from tidepool.jobs.step_processes import StepError
from tidepool.jobs.steps import Steps
from tidepool.jobs.sweep_run import SweepRun
from tidepool.store import Document

log = logging.getLogger(__name__)

EXECUTION_LOG = "logs/azureml/executionlogs.txt"
# Azure ML uses this text.
_FAILED_CHILDREN = (
    "Pipeline has failed child jobs. Failed nodes: {nodes}. For more details and logs, please go to the "
    "job detail page and check the child jobs."
)
_REASON = 1000  # characters of the error of a step that the error of its pipeline quotes


@dataclass
class JobRun:
    """A live job, or a live step that is a pipeline.

    `children` has the running steps of a pipeline and the running trials of sweeps, by the ids of their runs.
    `pipelines` has those steps that are pipelines themselves.
    """

    workspace_id: str
    name: str
    graph: Graph
    records: JobRecords
    steps: Steps
    children: dict[str, asyncio.Task[dict[str, Value]]] = field(default_factory=dict)
    pipelines: dict[str, "JobRun"] = field(default_factory=dict)
    _nodes: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _produced: dict[tuple[str, str], Value] = field(default_factory=dict)
    _recorded: dict[tuple[str, str], Document] = field(default_factory=dict)
    _errors: dict[str, StepError] = field(default_factory=dict)
    _lines: list[str] = field(default_factory=list)
    _sweeps: set[str] = field(default_factory=set)

    async def run_command(self) -> None:
        """Run a command job: its only step runs under the name of the job."""
        step = self.graph.steps[self.name]
        try:
            await self._run_to_end(StepRun(self.workspace_id, self.name, step, dict(step.inputs)))
        except StepError as error:
            log.info("job_failed job=%s error=%s", self.name, error)

    async def run_pipeline(self) -> None:
        """Run a pipeline job: each step starts as soon as the steps that it needs have ended."""
        try:
            await self._move("Preparing")
            await self._move("Running")
            for name, step in self.graph.steps.items():
                self._nodes[name] = asyncio.create_task(self._run_node(step))
            if self._nodes:
                await asyncio.wait(self._nodes.values())
            await self._conclude()
        except asyncio.CancelledError:
            await self._stop_nodes()
            await self._move("Canceled")
            raise

    def child(self, run_id: str) -> asyncio.Task[dict[str, Value]] | None:
        """Return the task of a running step or trial, at any depth, or None if there is none."""
        nested = (pipeline.child(run_id) for pipeline in self.pipelines.values())
        return self.children.get(run_id) or next((task for task in nested if task is not None), None)

    def working(self) -> set[str]:
        """Return the ids of the runs that run a process, or wait to do so."""
        nested = {name for pipeline in self.pipelines.values() for name in pipeline.working()}
        own = {name for name in self.children if name not in self.pipelines and name not in self._sweeps}
        return nested | own

    async def _conclude(self) -> None:
        """Move the pipeline to its last state, which follows from the errors of its steps."""
        if self._errors:
            if any(error.status == "Failed" for error in self._errors.values()):
                message = "\n".join(
                    (
                        _FAILED_CHILDREN.format(nodes=", ".join(f"/{name}" for name in self._errors)),
                        *(f"/{name}: {str(error)[-_REASON:]}" for name, error in self._errors.items()),
                    )
                )
                return await self._move("Failed", {"code": "UserError", "message": message})
            return await self._move("Canceled", next(iter(self._errors.values())).error)
        await self._move("Finalizing")
        outputs = {name: self._recorded[source] for name, source in self.graph.outputs.items()}
        self.records.set_outputs(self.workspace_id, self.name, outputs)
        await self._move("Completed")

    async def _run_node(self, step: Step) -> None:
        """Run a step after the steps that it needs, unless one of these steps did not write an output."""
        if step.needs:
            await asyncio.wait([self._nodes[name] for name in step.needs])
        if not step.sources <= self._produced.keys():
            return
        try:
            await self._run_step(step)
        except StepError as error:
            self._errors[step.name] = error
            if not self.graph.continue_on_failure:
                await self._stop_nodes(but=step.name)

    async def _run_step(self, step: Step) -> None:
        """Run a step as a child run, or reuse a completed run of the same step."""
        try:
            inputs = bind_inputs(step, self.graph.inputs, self._produced)
        except UnknownReferenceError as error:
            raise StepError("UserError", str(error)) from error
        run = StepRun(self.workspace_id, str(uuid.uuid4()), step, inputs, self.graph.datastore)
        key = fingerprint(step, inputs) if step.deterministic else None
        reusable = (
            self.records.reuse.find(self.workspace_id, key) if key and not self.graph.force_rerun else None
        )
        self.records.create_child(self.name, run, reusable)
        if reusable:
            await self._reuse(run, reusable)
            outputs = {
                name: Value(output["uri"], output["type"]) for name, output in reusable["outputs"].items()
            }
        else:
            outputs = await self._run_child(run)
            if key:
                recorded = {name: self._recorded[step.name, name] for name in outputs}
                completed = {"runId": run.run_id, "rootRunId": self.name, "outputs": recorded}
                self.records.reuse.remember(self.workspace_id, key, completed)
        self._produced |= {(step.name, name): value for name, value in outputs.items()}

    async def _reuse(self, run: StepRun, reusable: Document) -> None:
        """Complete a child run without running it, with the outputs of the run that it reuses."""
        await self._log(f"Step {run.step.name} reuses the outputs of run {reusable['runId']}")
        self._add_recorded(run, reusable["outputs"])
        self.records.set_outputs(self.workspace_id, run.run_id, reusable["outputs"])
        for status in ("Running", "Completed"):
            await self._move(status, run_id=run.run_id)

    async def _run_child(self, run: StepRun) -> dict[str, Value]:
        """Run a step as a child run that can be cancelled by itself, and return its outputs."""
        await self._log(f"Step {run.step.name} starts as run {run.run_id}")
        try:
            return await self._run_cancellable(run)
        finally:
            status = self.records.status(self.workspace_id, run.run_id)
            await self._log(f"Step {run.step.name} ended as {status}")

    async def _run_cancellable(self, run: StepRun) -> dict[str, Value]:
        """Run a step or a trial as a task that can be cancelled by itself."""
        task = asyncio.create_task(self._run_to_end(run))
        self.children[run.run_id] = task
        try:
            await asyncio.wait([task])
            if task.cancelled():
                raise StepError("JobCanceled", f"Step {run.step.name} was cancelled.", "Canceled")
            return task.result()
        finally:
            task.cancel()
            await asyncio.wait([task])
            del self.children[run.run_id]
            # If the task was cancelled before it started, its run has not ended yet.
            await self._move("Canceled", run_id=run.run_id)

    async def _execute(self, run: StepRun) -> dict[str, Value]:
        """Do the work of a step, and return its outputs."""
        if run.step.kind == "pipeline":
            return await self._run_pipeline_step(run)
        if run.step.sweep is not None:
            self._sweeps.add(run.run_id)
            sweep = SweepRun(run, run.step.sweep, self.records, self._run_cancellable)
            return await self.steps.within(run.step.sweep.timeout_s, sweep.execute())
        return await self.steps.run(run)

    async def _run_pipeline_step(self, run: StepRun) -> dict[str, Value]:
        """Run the steps of a step that is a pipeline, and return its outputs."""
        assert run.step.graph is not None
        graph = replace(run.step.graph, inputs=run.inputs)
        pipeline = JobRun(self.workspace_id, run.run_id, graph, self.records, self.steps)
        self.pipelines[run.run_id] = pipeline
        try:
            await pipeline.run_pipeline()
        finally:
            del self.pipelines[run.run_id]
        if error := self.records.error(self.workspace_id, run.run_id):
            status = self.records.status(self.workspace_id, run.run_id)
            raise StepError(error["code"], error["message"], status, logged=True)
        return {name: pipeline._produced[source] for name, source in graph.outputs.items()}

    async def _run_to_end(self, run: StepRun) -> dict[str, Value]:
        """Run a step up to and including its last state.

        Raise StepError if the last state is not Completed.
        """
        try:
            outputs = await self._execute(run)
            self._add_recorded(run, await self.records.register_outputs(run, outputs))
        except asyncio.CancelledError:
            await self._move("Canceled", run_id=run.run_id)
            raise
        except StepError as error:
            if not error.logged:
                await self.records.log(self.workspace_id, run.run_id, LOG, f"{error}\n")
            await self._move(error.status, error.error, run_id=run.run_id)
            raise
        except AzureError as error:
            await self._move("Failed", {"code": "UserError", "message": error.message}, run_id=run.run_id)
            raise StepError("UserError", error.message) from error
        except Exception as error:
            log.exception("step_crashed run=%s", run.run_id)
            await self._move("Failed", {"code": "SystemError", "message": repr(error)}, run_id=run.run_id)
            raise StepError("SystemError", repr(error)) from error
        await self._move("Completed", run_id=run.run_id)
        return outputs

    def _add_recorded(self, run: StepRun, outputs: Document) -> None:
        self._recorded |= {(run.step.name, name): output for name, output in outputs.items()}

    async def _stop_nodes(self, but: str | None = None) -> None:
        nodes = [task for name, task in self._nodes.items() if name != but and not task.done()]
        for task in nodes:
            task.cancel()
        await asyncio.gather(*nodes, return_exceptions=True)

    async def _move(self, status: str, error: Document | None = None, *, run_id: str | None = None) -> None:
        """Move the job, or the run of one of its steps, to its next state."""
        await self.records.move(self.workspace_id, run_id or self.name, status, error)

    async def _log(self, line: str) -> None:
        """Add a line to the log of the pipeline, which `jobs.stream` shows."""
        self._lines.append(f"{line}\n")
        await self.records.log(self.workspace_id, self.name, EXECUTION_LOG, "".join(self._lines))
