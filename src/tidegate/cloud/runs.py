"""The metrics of MLflow runs, and the files among their artifacts."""

from urllib.parse import quote, urlencode

from tidegate.cloud.data_plane import DataPlaneClient
from tidegate.domain.lifecycle.metric_values import finite
from tidegate.errors import NotFoundError

_MOST_PAGES = 5


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
        path = f"{_artifacts(run, experiment)}/batch/metadata"
        answer = self._data_plane.post("history/v1.0", path, {"paths": [{"path": name}]})
        self._data_plane.write(answer["artifactContentInformation"][name]["contentUri"], content)

    def files(self, run: str, experiment: str) -> list[str]:
        """Return the paths of a run's artifacts, at most those of the first pages of Azure's list.

        Return an empty list if the run does not exist.
        """
        path, token, names = _artifacts(run, experiment), "", list[str]()
        for _ in range(_MOST_PAGES):
            query = f"?{urlencode({'continuationToken': token})}" if token else ""
            try:
                page = self._data_plane.get("history/v1.0", path + query, f"list the artifacts of run {run}")
            except NotFoundError:
                break
            names += [str(artifact["path"]) for artifact in page.get("value") or []]
            token = page.get("continuationToken") or ""
            if not token:
                break
        return names

    def read(self, run: str, experiment: str, name: str, max_bytes: int) -> bytes:
        """Return a file of the artifacts of a run.

        Raise NotFoundError if it does not exist, and PermanentError if it is longer than `max_bytes`.
        """
        path = f"{_artifacts(run, experiment)}/contentinfo?{urlencode({'path': name})}"
        answer = self._data_plane.get("history/v1.0", path, f"locate {name} of run {run}")
        return self._data_plane.read(answer["contentUri"], max_bytes)


def _artifacts(run: str, experiment: str) -> str:
    """Return the path of a run's artifacts, in the run history of the workspace."""
    return f"experiments/{quote(experiment, safe='')}/runs/{quote(run, safe='')}/artifacts"
