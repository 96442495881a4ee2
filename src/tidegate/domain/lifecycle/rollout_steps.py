"""The actions that a rollout can take next, and the endpoint as Azure shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tidegate.config.model_policy import EndpointKind
from tidegate.domain.lifecycle.rollout_records import RolloutRecord

_BUSY = frozenset({"Creating", "Updating", "Deleting", "Scaling"})


@dataclass(frozen=True)
class RolloutTarget:
    """The endpoint and the deployment of a version, and the id of the model that the deployment serves."""

    endpoint: str
    deployment: str
    model: str
    kind: EndpointKind = "online"


@dataclass(frozen=True)
class DeploymentSnapshot:
    """A deployment as Azure shows it."""

    state: str
    model: str


@dataclass(frozen=True)
class EndpointSnapshot:
    """An endpoint as Azure shows it. Shares are in percent. Deployments without a share are left out.

    The default deployment of a batch endpoint has all of its traffic.
    """

    state: str
    traffic: Mapping[str, int]
    mirror: Mapping[str, int]
    deployments: Mapping[str, DeploymentSnapshot]

    @property
    def busy(self) -> str | None:
        """Return which operation is under way, or None. Until it ends, Azure answers 409 to others."""
        states = {"the endpoint": self.state}
        states |= {name: deployment.state for name, deployment in self.deployments.items()}
        return next((f"{name} is {state}" for name, state in states.items() if state in _BUSY), None)


@dataclass(frozen=True)
class RolloutSettled:
    """The rollout has ended."""


@dataclass(frozen=True)
class WaitForEndpoint:
    """Nothing can be done now, for this reason."""

    why: str


@dataclass(frozen=True)
class UpdateRecord:
    """Store this record. The endpoint stays as it is."""

    record: RolloutRecord


@dataclass(frozen=True)
class CreateEndpoint:
    """Create the endpoint, which does not exist yet."""


@dataclass(frozen=True)
class CreateDeployment:
    """Create the version's deployment at the endpoint."""


@dataclass(frozen=True)
class SetTraffic:
    """Set the shares of live and mirrored traffic of each deployment."""

    traffic: Mapping[str, int]
    mirror: Mapping[str, int]


@dataclass(frozen=True)
class DeleteDeployment:
    """Delete a deployment that receives no traffic."""

    deployment: str


@dataclass(frozen=True)
class RunSmokeTest:
    """Send the request of the smoke test to the deployment. `after_smoke` handles the response."""


@dataclass(frozen=True)
class MeasureHealth:
    """Measure the deployment's health, for `after_health`.

    `last` means that the bake time is over, so that the health must be known now.
    """

    since: datetime
    last: bool


RolloutAction = (
    RolloutSettled
    | WaitForEndpoint
    | UpdateRecord
    | CreateEndpoint
    | CreateDeployment
    | SetTraffic
    | DeleteDeployment
    | RunSmokeTest
    | MeasureHealth
)
