"""The unfinished work of a Tidepool, for which `settle` waits, and the steps of `advance`."""

import asyncio
from datetime import timedelta

from tidepool.composition import Composition

SOON_S = 3.0
_POLL_S = 0.05
# Labels that do not count as work: timers repeat without end, and messages are counted by queue.
_NO_WORK = ("timer ", "message ")


class Quiescence:
    """The unfinished work of all components of a Tidepool."""

    def __init__(self, composition: Composition) -> None:
        self._composition = composition

    async def settle(self, timeout_s: float) -> list[str]:
        """Wait until two checks in a row find no unfinished work.

        Return one line for each piece of work that is unfinished after the time limit.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        idle_checks = 0
        while True:
            going_on = await self.going_on()
            idle_checks = 0 if going_on else idle_checks + 1
            if idle_checks == 2:
                return []
            if asyncio.get_running_loop().time() > deadline:
                return going_on
            await asyncio.sleep(_POLL_S)

    async def going_on(self) -> list[str]:
        """Return one line for each piece of work that is in progress, queued or due soon."""
        composition = self._composition
        apps = list(composition.sites.apps.values())
        soon = composition.scheduler.now() + timedelta(seconds=SOON_S)
        waiting = ((due, label) for due, label in composition.scheduler.waiting() if due <= soon)
        due = [label for _, label in waiting if not label.startswith(_NO_WORK)]
        listened_queues = [
            listener.queue for app in apps if app.triggers for listener in app.triggers.listeners
        ]
        queues = {(queue.account, queue.queue) for queue in listened_queues}
        messages = [
            f"{message.label}, due {message.due:%H:%M:%S}"
            for message in composition.queues.unfinished(SOON_S)
            if (message.account, message.queue) in queues
        ]
        visible = [line for app in apps for line in await app.queued()]
        return [
            *composition.storage.publishing(),
            *composition.eventgrid.delivering(),
            *messages,
            *(line for app in apps for line in app.running()),
            *visible,
            *(f"job {name} is running" for name in composition.jobs.running()),
            *(f"provisioning {name}" for name in composition.operations.unfinished()),
            *composition.online.scoring.mirroring(),
            *composition.online.serving.starting(),
            *composition.scheduler.running(),
            *due,
        ]

    async def advance(self, seconds: float) -> None:
        """Move the time forward. Queue messages of the skipped time become visible, or expire."""
        composition = self._composition
        before = {message.id for message in composition.queues.waiting(0)}
        composition.scheduler.advance(seconds)
        for message in composition.queues.expired():
            await composition.storage.send(message.account, "queue", "DELETE", message.delete_target())
        for message in composition.queues.waiting(0):
            if message.id not in before:
                await composition.storage.send(message.account, "queue", "PUT", message.release_target())
