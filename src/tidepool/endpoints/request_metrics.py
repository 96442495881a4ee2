"""The requests to online endpoints, recorded by the minute: deployment, status and duration.

The minutes are those of real time, not of emulated time: clients query a time span by their own clock.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from tidepool.store import Store

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Sample:
    """A request. `model_status` is the status that the process of the model answered with, if it did."""

    deployment: str
    status: int
    model_status: int | None
    ms: float


class RequestMetrics:
    """The recorded requests of all endpoints. The store keeps them with their minute as the key."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, endpoint_id: str, sample: Sample) -> None:
        number = self._store.next("request")
        self._store.put(f"{_minute(endpoint_id, datetime.now(UTC))}/{number}", asdict(sample))

    def minutes(
        self, endpoint_id: str, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, list[Sample]]]:
        """Yield (minute, its requests) for each minute that had some, from the minute of `start` on."""
        minute = start.replace(second=0, microsecond=0)
        while minute < end:
            documents = self._store.children(_minute(endpoint_id, minute))
            samples = [Sample(**document) for _, document in documents]
            if samples:
                yield minute, samples
            minute += MINUTE

    def forget(self, endpoint_id: str) -> None:
        for path, _ in list(self._store.below(f"/requests{endpoint_id}")):
            self._store.delete(path)


def _minute(endpoint_id: str, moment: datetime) -> str:
    return f"/requests{endpoint_id}/{moment:%Y%m%dT%H%M}"
