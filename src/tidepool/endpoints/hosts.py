"""The scoring hosts of endpoints: reserved by name, and found by host."""

import hashlib
from collections.abc import Iterator

from tidepool.azureml.ml_errors import UserError
from tidepool.default_resources import LOCATION
from tidepool.store import Document, Store

SCORING_DOMAIN = f"{LOCATION}.inference.ml.azure.com"


_HOSTS = "/scoringHosts"
_KINDS = ("onlineEndpoints", "batchEndpoints")


class ScoringHosts:
    """The hosts of the endpoints of one `kind`. The store keeps the hosts of all kinds together."""

    def __init__(self, store: Store, kind: str) -> None:
        self._store = store
        self._kind = kind

    def reserve(self, endpoint_id: str) -> str:
        """Return the scoring host of an endpoint, and reserve this host name.

        If an endpoint of another workspace has the same name, the host gets a suffix. Raise UserError if an
        endpoint of the other kind in the same workspace has the name.
        """
        owner = endpoint_id.lower()
        workspace_id, _, name = owner.rsplit("/", 2)
        self._refuse_name_of_other_kind(workspace_id, name)
        plain = f"{name}.{SCORING_DOMAIN}"
        reservation = self._store.get(f"{_HOSTS}/{plain}")
        digest = hashlib.sha256(owner.encode()).hexdigest()[:6]
        free = reservation is None or reservation["endpoint"].lower() == owner
        host = plain if free else f"{name}-{digest}.{SCORING_DOMAIN}"
        self._store.put(f"{_HOSTS}/{host}", {"endpoint": endpoint_id})
        return host

    def endpoint_at(self, host: str) -> Document | None:
        """Return the endpoint of a scoring host, or None if there is none of this kind."""
        reservation = self._store.get(f"{_HOSTS}/{host}")
        return self._store.get(reservation["endpoint"]) if reservation and self._owns(reservation) else None

    def endpoints(self) -> Iterator[Document]:
        """Yield the endpoint of each reserved host that still exists."""
        for _, reservation in list(self._store.children(_HOSTS)):
            endpoint = self._store.get(reservation["endpoint"]) if self._owns(reservation) else None
            if endpoint is not None:
                yield endpoint

    def forget(self, endpoint: Document) -> None:
        """Delete an endpoint with all its deployments, and free its host."""
        host = endpoint["properties"]["scoringUri"].removeprefix("https://").partition("/")[0]
        for path, _ in list(self._store.below(endpoint["id"])):
            self._store.delete(path)
        self._store.delete(endpoint["id"])
        self._store.delete(f"{_HOSTS}/{host}")

    def _refuse_name_of_other_kind(self, workspace_id: str, name: str) -> None:
        for kind in _KINDS:
            if kind != self._kind and self._store.get(f"{workspace_id}/{kind}/{name}"):
                raise UserError(
                    400,
                    f"The specified endpoint name '{name}' is not available: the workspace has an endpoint "
                    f"of this name in its {kind}. Names must be unique in a region, for both kinds together.",
                    "BadArgument",
                )

    def _owns(self, reservation: Document) -> bool:
        return f"/{self._kind}/".lower() in reservation["endpoint"].lower()
