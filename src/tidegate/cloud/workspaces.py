"""The workspaces of the configuration, each with its clients. A client connects when it is first used."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.cloud.arm import ArmClient
from tidegate.cloud.assets import AssetClient
from tidegate.cloud.batch_endpoints import BatchEndpointClient
from tidegate.cloud.cluster_state import ClusterStateClient
from tidegate.cloud.computes import ComputeClient
from tidegate.cloud.data_plane import DataPlaneClient
from tidegate.cloud.datastores import DatastoreClient
from tidegate.cloud.endpoint_metrics import EndpointMetricsClient
from tidegate.cloud.endpoints import EndpointClient
from tidegate.cloud.jobs import JobClient
from tidegate.cloud.ml_client import LazyMLClient
from tidegate.cloud.models import ModelClient
from tidegate.cloud.registry_shares import RegistryShareClient
from tidegate.cloud.runs import RunClient
from tidegate.cloud.scoring_client import ScoringClient
from tidegate.config.model_policy import EndpointKind
from tidegate.config.schema import Config
from tidegate.config.workspaces import WorkspaceConfig
from tidegate.errors import NotFoundError
from tidegate.folders import FOLDERS

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

COMPUTE_FOLDER = FOLDERS.compute


class WorkspaceClients:
    """The clients of one workspace."""

    def __init__(self, config: WorkspaceConfig, credential: "TokenCredential", computes: Path) -> None:
        self.config = config
        self.client = LazyMLClient(config, credential)
        self.datastores = DatastoreClient(self.client)
        self.assets = AssetClient(self.client, self.datastores)
        self.computes = ComputeClient(self.client, computes)
        arm = ArmClient(credential)
        data_plane = DataPlaneClient(self.client, arm)
        self.cluster_state = ClusterStateClient(config, arm)
        self.jobs = JobClient(self.client, data_plane)
        self.runs = RunClient(data_plane)
        self.models = ModelClient(self.client, arm)
        self.shares = RegistryShareClient(config, credential, arm)
        self.endpoints = EndpointClient(config, arm)
        self.batch_endpoints = BatchEndpointClient(config, arm, data_plane)
        self.endpoint_metrics = EndpointMetricsClient(arm)
        self.scoring_client = ScoringClient(self.client)

    def endpoints_of(self, kind: EndpointKind) -> EndpointClient:
        """Return the client of online or of batch endpoints."""
        return self.batch_endpoints if kind == "batch" else self.endpoints


class ConfiguredWorkspaces:
    """The workspaces by their role in the configuration, such as `development` and `production`."""

    def __init__(
        self,
        *,
        config: Callable[[], Config],
        credential: "TokenCredential",
        computes: Path = COMPUTE_FOLDER,
    ) -> None:
        self._config = config
        self._open = cache(lambda workspace: WorkspaceClients(workspace, credential, computes))

    def __getitem__(self, role: str) -> WorkspaceClients:
        configured = self._config().workspaces.by_role()
        if role not in configured:
            raise NotFoundError(f"there is no workspace {role}; there are: {', '.join(configured)}")
        return self._open(configured[role])
