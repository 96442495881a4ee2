"""The scoring hosts of endpoints: reserved by name, and found by host."""

import hashlib
from collections.abc import Iterator

from tidepool.default_resources import LOCATION
from tidepool.store import Document, Store

SCORING_DOMAIN = f"{LOCATION}.inference.ml.azure.com"


class ScoringHosts:
    """The hosts of one kind of endpoint. The store keeps them below `folder`, by the name of the host."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self._folder = folder

    def reserve(self, endpoint_id: str) -> str:
        """Return the scoring host of an endpoint, and reserve this host name.

        If an endpoint of another workspace has the same name, the host gets a suffix.
        """
        owner = endpoint_id.lower()
        name = owner.rpartition("/")[2]
        plain = f"{name}.{SCORING_DOMAIN}"
        reservation = self._store.get(f"{self._folder}/{plain}")
        digest = hashlib.sha256(owner.encode()).hexdigest()[:6]
        free = reservation is None or reservation["endpoint"].lower() == owner
        host = plain if free else f"{name}-{digest}.{SCORING_DOMAIN}"
        self._store.put(f"{self._folder}/{host}", {"endpoint": endpoint_id})
        return host

    def endpoint_at(self, host: str) -> Document | None:
        """Return the endpoint of a scoring host, or None if there is none."""
        reservation = self._store.get(f"{self._folder}/{host}")
        return self._store.get(reservation["endpoint"]) if reservation else None

    def endpoints(self) -> Iterator[Document]:
        """Yield the endpoint of each reserved host that still exists."""
        for _, reservation in list(self._store.children(self._folder)):
            endpoint = self._store.get(reservation["endpoint"])
            if endpoint is not None:
                yield endpoint

    def forget(self, endpoint: Document) -> None:
        """Delete an endpoint with all its deployments, and free its host."""
        host = endpoint["properties"]["scoringUri"].removeprefix("https://").partition("/")[0]
        for path, _ in list(self._store.below(endpoint["id"])):
            self._store.delete(path)
        self._store.delete(endpoint["id"])
        self._store.delete(f"{self._folder}/{host}")
