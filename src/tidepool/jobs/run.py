"""One job on its way: walks its graph, moves its runs from state to state, reuses steps. Starts nothing."""

import asyncio
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from tidepool.errors import AzureError
from tidepool.jobs.expressions import UnknownReferenceError
from tidepool.jobs.graph import Graph, Step, Value, bind
from tidepool.jobs.records import Records
from tidepool.jobs.reuse import Reuse, fingerprint
from tidepool.jobs.steps import StepError, Steps
from tidepool.jobs.workplace import StepRun
from tidepool.store import Document

log = logging.getLogger(__name__)

EXECUTION_LOG = "logs/azureml/executionlogs.txt"
_FAILED_CHILDREN = (
    "Pipeline has failed child jobs. Failed nodes: {nodes}. For more details and logs, please go to the "
    "job detail page and check the child jobs."
)


@dataclass(frozen=True)
class Toolbox:
    """What every job is carried out with. While `closing`, what is cancelled keeps its state."""

    records: Records
    steps: Steps
    reuse: Reuse
    closing: Callable[[], bool]


@dataclass
class JobRun:
    """A live job. `children` are the steps of a pipeline that are on their way, by the id of their run."""

    workspace_id: str
    name: str
    graph: Graph
    tools: Toolbox
    children: dict[str, asyncio.Task[dict[str, Value]]] = field(default_factory=dict)
    _nodes: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _produced: dict[tuple[str, str], Value] = field(default_factory=dict)
    _kept: dict[tuple[str, str], Document] = field(default_factory=dict)
    _errors: dict[str, StepError] = field(default_factory=dict)
    _lines: list[str] = field(default_factory=list)

    async def command(self) -> None:
        """A command job: the job is its only step."""
        step = self.graph.steps[self.name]
        try:
            await self._carry_out(StepRun(self.workspace_id, self.name, step, dict(step.inputs)))
        except StepError as error:
            log.info("job_failed job=%s error=%s", self.name, error)

    async def pipeline(self) -> None:
        """A pipeline job: its steps, each as soon as what it needs is there."""
        try:
            await self._move("Preparing")
            await self._move("Running")
            for name, step in self.graph.steps.items():
                self._nodes[name] = asyncio.create_task(self._node(step))
            if self._nodes:
                await asyncio.wait(self._nodes.values())
            await self._conclude()
        except asyncio.CancelledError:
            await self._stop_nodes()
            await self._end("Canceled")
            raise

    async def _conclude(self) -> None:
        if self._errors:
            failed = next((one for one in self._errors.values() if one.status == "Failed"), None)
            nodes = ", ".join(f"/{name}" for name in self._errors)
            if failed:
                message = _FAILED_CHILDREN.format(nodes=nodes)
                return await self._end("Failed", {"code": "UserError", "message": message})
            return await self._end("Canceled", next(iter(self._errors.values())).error)
        await self._move("Finalizing")
        outputs = {name: self._kept[source] for name, source in self.graph.outputs.items()}
        self.tools.records.outputs(self.workspace_id, self.name, outputs)
        await self._move("Completed")

    async def _node(self, step: Step) -> None:
        """One step, once the steps that it needs have ended; nothing where one of them has no result."""
        if step.needs:
            await asyncio.wait([self._nodes[name] for name in step.needs])
        if not step.sources <= self._produced.keys():
            return
        try:
            await self._step(step)
        except StepError as error:
            self._errors[step.name] = error
            if not self.graph.continue_on_failure:
                await self._stop_nodes(but=step.name)

    async def _step(self, step: Step) -> None:
        try:
            inputs = bind(step, self.graph.inputs, self._produced)
        except UnknownReferenceError as error:
            raise StepError("UserError", str(error)) from error
        run = StepRun(self.workspace_id, str(uuid.uuid4()), step, inputs, self.graph.datastore)
        key = fingerprint(step, inputs) if step.deterministic else None
        found = self.tools.reuse.find(self.workspace_id, key) if key and not self.graph.force_rerun else None
        self._create_child(run, found)
        if found:
            await self._reuse(run, found)
            outputs = {name: Value(kept["uri"], kept["type"]) for name, kept in found["outputs"].items()}
        else:
            outputs = await self._as_child(run)
            if key:
                kept = {name: self._kept[step.name, name] for name in outputs}
                result = {"runId": run.run_id, "rootRunId": self.name, "outputs": kept}
                self.tools.reuse.remember(self.workspace_id, key, result)
        self._produced |= {(step.name, name): value for name, value in outputs.items()}

    def _create_child(self, run: StepRun, reused: Document | None) -> None:
        properties = {
            "azureml.runsource": "azureml.StepRun",
            "azureml.nodeid": uuid.uuid5(uuid.NAMESPACE_OID, f"{self.name}/{run.step.name}").hex[:8],
            "azureml.pipelinerunid": self.name,
            "azureml.moduleName": run.step.name,
        }
        if reused:
            properties |= {
                "azureml.isreused": "true",
                "azureml.reusedrunid": reused["runId"],
                "azureml.reusedpipelinerunid": reused["rootRunId"],
            }
        child = {
            "runId": run.run_id,
            "parentRunId": self.name,
            "displayName": run.step.name,
            "runType": "azureml.StepRun",
            "target": run.step.compute,
            "properties": properties,
        }
        self.tools.records.create(self.workspace_id, child)

    async def _reuse(self, run: StepRun, found: Document) -> None:
        """The child run of a step that need not run: it has the outputs of the one that did."""
        await self._log(f"Step {run.step.name} is reused from run {found['runId']}")
        self._keep(run, found["outputs"])
        self.tools.records.outputs(self.workspace_id, run.run_id, found["outputs"])
        for status in ("Running", "Completed"):
            await self.tools.records.move(self.workspace_id, run.run_id, status)

    async def _as_child(self, run: StepRun) -> dict[str, Value]:
        task = asyncio.create_task(self._carry_out(run))
        self.children[run.run_id] = task
        try:
            await self._log(f"Step {run.step.name} starts as run {run.run_id}")
            await asyncio.wait([task])
            if task.cancelled():
                raise StepError("JobCanceled", f"Step {run.step.name} was cancelled.", "Canceled")
            return task.result()
        finally:
            task.cancel()
            await asyncio.wait([task])
            del self.children[run.run_id]
            await self._end("Canceled", run_id=run.run_id)  # unless it began, and so has an end of its own
            status = self.tools.records.status(self.workspace_id, run.run_id)
            await self._log(f"Step {run.step.name} is {status}")

    async def _carry_out(self, run: StepRun) -> dict[str, Value]:
        """Run a step as a run, up to and including its last state. StepError for any end but Completed."""
        records = self.tools.records
        try:
            outputs = await self.tools.steps.carry_out(run)
            self._keep(run, await records.register(run, outputs))
        except asyncio.CancelledError:
            await self._end("Canceled", run_id=run.run_id)
            raise
        except StepError as error:
            await self._end(error.status, error.error, run_id=run.run_id)
            raise
        except AzureError as error:
            await self._end("Failed", {"code": "UserError", "message": error.message}, run_id=run.run_id)
            raise StepError("UserError", error.message) from error
        except Exception as error:
            log.exception("step_crashed run=%s", run.run_id)
            await self._end("Failed", {"code": "SystemError", "message": repr(error)}, run_id=run.run_id)
            raise StepError("SystemError", repr(error)) from error
        await records.move(run.workspace_id, run.run_id, "Completed")
        return outputs

    def _keep(self, run: StepRun, outputs: Document) -> None:
        self._kept |= {(run.step.name, name): kept for name, kept in outputs.items()}

    async def _stop_nodes(self, but: str | None = None) -> None:
        nodes = [task for name, task in self._nodes.items() if name != but and not task.done()]
        for task in nodes:
            task.cancel()
        await asyncio.gather(*nodes, return_exceptions=True)

    async def _move(self, status: str) -> None:
        await self.tools.records.move(self.workspace_id, self.name, status)

    async def _end(self, status: str, error: Document | None = None, *, run_id: str | None = None) -> None:
        if not self.tools.closing():
            await self.tools.records.move(self.workspace_id, run_id or self.name, status, error)

    async def _log(self, line: str) -> None:
        """A line of the pipeline's own log, which jobs.stream shows."""
        self._lines.append(f"{line}\n")
        if not self.tools.closing():
            await self.tools.records.log(self.workspace_id, self.name, EXECUTION_LOG, "".join(self._lines))
