"""Jobs of a workspace: whether they exist, their submission, and what run history says of them."""

import re
from typing import Any

from tidegate.cloud.data_plane import DataPlaneClient
from tidegate.cloud.ml_client import LazyMLClient, ml_errors
from tidegate.domain.jobs.outcome import RunSnapshot
from tidegate.domain.jobs.plan import JobPlan
from tidegate.errors import ConflictError, NotFoundError, PermanentError

_DATA = re.compile(r".*/data/(?P<name>[^/]+)/versions/(?P<version>[^/]+)")


class JobClient:
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
        """The data that a job read, by the name of its input; of a step, that of its pipeline job.

        None of a run that is no job.
        """
        from azure.ai.ml.exceptions import MlException

        try:
            root = str(self._history(name).get("rootRunId") or name)
            with ml_errors(f"look for job {root}"):
                inputs = getattr(self._client.ml.jobs.get(root), "inputs", None) or {}
        except (NotFoundError, MlException):
            return {}
        paths = {key: _path(one) for key, one in inputs.items()}
        return {key: _reference(path) for key, path in paths.items() if path}

    def submit(self, plan: JobPlan, component: str) -> None:
        """Submit the job under its name; one that is there under that name is the same one, and stays.

        `component` is the ARM id of a registered pipeline component: nothing is uploaded.
        """
        if self.exists(plan.job):
            return
        try:
            with ml_errors(f"submit job {plan.job}"):
                self._client.ml.jobs.create_or_update(_pipeline_job(plan, component))
        except (ConflictError, PermanentError):
            # Refused, perhaps since somebody else submitted it just now:
            # "A job with this name already exists" comes with several codes, so look.
            if not self.exists(plan.job):
                raise

    def get(self, name: str) -> RunSnapshot:
        """State and error of a job; of one that did not complete, those of its steps too. NotFoundError."""
        details = self._history(f"{name}/details")
        if details["status"] not in ("Failed", "Canceled"):
            return _seen(details)
        children = self._history(f"{name}/children").get("value", [])
        return _seen(details, tuple(_seen(child) for child in children))

    def _history(self, path: str) -> dict[str, Any]:
        """The SDK shows no errors of runs, so this asks where its `jobs.stream` does."""
        return self._data_plane.get("history/v1.0", f"runs/{path}")


def _path(given: Any) -> str:
    """Of an input that is data; empty of a literal, which the SDK wraps in the same class."""
    from azure.ai.ml.exceptions import ValidationException

    try:
        return str(getattr(given, "path", None) or "")
    except ValidationException:
        return ""


def _reference(path: str) -> str:
    """`name:version` of a Data asset, in whichever way it is written; other paths as they are."""
    found = _DATA.fullmatch(path)
    return f"{found['name']}:{found['version']}" if found else path.removeprefix("azureml:")


def _pipeline_job(plan: JobPlan, component: str) -> Any:
    from azure.ai.ml import Input, Output
    from azure.ai.ml.entities import PipelineJob, PipelineJobSettings

    data = {name: Input(type=kind, path=path) for name, (kind, path) in plan.inputs.items()}
    folders = {name: Output(type="uri_folder", path=path) for name, path in plan.outputs.items()}
    models = {name: Output(type="mlflow_model", name=model) for name, model in plan.models.items()}
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


def _seen(run: dict[str, Any], children: tuple[RunSnapshot, ...] = ()) -> RunSnapshot:
    error = ((run.get("error") or {}).get("error")) or {}
    return RunSnapshot(
        name=run.get("displayName") or run["runId"],
        status=run["status"],
        code=str(error.get("code") or ""),
        message=str(error.get("message") or ""),
        children=children,
    )
