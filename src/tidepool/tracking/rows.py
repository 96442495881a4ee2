"""Rows in MLflow's database for runs and experiments. MLflow's API cannot create them with Azure ML's ids."""

import sqlite3
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tidepool.azureml.run_history import DEFAULT_EXPERIMENT, experiment_number, mlflow_workspace
from tidepool.azureml.workspaces import DATA_PLANE
from tidepool.tracking.run_ids import id_inside

# MLflow's status for each state of run history. Runs in other states have not started.
_STATUS = {
    "Running": "RUNNING",
    "Finalizing": "RUNNING",
    "CancelRequested": "RUNNING",
    "NotResponding": "RUNNING",
    "Completed": "FINISHED",
    "Failed": "FAILED",
    "Canceled": "KILLED",
}
_TAG_LENGTH = 8000


class MlflowRows:
    """A second client of the database of the running MLflow server."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None, timeout=30, check_same_thread=False)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=off")
        self._inside: dict[str, dict[str, str]] = {}

    def close(self) -> None:
        self._db.close()

    def workspace(self, workspace_id: str) -> str:
        """Create a workspace and its default experiment unless they exist, and return its name in MLflow."""
        name = mlflow_workspace(workspace_id)
        self._db.execute("insert or ignore into workspaces (name) values (?)", (name,))
        self.experiment(workspace_id, DEFAULT_EXPERIMENT)
        return name

    def experiment(
        self, workspace_id: str, name: str, tags: Mapping[str, str] | None = None
    ) -> tuple[int, bool]:
        """Create an experiment unless it exists, and return (id in MLflow, whether the experiment is new)."""
        number, now = experiment_number(workspace_id, name), _now()
        cursor = self._db.execute(
            "insert or ignore into experiments (experiment_id, name, artifact_location, lifecycle_stage,"
            " creation_time, last_update_time, workspace) values (?, ?, ?, 'active', ?, ?, ?)",
            (number, name, _artifacts(workspace_id, name), now, now, mlflow_workspace(workspace_id)),
        )
        created = cursor.rowcount > 0
        if created and tags:
            rows = [(key, value, number) for key, value in tags.items()]
            self._db.executemany(
                "insert into experiment_tags (key, value, experiment_id) values (?, ?, ?)", rows
            )
        return number, created

    def run(self, workspace_id: str, run: Mapping[str, Any]) -> None:
        """Insert or update the row of a run that is recorded in run history.

        MLflow's database has one row for each id. If another workspace has a run with this id, the run gets
        another id inside, which `inside` maps.
        """
        name, owner, run_id = mlflow_workspace(workspace_id), self._owner(run["runId"]), run["runId"]
        if owner not in (None, name):
            run_id = id_inside(name, run["runId"])
            self._inside.setdefault(name, {})[run["runId"]] = run_id
        number, _ = self.experiment(workspace_id, run["experimentName"])
        started = run.get("startTimeUtc") or run["createdUtc"]
        values = {
            "run_uuid": run_id,
            "name": run["displayName"],
            "source_type": "JOB",
            "source_name": "",
            "entry_point_name": "",
            "source_version": "",
            "user_id": run.get("createdBy") or "",
            "status": _STATUS.get(run["status"], "SCHEDULED"),
            "start_time": _milliseconds(started),
            "end_time": _milliseconds(run.get("endTimeUtc")),
            "lifecycle_stage": "active",
            "artifact_uri": f"{_artifacts(workspace_id, run['experimentName'])}/{run['runId']}/artifacts",
            "experiment_id": number,
        }
        names = ", ".join(values)
        parameters = ", ".join(f":{name}" for name in values)
        self._db.execute(
            f"insert into runs ({names}) values ({parameters}) on conflict (run_uuid) do update set"
            " status = excluded.status, start_time = excluded.start_time, end_time = excluded.end_time",
            values,
        )
        self._tag(run, run_id)

    def inside(self, workspace_id: str) -> Mapping[str, str]:
        """Return the ids inside of those runs of a workspace that have another one there, by their ids."""
        return self._inside.get(mlflow_workspace(workspace_id), {})

    def _owner(self, run_id: str) -> str | None:
        query = "select e.workspace from runs r join experiments e using (experiment_id) where r.run_uuid = ?"
        row = self._db.execute(query, (run_id,)).fetchone()
        return str(row[0]) if row else None

    def metric(self, workspace_id: str, run_id: str, name: str) -> float | None:
        """Return the last value of a metric of a run, or None if it has none or the value is not a number."""
        query = "select value from latest_metrics where run_uuid = ? and key = ? and not is_nan"
        row = self._db.execute(query, (self.inside(workspace_id).get(run_id, run_id), name)).fetchone()
        return float(row[0]) if row else None

    def move_model(self, workspace_id: str, model_id: str) -> str | None:
        """Move a logged model to the artifacts of its run, as on Azure ML, and return its new URI.

        Return None if the model does not belong to a run.
        """
        row = self._db.execute(
            "select m.name, m.source_run_id, e.name from logged_models m"
            " join experiments e using (experiment_id) where model_id = ?",
            (model_id,),
        ).fetchone()
        if row is None or not row[1]:
            return None
        name, run_id, experiment = row
        run_id = {inside: outside for outside, inside in self.inside(workspace_id).items()}.get(
            run_id, run_id
        )
        uri = f"{_artifacts(workspace_id, experiment)}/{run_id}/artifacts/{quote(name)}"
        self._db.execute("update logged_models set artifact_location = ? where model_id = ?", (uri, model_id))
        return uri

    def model_uri(self, model_id: str) -> str | None:
        """Return the URI of the files of a logged model."""
        query = "select artifact_location from logged_models where model_id = ?"
        row = self._db.execute(query, (model_id,)).fetchone()
        return str(row[0]) if row else None

    def _tag(self, run: Mapping[str, Any], run_id: str) -> None:
        system_tags = {
            "mlflow.runName": run["displayName"],
            "mlflow.source.type": "JOB",
            "mlflow.user": run.get("createdBy") or "",
            "mlflow.rootRunId": run["rootRunId"],
        }
        if run.get("parentRunId"):
            system_tags["mlflow.parentRunId"] = run["parentRunId"]
        rows = [
            (key, str(value)[:_TAG_LENGTH], run_id) for key, value in {**system_tags, **run["tags"]}.items()
        ]
        self._db.executemany("insert or replace into tags (key, value, run_uuid) values (?, ?, ?)", rows)


def _artifacts(workspace_id: str, experiment: str) -> str:
    """Return the folder of an experiment's artifacts, as a URI in the form that azureml-mlflow uses."""
    base = f"azureml://{DATA_PLANE}/mlflow/v2.0{workspace_id}"
    return f"{base}/experiments/{quote(experiment, safe='')}/runs"


def _now() -> int:
    return int(time.time() * 1000)


def _milliseconds(moment: str | None) -> int | None:
    return int(datetime.fromisoformat(moment).timestamp() * 1000) if moment else None
