"""Clusters of a workspace: made from their YAML where they are missing. Waits for none, changes none."""

from pathlib import Path
from typing import Any

from tidegate.cloud.ml_client import LazyMLClient, ml_errors
from tidegate.errors import NotFoundError, PermanentError


class ComputeClient:
    """`folder` holds one YAML a cluster, named as the cluster."""

    def __init__(self, client: LazyMLClient, folder: Path) -> None:
        self._client = client
        self._folder = folder

    def is_ready(self, name: str) -> bool:
        """Whether jobs can name the cluster now; one that is missing is begun. NotFoundError without YAML."""
        found = self._get(name)
        if found is None:
            self._begin(name)
            return False
        if found.provisioning_state == "Failed":
            raise PermanentError(f"compute {name} failed to provision: {_faults_of(found)}")
        return bool(found.provisioning_state == "Succeeded")

    def _get(self, name: str) -> Any:
        try:
            with ml_errors(f"find compute {name}"):
                return self._client.ml.compute.get(name)
        except NotFoundError:
            return None

    def _begin(self, name: str) -> None:
        file = self._folder / f"{name}.yml"
        if not file.is_file():
            raise NotFoundError(
                f"the workspace has no compute {name}, and there is no {file.name} to make one"
            )
        from azure.ai.ml import load_compute

        with ml_errors(f"create compute {name}"):
            self._client.ml.compute.begin_create_or_update(load_compute(file))


def _faults_of(compute: Any) -> str:
    return "; ".join(str(error) for error in compute.provisioning_errors or []) or "Azure says no more"
