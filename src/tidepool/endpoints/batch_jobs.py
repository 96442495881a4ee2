"""The jobs of batch endpoints: an invocation becomes the body of a pipeline job."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidepool.azureml.ml_errors import UserError
from tidepool.jobs import batch_driver
from tidepool.jobs.step_commands import OF_MODEL
from tidepool.store import Document

_STEP = "batchscoring"
_FILE_NAME = "predictions.csv"
_INPUT, _OUTPUT = "input_data", "score"
# The modes that azure-ai-ml writes as its own words in an invocation, and reads from a job in Azure's.
_MODES = {
    "upload": "Upload",
    "download": "Download",
    "direct": "Direct",
    "rw_mount": "ReadWriteMount",
    "ro_mount": "ReadOnlyMount",
    "mount": "ReadWriteMount",
    "eval_mount": "EvalMount",
    "eval_download": "EvalDownload",
}
_ONE_INPUT = "A model deployment has one input, a file, a folder or a data asset"
# What an invocation may change, with the keys of the deployment that it replaces.
_OVERRIDES = ("errorThreshold", "miniBatchSize", "outputFileName", "retrySettings")


@dataclass(frozen=True)
class Invocation:
    """A request to run a deployment: `properties` of the body, and the model of the deployment, if any."""

    deployment: Document
    properties: Mapping[str, Any]
    model: Document | None = None

    @property
    def label(self) -> str:
        return str(self.deployment["name"])


def scoring_component(invocation: Invocation) -> Document:
    """Return the specification of the parallel component that runs a model deployment."""
    deployment = {**invocation.deployment["properties"], **_overridden(invocation.properties)}
    code = deployment.get("codeConfiguration") or {}
    retry = deployment.get("retrySettings") or {}
    arguments = ["--output", "${{outputs.score}}"]
    inputs: Document = {_INPUT: {"type": _input(invocation)["jobInputType"]}}
    if invocation.model is not None:
        uri = str(invocation.model["properties"]["modelUri"]).rstrip("/")
        inputs["model"] = {"type": "custom_model"}
        arguments += ["--model", "${{inputs.model}}", "--model-name", shlex.quote(uri.rpartition("/")[2])]
    if code:
        arguments += ["--script", shlex.quote(str(code["scoringScript"]))]
    file = str(deployment.get("outputFileName") or _FILE_NAME)
    output_type = _output(invocation)["jobOutputType"]
    appends = deployment.get("outputAction", "AppendRow") != "SummaryOnly"
    target = f"${{{{outputs.{_OUTPUT}}}}}" + ("" if output_type == "uri_file" else f"/{file}")
    return {
        "type": "parallel",
        "is_deterministic": False,
        "inputs": inputs,
        "outputs": {_OUTPUT: {"type": output_type}},
        "input_data": f"${{{{inputs.{_INPUT}}}}}",
        "task": {
            "type": "run_function",
            "code": code.get("codeId"),
            "entry_script": str(Path(batch_driver.__file__).absolute()),
            "program_arguments": " ".join(arguments),
            "environment": deployment.get("environmentId"),
            # Azure ML makes the environment of an MLflow model from the model's own conda file.
            **({OF_MODEL: "model"} if invocation.model is not None and not code else {}),
            **({"append_row_to": target} if appends else {}),
        },
        "mini_batch_size": str(deployment.get("miniBatchSize") or 10),
        "error_threshold": _number(deployment, "errorThreshold", -1),
        "mini_batch_error_threshold": -1,
        "max_concurrency_per_instance": _number(deployment, "maxConcurrencyPerInstance", 1),
        "logging_level": str(deployment.get("loggingLevel") or "INFO").upper(),
        "retry_settings": {
            "max_retries": _number(retry, "maxRetries", 3),
            "timeout": retry.get("timeout") or "PT30S",
        },
        "resources": {"instance_count": _number(deployment.get("resources") or {}, "instanceCount", 1)},
        "environment_variables": deployment.get("environmentVariables") or {},
    }


def scoring_job(invocation: Invocation, component_id: str) -> Document:
    """Return the properties of the job of a model deployment. `component_id` names its component."""
    inputs: Document = {_INPUT: _input(invocation)}
    if invocation.model is not None:
        inputs["model"] = {"jobInputType": "custom_model", "uri": invocation.model["id"]}
    return {
        **_described(invocation),
        "computeId": invocation.deployment["properties"].get("compute"),
        "inputs": inputs,
        "outputs": {_OUTPUT: _output(invocation)},
        "jobs": {
            _STEP: {
                "type": "parallel",
                "componentId": component_id,
                "computeId": invocation.deployment["properties"].get("compute"),
                "inputs": {
                    name: {"job_input_type": "literal", "value": f"${{{{parent.inputs.{name}}}}}"}
                    for name in inputs
                },
                "outputs": {_OUTPUT: {"type": "literal", "value": f"${{{{parent.outputs.{_OUTPUT}}}}}"}},
            }
        },
    }


def pipeline_job(invocation: Invocation) -> Document:
    """Return the properties of the job of a pipeline component deployment."""
    configuration = invocation.deployment["properties"]["deploymentConfiguration"]
    settings = {
        re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(): _flag(value)
        for name, value in (configuration.get("settings") or {}).items()
    }
    inputs = invocation.properties.get("inputData") or {}
    outputs = invocation.properties.get("outputData") or {}
    return {
        **_described(invocation),
        "componentId": (configuration.get("componentId") or {}).get("assetId"),
        "settings": settings,
        "inputs": {name: _typed(value, "jobInputType") for name, value in inputs.items()},
        "outputs": {name: _typed(value, "jobOutputType") for name, value in outputs.items()},
    }


def _described(invocation: Invocation) -> Document:
    properties = invocation.properties.get("properties") or {}
    endpoint = invocation.deployment["id"].split("/")[-3]
    return {
        "jobType": "Pipeline",
        "displayName": f"{endpoint}-{invocation.label}",
        "experimentName": properties.get("experimentName") or endpoint,
        "properties": {"azureml.batchendpoint": endpoint, "azureml.batchdeployment": invocation.label},
    }


def _input(invocation: Invocation) -> Document:
    inputs = list((invocation.properties.get("inputData") or {}).values())
    if len(inputs) != 1 or inputs[0].get("jobInputType") == "Literal":
        raise UserError(400, f"{_ONE_INPUT}; the request has {len(inputs)} inputs.", "BadArgument")
    return _typed(inputs[0], "jobInputType")


def _output(invocation: Invocation) -> Document:
    outputs = invocation.properties.get("outputData") or {}
    if unknown := sorted(set(outputs) - {_OUTPUT}):
        raise UserError(
            400, f"The output of a model deployment is '{_OUTPUT}', not {unknown[0]}.", "BadArgument"
        )
    return _typed(outputs.get(_OUTPUT) or {"jobOutputType": "UriFolder"}, "jobOutputType")


def _typed(value: Mapping[str, Any], key: str) -> Document:
    """Return an input or output with its type in the words of jobs: `UriFolder` is `uri_folder` there."""
    written = str(value.get(key) or "UriFolder")
    names = {"MLFlowModel": "mlflow_model", "MLTable": "mltable"}
    typed = names.get(written) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", written).lower()
    mode = {"mode": _MODES.get(str(value["mode"]), value["mode"])} if value.get("mode") else {}
    return {**value, key: typed, **mode}


def _overridden(properties: Mapping[str, Any]) -> Document:
    return {name: properties[name] for name in _OVERRIDES if properties.get(name) is not None}


def _number(values: Mapping[str, Any], name: str, default: int) -> int:
    value = values.get(name)
    return default if value is None else int(value)


def _flag(value: Any) -> Any:
    return {"true": True, "false": False}.get(str(value).lower(), value)
