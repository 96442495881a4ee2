"""The stored documents of batch endpoints, their deployments and hosts, and the jobs that they started."""

from tidepool.azureml.ml_errors import missing
from tidepool.azureml.references import References
from tidepool.endpoints.hosts import ScoringHosts
from tidepool.endpoints.records import workspace_of
from tidepool.store import Document, Store

_JOBS = "/batchJobs"


class BatchRecords:
    """The documents of batch endpoints. The store keeps them by ARM id, and hosts by their names."""

    def __init__(self, *, store: Store, references: References) -> None:
        self.store = store
        self.hosts = ScoringHosts(store, "batchEndpoints")
        self._references = references

    def endpoint(self, endpoint_id: str) -> Document:
        """Return an endpoint. Raise UserError 404 if it does not exist."""
        return self._existing(endpoint_id, "batch endpoint")

    def deployment(self, deployment_id: str) -> Document:
        """Return a deployment. Raise UserError 404 if the deployment or its endpoint does not exist."""
        self.endpoint(deployment_id.rpartition("/deployments/")[0])
        return self._existing(deployment_id, "batch deployment")

    def deployments(self, endpoint_id: str) -> dict[str, Document]:
        """Return the deployments of an endpoint by name, oldest first."""
        children = self.store.children(f"{endpoint_id}/deployments")
        return {deployment["name"]: deployment for _, deployment in children}

    def model(self, properties: Document, root: str) -> Document | None:
        """Return the model version that a deployment names, or None if it names none."""
        text = (properties.get("model") or {}).get("assetId")
        reference = self._references.read(root, text) if text else None
        return self._references.resolve(reference) if reference else None

    def add_job(self, deployment_id: str, name: str) -> None:
        self.store.put(f"{_JOBS}{deployment_id}/jobs/{name}", {"name": name})

    def jobs(self, resource_id: str) -> list[str]:
        """Return the names of the jobs of an endpoint or of a deployment, newest first."""
        return [document["name"] for _, document in self.store.below(f"{_JOBS}{resource_id}")][::-1]

    def _existing(self, resource_id: str, noun: str) -> Document:
        document = self.store.get(resource_id)
        if document is None:
            name = resource_id.rpartition("/")[2]
            raise missing(noun, name, root=workspace_of(resource_id), status=404)
        return document
