"""Whether anything is going on: what `settle` waits for and what `advance` wakes.

Changes nothing but the time.
"""

import asyncio
from datetime import timedelta

from tidepool.composition import Parts

SOON_S = 3.0
_LOOK_S = 0.05
_NO_WORK = ("timer ", "message ")  # the first may fire for ever, the second are looked at themselves


class Quiescence:
    """Looks at all parts at once."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def settle(self, timeout_s: float) -> list[str]:
        """Wait until nothing is going on, twice in a row; returns what still is when the time is up."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        quiet = 0
        while True:
            going_on = await self.going_on()
            quiet = 0 if going_on else quiet + 1
            if quiet == 2:
                return []
            if asyncio.get_running_loop().time() > deadline:
                return going_on
            await asyncio.sleep(_LOOK_S)

    async def going_on(self) -> list[str]:
        """One line for each thing that is queued, delivering, running, provisioning, or due soon."""
        parts = self._parts
        apps = list(parts.sites.apps.values())
        soon = parts.scheduler.now() + timedelta(seconds=SOON_S)
        waiting = ((due, label) for due, label in parts.scheduler.waiting() if due <= soon)
        due = [label for _, label in waiting if not label.startswith(_NO_WORK)]
        listened = [listener.queue for app in apps if app.triggers for listener in app.triggers.listeners]
        queues = {(queue.account, queue.queue) for queue in listened}
        messages = [
            f"{message.label}, due {message.due:%H:%M:%S}"
            for message in parts.queues.unfinished(SOON_S)
            if (message.account, message.queue) in queues
        ]
        visible = [line for app in apps for line in await app.queued()]
        return [
            *parts.storage.publishing(),
            *parts.eventgrid.delivering(),
            *messages,
            *(line for app in apps for line in app.running()),
            *visible,
            *(f"job {name} is running" for name in parts.jobs.running()),
            *(f"provisioning {name}" for name in parts.operations()),
            *parts.online.scoring.mirroring(),
            *parts.online.serving.starting(),
            *parts.scheduler.running(),
            *due,
        ]

    async def advance(self, seconds: float) -> None:
        """Move the time; queue messages that are due by then become visible."""
        parts = self._parts
        before = {message.id for message in parts.queues.waiting(0)}
        parts.scheduler.advance(seconds)
        for message in parts.queues.waiting(0):
            if message.id not in before:
                await parts.storage.send(message.account, "queue", "PUT", message.release_target())
