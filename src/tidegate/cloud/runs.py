"""What runs measured, and files beside what they logged. Knows nothing of jobs' ends."""

from typing import Any
from urllib.parse import quote

from tidegate.cloud.data_plane import DataPlane
from tidegate.errors import NotThereError

_MLFLOW = "mlflow/v1.0"


class Runs:
    def __init__(self, data_plane: DataPlane) -> None:
        self._data_plane = data_plane

    def metrics(self, run: str) -> dict[str, Any]:
        """The newest value of each metric, as MLflow gives it; none where there is no such run.

        JSON has no NaN and no infinity: MLflow writes them as strings.
        """
        path = f"api/2.0/mlflow/runs/get?run_id={quote(run, safe='')}"
        try:
            found = self._data_plane.get(_MLFLOW, path)
        except NotThereError:
            return {}
        metrics = found["run"].get("data", {}).get("metrics", [])
        return {metric["key"]: metric.get("value") for metric in metrics}

    def attach(self, run: str, experiment: str, name: str, content: bytes) -> None:
        """Write a file among the artifacts of a run, as the MLflow plugin does."""
        path = f"experiments/{quote(experiment)}/runs/{run}/artifacts/batch/metadata"
        answer = self._data_plane.post("history/v1.0", path, {"paths": [{"path": name}]})
        self._data_plane.write(answer["artifactContentInformation"][name]["contentUri"], content)
