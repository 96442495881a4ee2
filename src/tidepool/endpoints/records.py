"""The stored documents of online endpoints and their deployments, and their scoring hosts."""

from collections.abc import Iterator

from tidepool.azureml.ids import read_reference
from tidepool.azureml.ml_errors import missing
from tidepool.endpoints.hosts import ScoringHosts
from tidepool.errors import AzureError
from tidepool.store import Document, Store

_BUSY = frozenset({"Creating", "Updating", "Deleting"})


class EndpointRecords:
    """The documents of endpoints, deployments and hosts. The store keeps them by ARM id or by host name."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.hosts = ScoringHosts(store, "onlineEndpoints")

    def endpoint(self, endpoint_id: str) -> Document:
        """Return an endpoint. Raise UserError 404 if it does not exist."""
        endpoint = self.store.get(endpoint_id)
        if endpoint is None:
            raise missing("online endpoint", _name(endpoint_id), root=workspace_of(endpoint_id), status=404)
        return endpoint

    def deployment(self, deployment_id: str) -> Document:
        """Return a deployment. Raise UserError 404 if the deployment or its endpoint does not exist."""
        self.endpoint(endpoint_of(deployment_id))
        deployment = self.store.get(deployment_id)
        if deployment is None:
            root = workspace_of(deployment_id)
            raise missing("online deployment", _name(deployment_id), root=root, status=404)
        return deployment

    def deployments(self, endpoint_id: str) -> dict[str, Document]:
        """Return the deployments of an endpoint by name, oldest first."""
        children = self.store.children(f"{endpoint_id}/deployments")
        return {deployment["name"]: deployment for _, deployment in children}

    def all(self) -> Iterator[tuple[Document, dict[str, Document]]]:
        """Yield each endpoint of all workspaces with its deployments."""
        for endpoint in self.hosts.endpoints():
            yield endpoint, self.deployments(endpoint["id"])

    def refuse_while_busy(self, endpoint_id: str) -> None:
        """Raise AzureError 409 while an operation on the endpoint or one of its deployments is running."""
        endpoint = self.endpoint(endpoint_id)
        for document in (endpoint, *self.deployments(endpoint_id).values()):
            state = document["properties"]["provisioningState"]
            if state in _BUSY:
                raise AzureError(
                    409,
                    "Conflict",
                    f"There is already an operation in progress: '{document['name']}' of online endpoint "
                    f"'{endpoint['name']}' is {state}. Wait until it has ended.",
                )

    def set_state(self, resource_id: str, state: str, **changes: object) -> Document | None:
        """Set the provisioning state and other properties of a resource. Return None if it does not exist."""
        document = self.store.get(resource_id)
        if document is not None:
            document["properties"] |= {"provisioningState": state, **changes}
            self.store.put(resource_id, document)
        return document

    def fail_interrupted(self) -> None:
        """Mark resources as Failed if a restart interrupted their operation."""
        for endpoint, deployments in self.all():
            for document in (endpoint, *deployments.values()):
                if document["properties"]["provisioningState"] in _BUSY:
                    self.set_state(document["id"], "Failed")

    def user_of_model(self, model_id: str) -> str | None:
        """Return the deployment that uses a model version, as `endpoint/deployment`, or None."""
        for endpoint, deployments in self.all():
            for name, deployment in deployments.items():
                if self._model_path(deployment) == model_id.lower():
                    return f"{endpoint['name']}/{name}"
        return None

    def model(self, deployment: Document) -> Document | None:
        """Return the model version of a deployment, or None if it has none."""
        path = self._model_path(deployment)
        return self.store.get(path) if path else None

    def _model_path(self, deployment: Document) -> str:
        text = deployment["properties"].get("model") or ""
        reference = read_reference(self.store, workspace_of(deployment["id"]), text)
        if reference is None:
            return ""
        return f"{reference.root}/models/{reference.name}/versions/{reference.version}".lower()


def workspace_of(resource_id: str) -> str:
    """Return the id of the workspace of an endpoint or a deployment."""
    return "/".join(resource_id.split("/")[:9])


def endpoint_of(deployment_id: str) -> str:
    return "/".join(deployment_id.split("/")[:11])


def _name(resource_id: str) -> str:
    return resource_id.rpartition("/")[2]
