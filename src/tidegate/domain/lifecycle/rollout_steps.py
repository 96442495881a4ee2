"""What a rollout sees of an endpoint, and the one step that it takes next: values only. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tidegate.domain.lifecycle.records import RolloutRecord

_BUSY = frozenset({"Creating", "Updating", "Deleting", "Scaling"})


@dataclass(frozen=True)
class DeploymentSnapshot:
    state: str
    model: str


@dataclass(frozen=True)
class EndpointSnapshot:
    """An endpoint as Azure shows it: shares in percent, those of nothing left out."""

    state: str
    traffic: Mapping[str, int]
    mirror: Mapping[str, int]
    deployments: Mapping[str, DeploymentSnapshot]

    @property
    def busy(self) -> str | None:
        """What an operation is going on with; Azure answers 409 to any other meanwhile."""
        states = {"the endpoint": self.state} | {name: one.state for name, one in self.deployments.items()}
        return next((f"{name} is {state}" for name, state in states.items() if state in _BUSY), None)


@dataclass(frozen=True)
class RolloutSettled:
    """It has ended."""


@dataclass(frozen=True)
class WaitForEndpoint:
    why: str


@dataclass(frozen=True)
class UpdateRecord:
    """The record moves on; nothing is to be done to the endpoint."""

    record: RolloutRecord


@dataclass(frozen=True)
class CreateEndpoint:
    pass


@dataclass(frozen=True)
class CreateDeployment:
    pass


@dataclass(frozen=True)
class SetTraffic:
    """Give the endpoint these shares."""

    traffic: Mapping[str, int]
    mirror: Mapping[str, int]


@dataclass(frozen=True)
class DeleteDeployment:
    deployment: str


@dataclass(frozen=True)
class RunSmokeTest:
    """Ask the deployment the question of the smoke test: `after_smoke` takes the answer."""


@dataclass(frozen=True)
class MeasureHealth:
    """See how the deployment does, for `after_health`. `last`: the bake is over, now it has to be known."""

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


@dataclass(frozen=True)
class RolloutTarget:
    """Where a version goes: its deployment's name, and the model that this is to serve."""

    endpoint: str
    deployment: str
    model: str
