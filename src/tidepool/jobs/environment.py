"""The environment variables that Azure ML gives to the processes of a job. Pure."""

from collections.abc import Mapping
from typing import Any

from tidepool.access.principals import Principal
from tidepool.arm.requests import name_in
from tidepool.azureml.run_history import experiment_number
from tidepool.azureml.workspaces import DATA_PLANE

_HOST = f"https://{DATA_PLANE}"


def variables(workspace_id: str, run: Mapping[str, Any], actor: Principal | None) -> dict[str, str]:
    """For a run of run history, whose processes act as that identity."""
    experiment = run["experimentName"]
    return {
        "AZUREML_RUN_ID": run["runId"],
        "AZUREML_ROOT_RUN_ID": run["rootRunId"],
        "AZUREML_ARM_SUBSCRIPTION": name_in(workspace_id, "subscriptions"),
        "AZUREML_ARM_RESOURCEGROUP": name_in(workspace_id, "resourceGroups"),
        "AZUREML_ARM_WORKSPACE_NAME": name_in(workspace_id, "workspaces"),
        "AZUREML_ARM_PROJECT_NAME": experiment,
        "AZUREML_WORKSPACE_SCOPE": workspace_id,
        "AZUREML_EXPERIMENT_SCOPE": f"{workspace_id}/experiments/{experiment}",
        "AZUREML_EXPERIMENT_ID": run["experimentId"],
        "AZUREML_SERVICE_ENDPOINT": _HOST,
        "AZUREML_RUN_HISTORY_SERVICE_ENDPOINT": _HOST,
        "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{_HOST}/discovery",
        "MLFLOW_TRACKING_URI": f"azureml://{DATA_PLANE}/mlflow/v2.0{workspace_id}",
        "MLFLOW_RUN_ID": run["runId"],
        "MLFLOW_EXPERIMENT_NAME": experiment,
        "MLFLOW_EXPERIMENT_ID": str(experiment_number(workspace_id, experiment)),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **({"DEFAULT_IDENTITY_CLIENT_ID": actor.client_id} if actor else {}),
    }
