"""The records of jobs: runs in run history and in MLflow, outputs as assets, completed steps for reuse."""

import uuid
from collections.abc import Mapping
from typing import Any

from tidepool.azureml.asset_catalog import AssetCatalog
from tidepool.azureml.run_history import Runs
from tidepool.azureml.run_states import FINAL
from tidepool.jobs.graph import JobOutput, Value
from tidepool.jobs.reuse import Reuse
from tidepool.jobs.step_folder import StepRun
from tidepool.store import Document
from tidepool.tracking.tracking import Tracking

_RUN_TYPES = {"pipeline": "azureml.PipelineRun", "sweep": "azureml.HyperDriveRun"}
_MODELS = {"mlflow_model", "custom_model", "triton_model"}


class JobRecords:
    """The records of all jobs. `reuse` has the completed steps that later jobs may reuse."""

    def __init__(self, *, runs: Runs, tracking: Tracking, catalog: AssetCatalog, reuse: Reuse) -> None:
        self._runs = runs
        self._tracking = tracking
        self._catalog = catalog
        self._frozen = False
        self.reuse = reuse

    def create(self, workspace_id: str, run: Mapping[str, Any]) -> Document:
        record = self._runs.create(workspace_id, run)
        self._tracking.record(workspace_id, record)
        return record

    def create_child(self, parent: str, run: StepRun, reused: Document | None) -> None:
        """Record the run of a step of the pipeline `parent`. It may reuse a completed run."""
        properties = {
            "azureml.runsource": _RUN_TYPES.get(run.step.kind, "azureml.StepRun"),
            "azureml.nodeid": uuid.uuid5(uuid.NAMESPACE_OID, f"{parent}/{run.step.name}").hex[:8],
            "azureml.pipelinerunid": parent,
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
            "parentRunId": parent,
            "displayName": run.step.name,
            "runType": _RUN_TYPES.get(run.step.kind, "azureml.StepRun"),
            "target": run.step.compute,
            "instanceCount": run.step.instances,
            "properties": properties,
        }
        self.create(run.workspace_id, child)

    def status(self, workspace_id: str, run_id: str) -> str:
        return str(self._runs.existing(workspace_id, run_id)["status"])

    def error(self, workspace_id: str, run_id: str) -> Document | None:
        """Return the code and the message of the error of a run, or None if it completed."""
        run = self._runs.existing(workspace_id, run_id)
        if run["status"] == "Completed":
            return None
        error: Document = (run["error"] or {}).get("error") or {
            "code": "JobCanceled",
            "message": f"The run {run_id} was cancelled.",
        }
        return error

    def metric(self, workspace_id: str, run_id: str, name: str) -> float | None:
        """Return the last value of a metric that a run logged, or None."""
        return self._tracking.metric(workspace_id, run_id, name)

    def freeze(self) -> None:
        """Keep all runs in their present state, although the stop of Tidepool cancels its jobs."""
        self._frozen = True

    async def move(
        self, workspace_id: str, run_id: str, status: str, error: Mapping[str, Any] | None = None
    ) -> None:
        """Move a run to its next state, unless it has ended or the records are frozen."""
        if not self._frozen and self.status(workspace_id, run_id) not in FINAL:
            self._tracking.record(workspace_id, await self._runs.move(workspace_id, run_id, status, error))

    def set_outputs(self, workspace_id: str, run_id: str, outputs: Document) -> None:
        self._runs.patch(workspace_id, run_id, {"outputs": outputs})

    def set_properties(self, workspace_id: str, run_id: str, properties: Document) -> None:
        self._runs.patch(workspace_id, run_id, {"properties": properties})

    async def register_outputs(self, run: StepRun, outputs: Mapping[str, Value]) -> Document:
        """Record the outputs of a step in run history, and register each output that has an asset name.

        Return the outputs in the form of run history.
        """
        recorded: Document = {}
        for name, value in outputs.items():
            output = run.step.outputs[name]
            recorded[name] = {"uri": value.text, "type": value.type}
            if output.asset_name:
                recorded[name]["assetId"] = await self._register(run, output, value.text)
        self.set_outputs(run.workspace_id, run.run_id, recorded)
        return recorded

    async def log(self, workspace_id: str, run_id: str, name: str, text: str) -> None:
        """Write a log file of a run, unless the records are frozen."""
        if not self._frozen:
            await self._runs.log(workspace_id, run_id, name, text.encode())

    async def _register(self, run: StepRun, output: JobOutput, uri: str) -> str:
        """Register an output as a model or a data asset, and return the id of the asset."""
        name, version = str(output.asset_name), output.asset_version
        if output.type in _MODELS:
            properties = {"modelUri": uri, "modelType": output.type, "jobName": run.run_id}
            document = await self._catalog.register_model(run.workspace_id, name, version, properties)
        else:
            properties = {"dataUri": uri, "dataType": output.type}
            document = await self._catalog.register_data(run.workspace_id, name, version, properties)
        return str(document["id"])
