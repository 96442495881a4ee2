"""The Azure ML jobs of a workspace: submission, state and errors, and the data that they read."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tidegate.cloud.data_plane import DataPlaneClient
from tidegate.cloud.ml_client import LazyMLClient, ml_errors
from tidegate.domain.jobs.plan import JobPlan
from tidegate.domain.jobs.run_snapshot import RunSnapshot
from tidegate.errors import ConflictError, NotFoundError, PermanentError

_DATA = re.compile(r".*/data/(?P<name>[^/]+)/versions/(?P<version>[^/]+)")

_LOGS_OF_AZURE = ("system_logs/", "azureml-logs/", "logs/azureml/")
_MOST_LOG_FILES = 20
_MOST_CODES = 5
_PRIORITIES = {"dedicated": "dedicated", "lowpriority": "low_priority"}
_JOBS_AT_ONCE = 100  # Azure documents no limit for batchrundata


class JobClient:
    """A client for the jobs of one workspace."""

    def __init__(self, client: LazyMLClient, data_plane: DataPlaneClient) -> None:
        self._client = client
        self._data_plane = data_plane

    def exists(self, name: str) -> bool:
        try:
            with ml_errors(f"look for job {name}"):
                self._client.ml.jobs.get(name)
        except NotFoundError:
            return False
        return True

    def input_data(self, name: str) -> dict[str, str]:
        """Return the data that a job read, by the name of the input.

        For a step of a pipeline, return the data of the pipeline job. Return an empty dict if the run is not
        a job.
        """
        from azure.ai.ml.exceptions import MlException

        try:
            root = str(self._history(name).get("rootRunId") or name)
            with ml_errors(f"look for job {root}"):
                inputs = getattr(self._client.ml.jobs.get(root), "inputs", None) or {}
        except (NotFoundError, MlException):
            return {}
        paths = {key: _path(value) for key, value in inputs.items()}
        return {key: _reference(path) for key, path in paths.items() if path}

    def submit(self, plan: JobPlan, component: str) -> None:
        """Submit a job under its derived name. If a job of that name exists, it is the same job: do nothing.

        `component` is the ARM id of a registered pipeline component, so that nothing is uploaded.
        """
        if self.exists(plan.job):
            return
        try:
            with ml_errors(f"submit job {plan.job}"):
                self._client.ml.jobs.create_or_update(_pipeline_job(plan, component))
        except (ConflictError, PermanentError):
            # Another worker may have submitted the job just now. Azure answers "A job with this name already
            # exists" with several error codes, so check whether the job exists.
            if not self.exists(plan.job):
                raise

    def get(self, name: str, *, with_steps: bool = False) -> RunSnapshot:
        """Return the state and the error of a job.

        Include its steps if the job failed or was cancelled, or on request. Raise NotFoundError if it does
        not exist.
        """
        details = self._history(f"{name}/details")
        if not with_steps and details["status"] not in ("Failed", "Canceled"):
            return _snapshot(details)
        children = self._history(f"{name}/children").get("value", [])
        return _snapshot(details, tuple(_snapshot(child) for child in children))

    def statuses(self, names: Sequence[str]) -> dict[str, str]:
        """Return the states of jobs by name, with one request for 100 jobs. Missing jobs are left out."""
        statuses: dict[str, str] = {}
        for start in range(0, len(names), _JOBS_AT_ONCE):
            batch = names[start : start + _JOBS_AT_ONCE]
            body = {"requests": {name: {"runId": name, "selectRunMetadata": True} for name in batch}}
            answer = self._data_plane.post("history/v1.0", "batchrundata", body)
            runs = answer.get("successfulResults") or {}
            statuses |= {name: str(run["runMetadata"]["status"]) for name, run in runs.items()}
        return statuses

    def cancel(self, name: str) -> None:
        """Begin to cancel a job. A job that has ended already stays as it is."""
        try:
            with ml_errors(f"cancel job {name}"):
                self._client.ml.jobs.begin_cancel(name)
        except (ConflictError, PermanentError):
            if not self.get(name).final:
                raise

    def last_output(self, run: str) -> datetime | None:
        """Return when a log file of a run was last written, or None if all are empty or there are none.

        Logs of Azure's own processes do not count, because they grow while the job's process hangs.
        """
        files = self._history(f"{run}/details").get("logFiles") or {}
        own = [url for name, url in sorted(files.items()) if not name.startswith(_LOGS_OF_AZURE)]
        times = (self._data_plane.written_at(url) for url in own[-_MOST_LOG_FILES:])
        return max((time for time in times if time), default=None)

    def _history(self, path: str) -> dict[str, Any]:
        """Read the run history, because the SDK's job objects have no errors. `jobs.stream` does the same."""
        return self._data_plane.get("history/v1.0", f"runs/{path}")


def _path(job_input: Any) -> str:
    """Return the path of an input if the input is data.

    Return an empty string for a literal value, which the SDK wraps in the same class.
    """
    from azure.ai.ml.exceptions import ValidationException

    try:
        return str(getattr(job_input, "path", None) or "")
    except ValidationException:
        return ""


def _reference(path: str) -> str:
    """Return `name:version` for any spelling of a Data asset's path, and other paths unchanged."""
    match = _DATA.fullmatch(path)
    return f"{match['name']}:{match['version']}" if match else path.removeprefix("azureml:")


def _pipeline_job(plan: JobPlan, component: str) -> Any:
    from azure.ai.ml import Input, Output
    from azure.ai.ml.entities import PipelineJob, PipelineJobSettings

    data = {name: Input(type=kind, path=path) for name, (kind, path) in plan.inputs.items()}
    folders = {name: Output(type="uri_folder", path=path) for name, path in plan.outputs.items()}
    models = {name: Output(type="mlflow_model", name=model) for name, model in plan.models.items()}
    models |= {name: Output(type="mlflow_model", path=path) for name, path in plan.model_folders.items()}
    return PipelineJob(
        name=plan.job,
        display_name=plan.display_name,
        experiment_name=plan.experiment,
        component=component,
        inputs={**data, **plan.literals},
        outputs={**folders, **models},
        settings=PipelineJobSettings(force_rerun=plan.force_rerun, continue_on_step_failure=False),
        tags=dict(plan.tags),
    )


def _snapshot(run: dict[str, Any], children: tuple[RunSnapshot, ...] = ()) -> RunSnapshot:
    error = ((run.get("error") or {}).get("error")) or {}
    compute = run.get("compute") or {}
    return RunSnapshot(
        nodes=int(compute.get("instanceCount") or 1),
        priority=_PRIORITIES.get(str(compute.get("priority") or "").lower()),
        reused=str((run.get("properties") or {}).get("azureml.isreused")).lower() == "true",
        name=run.get("displayName") or run["runId"],
        status=run["status"],
        started_at=_time(run.get("startTimeUtc")),
        ended_at=_time(run.get("endTimeUtc")),
        id=run["runId"],
        target=run.get("target"),
        created_at=_time(run.get("createdUtc")),
        modified_at=_time(run.get("lastModifiedUtc")),
        code="/".join(_codes(error)),
        message=str(error.get("message") or ""),
        children=children,
    )


def _codes(error: Mapping[str, Any]) -> Iterator[str]:
    """Yield the code of an error and the codes of its inner errors."""
    for _ in range(_MOST_CODES):
        if error.get("code"):
            yield str(error["code"])
        error = error.get("innerError") or {}


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
