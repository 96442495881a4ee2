"""The recorded requests to online endpoints, by minute, with deployment, status and duration.

Minutes are counted in real time, not in emulated time, because clients use their own clock in queries.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from tidepool.store import Store

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Sample:
    """A recorded request. `model_status` is the status that the model's process returned, or None."""

    deployment: str
    status: int
    model_status: int | None
    ms: float


class RequestMetrics:
    """The recorded requests of all endpoints. The key of a request in the store contains its minute."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, endpoint_id: str, sample: Sample) -> None:
        number = self._store.next("request")
        self._store.put(f"{_minute(endpoint_id, datetime.now(UTC))}/{number}", asdict(sample))

    def minutes(
        self, endpoint_id: str, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, list[Sample]]]:
        """Yield (minute, requests) for each minute from `start` to `end` in which requests were recorded."""
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
