"""What runs measured, and files beside what they logged. Knows nothing of jobs' ends."""

from urllib.parse import quote

from tidegate.cloud.azure_errors import mlflow_errors
from tidegate.cloud.data_plane import DataPlaneClient
from tidegate.errors import NotFoundError


class RunClient:
    def __init__(self, data_plane: DataPlaneClient) -> None:
        self._data_plane = data_plane

    def metrics(self, run: str) -> dict[str, float]:
        """The newest value of each metric, which may be NaN; none where there is no such run."""
        from mlflow import MlflowClient
        from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES

        MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(1)  # the worker backs off: a function waits for nothing
        try:
            with mlflow_errors(f"read the metrics of run {run}"):
                return dict(MlflowClient(self._data_plane.tracking_uri).get_run(run).data.metrics)
        except NotFoundError:
            return {}

    def attach(self, run: str, experiment: str, name: str, content: bytes) -> None:
        """Write a file among the artifacts of a run.

        As azureml-mlflow does it, which itself finds its token in MLflow's one global tracking URI: this
        process serves several workspaces in several threads.
        """
        path = f"experiments/{quote(experiment)}/runs/{run}/artifacts/batch/metadata"
        answer = self._data_plane.post("history/v1.0", path, {"paths": [{"path": name}]})
        self._data_plane.write(answer["artifactContentInformation"][name]["contentUri"], content)
