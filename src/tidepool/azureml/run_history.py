"""Run history: the record of each run, the transitions between its states, and their events."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from tidepool.azureml.ml_errors import UserError
from tidepool.azureml.run_states import FINAL, TRANSITIONS
from tidepool.azureml.workspaces import artifact_store
from tidepool.errors import AzureError
from tidepool.scheduler import Scheduler
from tidepool.storage.blobs import Blobs
from tidepool.store import Document, Store

DEFAULT_EXPERIMENT = "Default"

# https://learn.microsoft.com/azure/machine-learning/resource-limits-capacity
LIMITS = {"tags": 50, "properties": 50}
MAX_NAME, MAX_VALUE = 100, 1000

LOG_FOLDERS = ("user_logs/", "system_logs/", "logs/", "azureml-logs/")

_EVENTS = "Microsoft.MachineLearningServices"


# Publishes events on a topic. The arguments are the id of the topic and the events.
Publish = Callable[[str, list[dict[str, Any]]], Awaitable[None]]


class Runs:
    """The runs of all workspaces.

    The id of a run is the name of its job. A step of a pipeline is a run with a parent.
    """

    def __init__(self, *, store: Store, scheduler: Scheduler, publish: Publish, blobs: Blobs) -> None:
        self._store = store
        self._scheduler = scheduler
        self._publish = publish
        self._blobs = blobs

    def create(self, workspace_id: str, run: Mapping[str, Any]) -> Document:
        """Record a run that has not started.

        `run` has the keys of run history, at least `runId`.
        """
        run_id = run["runId"]
        parent = self.get(workspace_id, run["parentRunId"]) if run.get("parentRunId") else None
        experiment = run.get("experimentName") or (parent or {}).get("experimentName") or DEFAULT_EXPERIMENT
        now = self._now()
        record: Document = {
            "displayName": run_id,
            "tags": {},
            "properties": {},
            "runType": None,
            "hidden": False,
            "inputs": {},
            "outputs": {},
            **{name: value for name, value in run.items() if value is not None},
            "runNumber": self._store.next(f"runs{workspace_id.lower()}"),
            "rootRunId": (parent or {}).get("rootRunId") or run.get("parentRunId") or run_id,
            "runUuid": str(uuid.uuid4()),
            "experimentName": experiment,
            "experimentId": experiment_id(workspace_id, experiment),
            "dataContainerId": f"dcid.{run_id}",
            "status": "NotStarted",
            "createdUtc": now,
            "lastModifiedUtc": now,
            "startTimeUtc": None,
            "endTimeUtc": None,
            "error": None,
        }
        check_limits(record)
        self._store.put(_path(workspace_id, run_id), record)
        if run.get("parentRunId"):
            self._store.put(_child(workspace_id, run["parentRunId"], run_id), {"runId": run_id})
        return record

    def get(self, workspace_id: str, run_id: str) -> Document | None:
        return self._store.get(_path(workspace_id, run_id))

    def existing(self, workspace_id: str, run_id: str) -> Document:
        """Return the record of a run.

        Raise AzureError 404 if it does not exist.
        """
        run = self.get(workspace_id, run_id)
        if run is None:
            raise AzureError(404, "UserError", f"Run {run_id} was not found.")
        return run

    def all(self, workspace_id: str) -> list[Document]:
        """Return all runs of a workspace, oldest first."""
        return [run for _, run in self._store.children(_path(workspace_id))]

    def children(self, workspace_id: str, run_id: str) -> list[Document]:
        """Return the child runs of a run, oldest first."""
        children = (child["runId"] for _, child in self._store.children(_child(workspace_id, run_id)))
        return [self.existing(workspace_id, child) for child in children]

    def patch(self, workspace_id: str, run_id: str, changes: Mapping[str, Any]) -> Document:
        """Update the record of a run.

        Dictionaries are merged. None keeps the old value. Any other value replaces the old value.
        """
        run = self.existing(workspace_id, run_id)
        for name, value in changes.items():
            if isinstance(value, dict):
                run[name] = {**(run.get(name) or {}), **value}
            elif value is not None:
                run[name] = value
        check_limits(run)
        run["lastModifiedUtc"] = self._now()
        self._store.put(_path(workspace_id, run_id), run)
        return run

    async def move(
        self, workspace_id: str, run_id: str, status: str, error: Mapping[str, Any] | None = None
    ) -> Document:
        """Move a run to its next state, record the time and publish the events.

        Raise ValueError if a run cannot change from its present state to this state.
        """
        run = self.existing(workspace_id, run_id)
        if status not in TRANSITIONS[run["status"]]:
            raise ValueError(f"run {run_id} cannot go from {run['status']} to {status}")
        now = self._now()
        run["status"] = status
        run["lastModifiedUtc"] = now
        if status == "Running" and not run["startTimeUtc"]:
            run["startTimeUtc"] = now
        if status in FINAL:
            run["endTimeUtc"] = now
        if error is not None:
            run["error"] = {"error": dict(error), "time": now}
        self._store.put(_path(workspace_id, run_id), run)
        await self._announce(workspace_id, run)
        return run

    async def log(self, workspace_id: str, run_id: str, name: str, data: bytes) -> None:
        """Write or replace a file of the run, such as `user_logs/std_log.txt`."""
        account, container = artifact_store(self._store, workspace_id)
        await self._blobs.write(account, container, artifact_path(run_id, name), data)

    async def log_files(self, workspace_id: str, run_id: str) -> dict[str, str]:
        """Return the URL, with a SAS, of each log file of the run, by its name."""
        account, container = artifact_store(self._store, workspace_id)
        folder = artifact_path(run_id)
        blobs = await self._blobs.list(account, container, folder)
        return {
            blob.name.removeprefix(folder): await self._blobs.sas(account, container, blob.name)
            for blob in blobs
            if blob.name.removeprefix(folder).startswith(LOG_FOLDERS)
        }

    async def _announce(self, workspace_id: str, run: Document) -> None:
        await self._publish(
            workspace_id, [self._event("RunStatusChanged", workspace_id, run, runStatus=run["status"])]
        )
        if run["status"] == "Completed":
            await self._publish(workspace_id, [self._event("RunCompleted", workspace_id, run)])

    def _event(self, kind: str, topic: str, run: Document, **more: Any) -> dict[str, Any]:
        return {
            "topic": topic,
            "id": str(uuid.uuid4()),
            "eventType": f"{_EVENTS}.{kind}",
            "subject": f"experiments/{run['experimentId']}/runs/{run['runId']}",
            "eventTime": self._now(),
            "data": {
                "experimentId": run["experimentId"],
                "experimentName": run["experimentName"],
                "runId": run["runId"],
                "runType": run["runType"],
                "runTags": run["tags"],
                "runProperties": run["properties"],
                **more,
            },
            "dataVersion": "",
            "metadataVersion": "1",
        }

    def _now(self) -> str:
        return timestamp(self._scheduler.now())


def experiment_id(workspace_id: str, experiment: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{workspace_id.lower()}/experiments/{experiment}"))


def experiment_number(workspace_id: str, name: str) -> int:
    """Return MLflow's id of an experiment.

    The id is derived from names, so it is known before the MLflow server runs.
    """
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{workspace_id.lower()}/mlflow/{name}").int >> 80


def mlflow_workspace(workspace_id: str) -> str:
    """Return MLflow's name of a workspace. It has only lower case letters, digits and hyphens."""
    return f"w{uuid.uuid5(uuid.NAMESPACE_URL, workspace_id.lower()).hex}"


def artifact_path(run_id: str, name: str = "") -> str:
    """Return the path of a run's file in the artifact container of the workspace."""
    return f"ExperimentRun/dcid.{run_id}/{name}"


def check_limits(record: Mapping[str, Any]) -> None:
    """Check the number and the length of tags and properties.

    Raise UserError if they exceed the limits of Azure.
    """
    for field, most in LIMITS.items():
        entries = record.get(field) or {}
        if len(entries) > most:
            raise UserError(
                400, f"The number of {field} ({len(entries)}) exceeds the maximum of {most}.", "BadArgument"
            )
        for name, value in entries.items():
            if len(name) > MAX_NAME or len(str(value)) > MAX_VALUE:
                allowed = f"{MAX_NAME} characters for the name and {MAX_VALUE} for the value"
                message = f"The entry '{name[:MAX_NAME]}' of {field} exceeds what is allowed: {allowed}."
                raise UserError(400, message, "BadArgument")


def timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _path(workspace_id: str, run_id: str = "") -> str:
    return f"/history{workspace_id}/runs/{run_id}".rstrip("/")


def _child(workspace_id: str, parent: str, run_id: str = "") -> str:
    return f"/history{workspace_id}/children/{parent}/{run_id}".rstrip("/")
