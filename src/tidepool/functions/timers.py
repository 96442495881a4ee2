"""Timer triggers.

The store keeps their last and next run, so that Tidepool notices missed runs after a restart.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from tidepool.functions import schedule
from tidepool.functions.frames import Message
from tidepool.functions.settings import seconds
from tidepool.functions.worker_process import InvocationError
from tidepool.scheduler import Entry, Scheduler
from tidepool.store import Store

log = logging.getLogger(__name__)

Invoke = Callable[[Message, Mapping[str, int]], Awaitable[object]]


class Timer:
    """A timer function. Its next run is scheduled when the last run has ended, so runs never overlap."""

    def __init__(
        self, *, key: str, binding: Mapping[str, Any], retry: Mapping[str, Any] | None, invoke: Invoke
    ) -> None:
        self._key = key
        self._next = schedule.parse(binding["schedule"])
        self._run_on_startup = bool(binding.get("runOnStartup"))
        self._retry = retry or {}
        self._invoke = invoke
        self._entry: Entry | None = None
        self._stopped = False

    def start(self, scheduler: Scheduler, store: Store) -> None:
        self._scheduler = scheduler
        self._store = store
        status = store.get(self._key)
        now = scheduler.now()
        if status and datetime.fromisoformat(status["Next"]) < now:
            self._schedule_run(0, past_due=True)
        elif self._run_on_startup:
            self._schedule_run(0, past_due=False)
        else:
            self._schedule_run((self._next(now) - now).total_seconds(), past_due=False)

    def stop(self) -> None:
        self._stopped = True
        if self._entry:
            self._entry.cancel()

    async def fire(self, *, past_due: bool = False) -> None:
        """Run the function now, with its retries. Raise InvocationError if the last attempt fails."""
        now = self._scheduler.now()
        attempt = 0
        while True:
            try:
                await self._invoke(self._data(past_due), {"count": attempt, "max": self._max_retries()})
                return
            except InvocationError:
                attempt += 1
                if 0 <= self._max_retries() < attempt:
                    raise
                await self._scheduler.sleep(self._retry_delay(attempt), f"retry of {self._key}")
            finally:
                self._save_status(now)

    def _schedule_run(self, delay_s: float, *, past_due: bool) -> None:
        async def run() -> None:
            try:
                await self.fire(past_due=past_due)
            except InvocationError as error:
                log.warning("timer_failed key=%s error=%s", self._key, error)
            if self._stopped:
                return
            now = self._scheduler.now()
            self._schedule_run((self._next(now) - now).total_seconds(), past_due=False)

        self._entry = self._scheduler.call_later(delay_s, run, f"timer {self._key.rpartition('/')[2]}")

    def _data(self, past_due: bool) -> Message:
        now = self._scheduler.now()
        status = self._store.get(self._key) or {"Last": None, "Next": self._next(now).isoformat()}
        info = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}
        return {"type": "json", "value": json.dumps(info)}

    def _save_status(self, now: datetime) -> None:
        next_run = self._next(now).isoformat()
        self._store.put(
            self._key, {"Last": now.isoformat(), "Next": next_run, "LastUpdated": now.isoformat()}
        )

    def _max_retries(self) -> int:
        """Return the number of retries. The number -1 means no limit."""
        return int(self._retry.get("max_retry_count", 0))

    def _retry_delay(self, attempt: int) -> float:
        if self._retry.get("strategy") == "fixed_delay":
            return seconds(self._retry["delay_interval"])
        shortest, longest = seconds(self._retry["minimum_interval"]), seconds(self._retry["maximum_interval"])
        return min(longest, shortest * 2.0 ** (attempt - 1))
