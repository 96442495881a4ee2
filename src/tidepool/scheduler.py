"""The scheduler of delayed actions (retries, timers, provisioning) and the emulated time.

The emulated time runs with the real time, and `advance` moves it forward.
"""

import asyncio
import contextlib
import heapq
import itertools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

log = logging.getLogger(__name__)

Action = Callable[[], Awaitable[None]]


@dataclass(order=True)
class Entry:
    """A scheduled action."""

    due: datetime
    number: int
    label: str = field(compare=False)
    action: Action = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class Scheduler:
    """Runs actions when they are due. The emulated time is the real time plus the advanced time."""

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._numbers = itertools.count()
        self._advanced = timedelta()
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._advanced

    def call_later(self, delay_s: float, action: Action, label: str) -> Entry:
        entry = Entry(self.now() + timedelta(seconds=delay_s), next(self._numbers), label, action)
        heapq.heappush(self._heap, entry)
        self._changed.set()
        return entry

    async def sleep(self, seconds: float, label: str) -> None:
        """Wait for a number of seconds in emulated time."""
        woken = asyncio.Event()

        async def wake() -> None:
            woken.set()

        entry = self.call_later(seconds, wake, label)
        try:
            await woken.wait()
        finally:
            entry.cancel()

    def advance(self, seconds: float) -> None:
        """Move the emulated time forward. Actions that are due start at the next turn of the event loop."""
        self._advanced += timedelta(seconds=seconds)
        self._changed.set()

    def waiting(self) -> list[tuple[datetime, str]]:
        """Return (due, label) of all waiting actions, soonest first."""
        return sorted((entry.due, entry.label) for entry in self._heap if not entry.cancelled)

    def running(self) -> list[str]:
        """Return the labels of the running actions."""
        return [task.get_name() for task in self._tasks]

    async def run(self) -> None:
        """Run due actions until cancelled at shutdown."""
        while True:
            self._changed.clear()
            self._start_due()
            # In Python 3.11, asyncio.wait_for can lose a cancellation that comes at the same time as the
            # event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds_to_next()):
                    await self._changed.wait()

    def _start_due(self) -> None:
        while self._heap and self._heap[0].due <= self.now():
            entry = heapq.heappop(self._heap)
            if not entry.cancelled:
                task = asyncio.create_task(_guarded(entry), name=entry.label)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _seconds_to_next(self) -> float | None:
        if not self._heap:
            return None
        return max(0.0, (self._heap[0].due - self.now()).total_seconds())


async def _guarded(entry: Entry) -> None:
    try:
        await entry.action()
    except Exception:
        log.exception("scheduled_action_failed label=%s", entry.label)
