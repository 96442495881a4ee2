"""The ids and names that MLflow has for experiments and workspaces."""

import uuid

DEFAULT = "Default"


def experiment_number(workspace_id: str, name: str) -> int:
    """Return MLflow's id of an experiment. It is derived, so it is known before the server runs."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{workspace_id.lower()}/mlflow/{name}").int >> 80


def mlflow_workspace(workspace_id: str) -> str:
    """Return MLflow's name of a workspace. It has only lower case letters, digits and hyphens."""
    return f"w{uuid.uuid5(uuid.NAMESPACE_URL, workspace_id.lower()).hex}"
