"""The names of experiments and workspaces, and what MLflow knows them by. Pure."""

import uuid

DEFAULT = "Default"


def experiment_number(workspace_id: str, name: str) -> int:
    """MLflow's id of an experiment: the same before its server has ever run, and after."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{workspace_id.lower()}/mlflow/{name}").int >> 80


def mlflow_workspace(workspace_id: str) -> str:
    """MLflow's name of a workspace: it allows lower case letters, digits and hyphens."""
    return f"w{uuid.uuid5(uuid.NAMESPACE_URL, workspace_id.lower()).hex}"
