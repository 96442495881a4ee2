"""Managed online endpoints: their resources, processes, scoring hosts and metrics."""

from collections.abc import Callable
from pathlib import Path

from tidepool.access.identity import Identity
from tidepool.arm.operations import Operations
from tidepool.arm.requests import Routes
from tidepool.azureml.default_roles import DefaultRoles
from tidepool.azureml.model_events import ModelEvents
from tidepool.azureml.references import References
from tidepool.endpoints.deployments import Deployments
from tidepool.endpoints.endpoints import Endpoints
from tidepool.endpoints.keys import EndpointKeys
from tidepool.endpoints.metrics import Metrics
from tidepool.endpoints.records import EndpointRecords
from tidepool.endpoints.request_metrics import RequestMetrics
from tidepool.endpoints.scoring import Scoring
from tidepool.endpoints.serving import Serving
from tidepool.faults import Faults
from tidepool.forking.processes import ForkedProcesses
from tidepool.jobs.python_environments import PythonEnvironments
from tidepool.jobs.staging import Staging
from tidepool.scheduler import Scheduler
from tidepool.storage.blobs import Blobs
from tidepool.store import Store


class OnlineEndpoints:
    """The online endpoints of one Tidepool.

    `scoring.app` handles requests to the scoring hosts, and `routes` handles requests to ARM. `serving` runs
    the processes of deployments.
    """

    def __init__(  # noqa: PLR0913  # its dependencies, by keyword
        self,
        *,
        records: EndpointRecords,
        store: Store,
        scheduler: Scheduler,
        identity: Identity,
        blobs: Blobs,
        faults: Faults,
        data_dir: Path,
        seed: int,
        environments: PythonEnvironments,
        forks: ForkedProcesses,
        environment: Callable[[str], dict[str, str]],
    ) -> None:
        self.records = records
        self._scheduler = scheduler
        self._faults = faults
        self._keys = EndpointKeys(store=store, identity=identity)
        self._requests = RequestMetrics(store)
        self.serving = Serving(
            records=self.records,
            scheduler=scheduler,
            staging=Staging(
                blobs=blobs, applications=identity.applications, cache=data_dir / "jobs" / "cache"
            ),
            folder=data_dir / "endpoints",
            environments=environments,
            forks=forks,
            environment=environment,
        )
        self.scoring = Scoring(
            records=self.records,
            keys=self._keys,
            serving=self.serving,
            metrics=self._requests,
            faults=faults,
            seed=seed,
        )

    def routes(
        self,
        *,
        operations: Operations,
        references: References,
        events: ModelEvents,
        default_roles: DefaultRoles,
    ) -> Routes:
        endpoints = Endpoints(
            records=self.records,
            scheduler=self._scheduler,
            operations=operations,
            keys=self._keys,
            retire=self.serving.retire,
            forget=self._requests.forget,
            default_roles=default_roles,
        )
        deployments = Deployments(
            records=self.records,
            scheduler=self._scheduler,
            operations=operations,
            references=references,
            serving=self.serving,
            faults=self._faults,
            events=events,
        )
        metrics = Metrics(records=self.records, requests=self._requests)
        return {**endpoints.routes(), **deployments.routes(), **metrics.routes()}
