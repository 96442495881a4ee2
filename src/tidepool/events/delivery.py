"""The delivery of events to one subscription: batches, attempts and retries. A restart loses no event."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from tidepool.events.outbox import Envelope, Outbox
from tidepool.events.retries import GiveUp, Limits, Retry, decide_retry, hold_seconds, is_success
from tidepool.events.schemas import Event
from tidepool.events.subscriptions import Subscription
from tidepool.scheduler import Entry, Scheduler

log = logging.getLogger(__name__)

CONCURRENT_REQUESTS = 8


Send = Callable[[Subscription, Sequence[Envelope]], Awaitable[int]]
WriteDeadLetters = Callable[[Subscription, Sequence[Envelope], Outbox], None]


class Delivery:
    """At-least-once delivery in no fixed order.

    Attempts stop after a success, after the last allowed attempt, or when the event is too old. `send` posts
    a batch to the endpoint and returns the status of the response.
    """

    def __init__(  # noqa: PLR0913 - its dependencies, by keyword
        self,
        subscription: Subscription,
        *,
        outbox: Outbox,
        scheduler: Scheduler,
        send: Send,
        write_dead_letters: WriteDeadLetters,
        random: Random,
    ) -> None:
        self.subscription = subscription
        self._outbox = outbox
        self._scheduler = scheduler
        self._send = send
        self._write_dead_letters = write_dead_letters
        self._random = random
        self._ready: deque[Envelope] = deque()
        self._waiting: dict[str, tuple[Envelope, Entry]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._failures = 0
        self._held_until: datetime | None = None
        self._closed = False

    def add(self, event: Event, after_s: float = 0.0) -> None:
        """Save an event in the store, then deliver it after `after_s` seconds."""
        now = self._scheduler.now()
        key = self._outbox.new_key()
        envelope = Envelope(key=key, event=event, size=len(json.dumps(event)), published=now)
        self._schedule(envelope, after_s)

    def restore(self) -> None:
        """Load the undelivered events of an earlier process."""
        for envelope in self._outbox.load():
            if envelope.reason:
                self._write_dead_letters(self.subscription, [envelope], self._outbox)
                continue
            due = envelope.due or envelope.published
            self._schedule(envelope, max(0.0, (due - self._scheduler.now()).total_seconds()))

    def close(self, *, forget: bool) -> None:
        """Stop the delivery and keep undelivered events in the store, unless `forget` deletes them."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        for _, entry in self._waiting.values():
            entry.cancel()
        if forget:
            self._outbox.clear()

    def delivering(self) -> int:
        return self._in_flight + (0 if self._held_until else len(self._ready))

    def waiting(self) -> list[tuple[datetime, Envelope]]:
        """Return (due, envelope) of the events that wait for a retry, or for the endpoint to recover."""
        held = [(self._held_until, envelope) for envelope in self._ready] if self._held_until else []
        return [
            (envelope.due or envelope.published, envelope) for envelope, _ in self._waiting.values()
        ] + held

    def _schedule(self, envelope: Envelope, after_s: float) -> None:
        if after_s <= 0:
            self._outbox.save(envelope)
            self._ready.append(envelope)
            self._deliver_ready()
            return
        envelope = replace(envelope, due=self._scheduler.now() + timedelta(seconds=after_s))
        self._outbox.save(envelope)

        async def make_ready() -> None:
            self._ready.append(self._waiting.pop(envelope.key)[0])
            self._deliver_ready()

        entry = self._scheduler.call_later(after_s, make_ready, f"event {self._label(envelope)}")
        self._waiting[envelope.key] = (envelope, entry)

    def _label(self, envelope: Envelope) -> str:
        return f"{self.subscription.name} {envelope.event.get('subject')} attempt {envelope.attempts + 1}"

    def _deliver_ready(self) -> None:
        while (
            self._ready
            and self._in_flight < CONCURRENT_REQUESTS
            and not self._held_until
            and not self._closed
        ):
            self._in_flight += 1
            task = asyncio.create_task(self._deliver(self._next_batch()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _next_batch(self) -> list[Envelope]:
        batch = [self._ready.popleft()]
        size = batch[0].size
        while self._ready and len(batch) < self.subscription.max_batch_events:
            size += self._ready[0].size
            if size > self.subscription.max_batch_bytes:
                break
            batch.append(self._ready.popleft())
        return batch

    async def _deliver(self, batch: Sequence[Envelope]) -> None:
        try:
            status = await self._send(self.subscription, batch)
        finally:
            self._in_flight -= 1
        if is_success(status):
            self._failures = 0
            for envelope in batch:
                self._outbox.remove(envelope)
        else:
            self._failed(batch, status)
        self._deliver_ready()

    def _failed(self, batch: Sequence[Envelope], status: int) -> None:
        log.warning(
            "delivery_failed subscription=%s status=%s events=%s", self.subscription.name, status, len(batch)
        )
        self._hold_after_failures()
        now = self._scheduler.now()
        given_up = []
        for envelope in batch:
            attempted = replace(
                envelope, attempts=envelope.attempts + 1, last_status=status, last_attempt=now
            )
            decision = self._decide(attempted, now)
            if isinstance(decision, GiveUp):
                given_up.append(replace(attempted, reason=decision.reason))
            else:
                self._schedule(attempted, decision.after_s)
        if given_up:
            self._give_up(given_up)

    def _decide(self, attempted: Envelope, now: datetime) -> Retry | GiveUp:
        limits = Limits(
            max_attempts=self.subscription.max_attempts,
            time_to_live_s=self.subscription.time_to_live_s,
            webhook=self.subscription.destination.is_webhook,
        )
        age_s = (now - attempted.published).total_seconds()
        return decide_retry(attempted.last_status, attempted.attempts, age_s, limits, self._random)

    def _give_up(self, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            log.error(
                "event_undeliverable subscription=%s event=%s reason=%s",
                *(self.subscription.name, envelope.event.get("id"), envelope.reason),
            )
            if self.subscription.dead_letter:
                self._outbox.save(envelope)
            else:
                self._outbox.remove(envelope)
        if self.subscription.dead_letter:
            self._write_dead_letters(self.subscription, envelopes, self._outbox)

    def _hold_after_failures(self) -> None:
        self._failures += 1
        seconds = hold_seconds(self._failures)
        if not seconds or self._held_until:
            return
        self._held_until = self._scheduler.now() + timedelta(seconds=seconds)

        async def resume() -> None:
            self._held_until = None
            self._deliver_ready()

        self._scheduler.call_later(
            seconds, resume, f"pause of deliveries of {self.subscription.name} after failures"
        )
