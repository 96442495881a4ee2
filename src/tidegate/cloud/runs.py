"""The metrics of MLflow runs, and files that the service adds to a run's artifacts."""

from urllib.parse import quote, urlencode

from tidegate.cloud.data_plane import DataPlaneClient
from tidegate.domain.lifecycle.metric_values import finite
from tidegate.errors import NotFoundError


class RunClient:
    """A client for the runs of one workspace."""

    def __init__(self, data_plane: DataPlaneClient) -> None:
        self._data_plane = data_plane

    def metrics(self, run: str) -> dict[str, float | None]:
        """Return the value of each metric at its last step, or None if this value is not a finite number.

        If a metric was logged twice for its last step, the later value counts. Return an empty dict if the
        run does not exist.

        This method calls MLflow's REST API, as the package azureml-mlflow does. The package itself would wait
        for a person to sign in if the service's identity gets no token.
        """
        query = urlencode({"run_id": run})
        try:
            path, doing = f"api/2.0/mlflow/runs/get?{query}", f"read the metrics of run {run}"
            newest = self._data_plane.get("mlflow/v2.0", path, doing)["run"]["data"].get("metrics", [])
        except NotFoundError:
            return {}
        return {metric["key"]: finite(float(metric.get("value", 0))) for metric in newest}

    def attach(self, run: str, experiment: str, name: str, content: bytes) -> None:
        """Write a file to the artifacts of a run.

        This method makes the same HTTP calls as the package azureml-mlflow. The package itself cannot be
        used: it gets its token through MLflow's global tracking URI, but this process serves several
        workspaces in several threads.
        """
        path = f"experiments/{quote(experiment)}/runs/{run}/artifacts/batch/metadata"
        answer = self._data_plane.post("history/v1.0", path, {"paths": [{"path": name}]})
        self._data_plane.write(answer["artifactContentInformation"][name]["contentUri"], content)
