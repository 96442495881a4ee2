"""The environment variables of a job's process. They come from Azure ML, from Tidepool and from the job."""

import os
from collections.abc import Mapping
from typing import Any

from tidepool.access.principals import Principal, identity_of
from tidepool.arm.requests import name_in
from tidepool.azureml.run_history import experiment_number
from tidepool.azureml.workspaces import DATA_PLANE
from tidepool.jobs.step_folder import StepFolder
from tidepool.store import Document

_HOST = f"https://{DATA_PLANE}"


def process_environment(folder: StepFolder, record: Document, actor: Document) -> dict[str, str]:
    """Return all environment variables of the process of a step.

    They are the variables of the current process, of Tidepool and of Azure ML, the inputs and outputs, and
    the variables of the job. If a name occurs twice, the last value is used. `record` is the run in run
    history. The process has the identity of the resource `actor`.
    """
    machine, step = folder.machine, folder.run.step
    inputs = {f"AZURE_ML_INPUT_{name}": folder.texts[f"inputs.{name}"] for name in folder.run.inputs}
    outputs = {f"AZURE_ML_OUTPUT_{name}": folder.texts[f"outputs.{name}"] for name in step.outputs}
    tidepool = machine.environment(actor["id"])
    return {
        **os.environ,
        **tidepool,
        # The tokens of this process name its run, as the tokens of runs on Azure ML do.
        "IDENTITY_HEADER": f"{tidepool['IDENTITY_HEADER']}.{record['runId']}",
        "PATH": f"{machine.python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        **_azureml_variables(folder.run.workspace_id, record, identity_of(actor)),
        **inputs,
        **outputs,
        **step.environment_variables,
    }


def _azureml_variables(
    workspace_id: str, run: Mapping[str, Any], principal: Principal | None
) -> dict[str, str]:
    """Return the variables that Azure ML sets for a run of run history."""
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
        **({"DEFAULT_IDENTITY_CLIENT_ID": principal.client_id} if principal else {}),
    }
