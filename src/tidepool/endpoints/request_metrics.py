"""What became of the requests to online endpoints, minute by minute. Knows no metric of Azure Monitor's.

In real time, not in emulated time: who asks for a span of time has a clock that nobody moves.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from tidepool.store import Store

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Sample:
    """One request; `model_status` is what the model's process answered, where it did."""

    deployment: str
    status: int
    model_status: int | None
    ms: float


class RequestMetrics:
    """Every request is kept, below its minute."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, endpoint_id: str, sample: Sample) -> None:
        number = self._store.next("request")
        self._store.put(f"{_minute(endpoint_id, datetime.now(UTC))}/{number}", asdict(sample))

    def minutes(
        self, endpoint_id: str, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, list[Sample]]]:
        """(minute, its requests) of every minute that had some; the one that `start` is in counts."""
        minute = start.replace(second=0, microsecond=0)
        while minute < end:
            found = [Sample(**one) for _, one in self._store.children(_minute(endpoint_id, minute))]
            if found:
                yield minute, found
            minute += MINUTE

    def forget(self, endpoint_id: str) -> None:
        for path, _ in list(self._store.below(f"/requests{endpoint_id}")):
            self._store.delete(path)


def _minute(endpoint_id: str, moment: datetime) -> str:
    return f"/requests{endpoint_id}/{moment:%Y%m%dT%H%M}"
