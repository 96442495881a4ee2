"""What a job leaves on record: its runs in history and in MLflow, its outputs as assets. Decides no state."""

from collections.abc import Mapping
from typing import Any, Protocol

from tidepool.azureml.asset_catalog import AssetCatalog
from tidepool.azureml.run_history import FINAL, Runs
from tidepool.jobs.graph import Output, Value
from tidepool.jobs.workplace import StepRun
from tidepool.store import Document

_MODELS = {"mlflow_model", "custom_model", "triton_model"}


class Tracker(Protocol):
    """The part that runs MLflow: keeps a copy of the runs, and gets ready for those that will want it."""

    def record(self, workspace_id: str, run: Document) -> None: ...

    def warm(self) -> None: ...


class Records:
    """The records of all jobs."""

    def __init__(self, *, runs: Runs, tracking: Tracker, catalog: AssetCatalog) -> None:
        self._runs = runs
        self._tracking = tracking
        self._catalog = catalog

    def create(self, workspace_id: str, run: Mapping[str, Any]) -> Document:
        record = self._runs.create(workspace_id, run)
        self._tracking.record(workspace_id, record)
        return record

    def status(self, workspace_id: str, run_id: str) -> str:
        return str(self._runs.existing(workspace_id, run_id)["status"])

    async def move(
        self, workspace_id: str, run_id: str, status: str, error: Mapping[str, Any] | None = None
    ) -> None:
        """The next state; a run that has ended keeps its end."""
        if self.status(workspace_id, run_id) not in FINAL:
            self._tracking.record(workspace_id, await self._runs.move(workspace_id, run_id, status, error))

    def outputs(self, workspace_id: str, run_id: str, outputs: Document) -> None:
        self._runs.patch(workspace_id, run_id, {"outputs": outputs})

    async def register(self, run: StepRun, outputs: Mapping[str, Value]) -> Document:
        """The outputs of a step as run history keeps them; those that have a name become assets."""
        kept: Document = {}
        for name, value in outputs.items():
            output = run.step.outputs[name]
            kept[name] = {"uri": value.text, "type": value.type}
            if output.asset_name:
                kept[name]["assetId"] = await self._asset(run, output, value.text)
        self.outputs(run.workspace_id, run.run_id, kept)
        return kept

    async def log(self, workspace_id: str, run_id: str, name: str, text: str) -> None:
        await self._runs.log(workspace_id, run_id, name, text.encode())

    async def _asset(self, run: StepRun, output: Output, uri: str) -> str:
        name, version = str(output.asset_name), output.asset_version
        if output.type in _MODELS:
            properties = {"modelUri": uri, "modelType": output.type, "jobName": run.run_id}
            document = await self._catalog.register_model(run.workspace_id, name, version, properties)
        else:
            properties = {"dataUri": uri, "dataType": output.type}
            document = await self._catalog.register_data(run.workspace_id, name, version, properties)
        return str(document["id"])
