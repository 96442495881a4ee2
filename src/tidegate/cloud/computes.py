"""The compute clusters of a workspace. A missing cluster is created from its YAML file."""

from pathlib import Path
from typing import Any

from tidegate.cloud.ml_client import LazyMLClient, ml_errors
from tidegate.errors import NotFoundError, PermanentError


class ComputeClient:
    """A client for compute clusters. `folder` has one YAML file for each cluster, with the cluster's name."""

    def __init__(self, client: LazyMLClient, folder: Path) -> None:
        self._client = client
        self._folder = folder

    def is_ready(self, name: str) -> bool:
        """Return whether jobs can use the cluster now, and start to create it if it does not exist.

        Raise NotFoundError if there is neither the cluster nor its YAML file, and PermanentError if Azure
        could not provision the cluster.
        """
        compute = self._get(name)
        if compute is None:
            self._start_creation(name)
            return False
        if compute.provisioning_state == "Failed":
            raise PermanentError(
                f"Azure could not provision compute {name}: {_provisioning_errors(compute)}. "
                "Delete it in the workspace, correct its YAML file and try again"
            )
        return bool(compute.provisioning_state == "Succeeded")

    def _get(self, name: str) -> Any:
        try:
            with ml_errors(f"find compute {name}"):
                return self._client.ml.compute.get(name)
        except NotFoundError:
            return None

    def _start_creation(self, name: str) -> None:
        file = self._folder / f"{name}.yml"
        if not file.is_file():
            raise NotFoundError(
                f"the workspace has no compute {name}, and there is no {file.name} to create it from"
            )
        from azure.ai.ml import load_compute

        with ml_errors(f"create compute {name}"):
            self._client.ml.compute.begin_create_or_update(load_compute(file))


def _provisioning_errors(compute: Any) -> str:
    return "; ".join(str(error) for error in compute.provisioning_errors or []) or "Azure gives no reason"
