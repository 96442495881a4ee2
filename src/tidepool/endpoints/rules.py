"""Azure's rules for online endpoints and deployments: names, traffic, mirrored traffic, sizes."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from tidepool.azureml.ml_errors import UserError
from tidepool.errors import AzureError
from tidepool.jobs.body_values import seconds
from tidepool.jobs.graph import GraphError
from tidepool.store import Document

MAX_DEPLOYMENTS = 20
MAX_MIRRORED = 50  # percent
AUTH_MODES = ("Key", "AMLToken", "AADToken")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]")
_VM_SIZE = re.compile(r"Standard_[A-Z]\w+", re.IGNORECASE)
# https://learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-managed-online#requestsettings
_TIMEOUT_S = 5.0
_CONCURRENT = 1  # concurrent requests for each instance


def refused(message: str, *inner: str) -> UserError:
    """Return the error for a request that Azure refuses. `inner` has its inner error codes."""
    return UserError(400, message, "BadArgument", *inner)


def check_name(name: str, kind: str) -> None:
    """Raise UserError unless Azure allows the name of an endpoint or a deployment (`kind`)."""
    if not _NAME.fullmatch(name):
        raise refused(
            f"The {kind} name '{name}' is not valid: use 3 to 32 letters, digits and '-', "
            "with a letter first and a letter or digit last."
        )


def traffic_of(properties: Mapping[str, Any], deployments: Mapping[str, Document]) -> dict[str, int]:
    """Return the live traffic that a body requests, in percent by the name of the deployment.

    Raise UserError unless it sums to 0 or 100 and goes to deployments that exist and are provisioned.
    """
    traffic = _percentages(properties, "traffic", deployments)
    if sum(traffic.values()) not in (0, 100):
        raise refused(
            f"The sum of the traffic values is {sum(traffic.values())}: it must be 0 or 100.", "TrafficSum"
        )
    return traffic


def mirror_of(
    properties: Mapping[str, Any], deployments: Mapping[str, Document], traffic: Mapping[str, int]
) -> dict[str, int]:
    """Return the mirrored traffic that a body requests, in percent by the name of the deployment.

    Raise UserError unless it is at most 50 percent, and goes to a single deployment without live traffic.
    """
    mirror = _percentages(properties, "mirrorTraffic", deployments)
    live = {name: share for name, share in mirror.items() if share}
    if len(live) > 1:
        raise refused("Traffic can be mirrored to one deployment only.", "MirrorTraffic")
    for name, share in live.items():
        if share > MAX_MIRRORED:
            raise refused(
                f"The mirror traffic of '{name}' is {share}: it must be from 0 to {MAX_MIRRORED}.",
                "MirrorTraffic",
            )
        if traffic.get(name):
            raise refused(
                f"Deployment '{name}' takes live traffic. "
                "Mirror traffic to a deployment without live traffic.",
                "MirrorTraffic",
            )
    return mirror


def check_deployment(properties: Mapping[str, Any], sku: Mapping[str, Any]) -> None:
    """Raise UserError if a property of a deployment breaks a rule that does not depend on other resources."""
    if properties.get("endpointComputeType", "Managed") != "Managed":
        raise AzureError(501, "NotEmulated", "Tidepool emulates managed online deployments only.")
    for name in ("model", "environmentId", "instanceType"):
        if not isinstance(properties.get(name) or "", str):
            raise refused(f"'{name}' must be a string.")
    size = properties.get("instanceType") or ""
    if not _VM_SIZE.fullmatch(size):
        raise refused(f"The instance type '{size}' is not a VM size such as Standard_DS3_v2.", "VmSize")
    count = sku.get("capacity", 1)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise refused(f"sku.capacity is {count!r}: an online deployment has at least one instance.")
    variables = properties.get("environmentVariables") or {}
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise refused("'environmentVariables' must be an object of strings.")
    timeout_s(properties)
    max_requests(properties, count)


def entry_script(properties: Mapping[str, Any], model: Document | None) -> str | None:
    """Return the scoring script of a deployment, or None for an MLflow model, which needs none."""
    code = properties.get("codeConfiguration")
    if code is None:
        if model is None or model["properties"]["modelType"] != "mlflow_model":
            raise refused("A deployment without codeConfiguration needs a model of type mlflow_model.")
        return None
    if not isinstance(code, dict) or not code.get("codeId") or not code.get("scoringScript"):
        raise refused("codeConfiguration needs values for 'codeId' and 'scoringScript'.")
    if not properties.get("environmentId"):
        raise refused("A deployment with codeConfiguration needs an environment.")
    return str(code["scoringScript"])


def timeout_s(properties: Mapping[str, Any]) -> float:
    """Return the time in seconds that the model may take for a request."""
    try:
        return seconds(_request_settings(properties).get("requestTimeout")) or _TIMEOUT_S
    except (GraphError, TypeError) as error:
        raise refused(f"requestSettings.requestTimeout: {error}") from error


def max_requests(properties: Mapping[str, Any], instances: int) -> int:
    """Return how many requests may be in progress at once. Further requests get status 429."""
    each = _request_settings(properties).get("maxConcurrentRequestsPerInstance") or _CONCURRENT
    if not isinstance(each, int) or each < 1:
        raise refused(
            "requestSettings.maxConcurrentRequestsPerInstance must be a whole number of at least 1."
        )
    return 2 * each * instances


def _request_settings(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    settings = properties.get("requestSettings") or {}
    if not isinstance(settings, dict):
        raise refused("'requestSettings' must be an object.")
    return settings


def _percentages(
    properties: Mapping[str, Any], key: str, deployments: Mapping[str, Document]
) -> dict[str, int]:
    shares = properties.get(key) or {}
    if not isinstance(shares, dict):
        raise refused(f"'{key}' must be an object of numbers.")
    for name, share in shares.items():
        if not isinstance(share, int) or isinstance(share, bool) or not 0 <= share <= 100:
            raise refused(f"{key} of '{name}' is {share!r}: it must be a whole number from 0 to 100.")
        _check_target(key, name, share, deployments)
    return dict(shares)


def _check_target(key: str, name: str, share: int, deployments: Mapping[str, Document]) -> None:
    if name not in deployments:
        names: Collection[str] = deployments or ("none",)
        raise refused(
            f"{key} names the deployment '{name}', which does not exist. "
            f"Existing deployments: {', '.join(names)}.",
            "DeploymentNotFound",
        )
    state = deployments[name]["properties"]["provisioningState"]
    if share and state != "Succeeded":
        raise refused(
            f"{key} goes to the deployment '{name}', whose provisioning state is {state}, not Succeeded."
        )
