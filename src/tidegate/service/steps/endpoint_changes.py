"""Change an online endpoint by the action that a rollout decided on."""

from typing import TYPE_CHECKING

from tidegate.config.model_policy import AnyRollout
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.lifecycle.rollout_steps import (
    CreateDeployment,
    CreateEndpoint,
    DeleteDeployment,
    RolloutAction,
    RolloutTarget,
    SetTraffic,
)
from tidegate.errors import PermanentError
from tidegate.log import Log

if TYPE_CHECKING:
    from tidegate.cloud.endpoints import EndpointClient

log = Log(__name__)

_LOG_LINES = 20


def change_endpoint(
    endpoints: "EndpointClient",
    action: RolloutAction,
    target: RolloutTarget,
    rollout: AnyRollout,
    record: ModelVersion,
) -> str | None:
    """Begin a change of the endpoint. Return the reason if Azure refuses it permanently, or None."""
    tags = {"tidegate_model": record.model, "tidegate_version": record.version}
    try:
        match action:
            case CreateEndpoint():
                endpoints.create(target.endpoint, {"tidegate_model": record.model})
            case CreateDeployment():
                endpoints.deploy(target, rollout, tags)
            case SetTraffic():
                endpoints.set_traffic(target.endpoint, action)
            case DeleteDeployment(deployment):
                endpoints.delete_deployment(target.endpoint, deployment)
    except PermanentError as error:
        return str(error)
    return None


def delete_if_possible(endpoints: "EndpointClient", endpoint: str, deployment: str) -> None:
    """Begin to delete a deployment. If Azure refuses, the next rollout of the model deletes it."""
    try:
        endpoints.delete_deployment(endpoint, deployment)
    except PermanentError as error:
        log.warning("deployment_not_deleted", endpoint=endpoint, deployment=deployment, error=error)


def last_log_line(endpoints: "EndpointClient", endpoint: str, deployment: str) -> str:
    """Return the last line of a deployment's log, or an empty text if it has none."""
    tail = endpoints.log_tail(endpoint, deployment, _LOG_LINES)
    lines = [line for line in tail.splitlines() if line.strip()]
    return lines[-1][:500] if lines else ""
