"""The workspaces of the configuration, each with its nouns. Connects to nothing until one is used."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.cloud.arm import Arm
from tidegate.cloud.assets import Assets
from tidegate.cloud.computes import Computes
from tidegate.cloud.data_plane import DataPlane
from tidegate.cloud.datastores import Datastores
from tidegate.cloud.endpoint_metrics import EndpointMetrics
from tidegate.cloud.endpoints import Endpoints
from tidegate.cloud.jobs import Jobs
from tidegate.cloud.ml_client import Client
from tidegate.cloud.models import Models
from tidegate.cloud.runs import Runs
from tidegate.cloud.scoring_client import Questions
from tidegate.config.schema import Config
from tidegate.config.schema import Workspace as Place
from tidegate.errors import NotFoundError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

COMPUTE_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "compute"


class Workspace:
    def __init__(self, place: Place, credential: "TokenCredential", computes: Path) -> None:
        self.place = place
        self.client = Client(place, credential)
        self.datastores = Datastores(self.client)
        self.assets = Assets(self.client, self.datastores)
        self.computes = Computes(self.client, computes)
        arm = Arm(credential)
        data_plane = DataPlane(self.client, arm)
        self.jobs = Jobs(self.client, data_plane)
        self.runs = Runs(data_plane)
        self.models = Models(self.client, arm)
        self.endpoints = Endpoints(place, arm)
        self.endpoint_metrics = EndpointMetrics(arm)
        self.questions = Questions(self.client)


class Workspaces:
    """By their role in the configuration: development, production."""

    def __init__(
        self,
        *,
        config: Callable[[], Config],
        credential: "TokenCredential",
        computes: Path = COMPUTE_FOLDER,
    ) -> None:
        self._config = config
        self._open = cache(lambda place: Workspace(place, credential, computes))

    def __getitem__(self, role: str) -> Workspace:
        places = self._config().workspaces
        match role:
            case "development":
                return self._open(places.development)
            case "production":
                return self._open(places.production)
        raise NotFoundError(f"there is no workspace {role}: development, production")
