"""The unfinished work of a Tidepool, for which `settle` waits, and the steps of `advance`."""

import asyncio
from datetime import timedelta

from tidepool.composition import Composition
from tidepool.functions.host import FunctionsApp

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
            # Only if nothing else is unfinished, Azurite is asked for messages: that takes requests.
            idle = not self._known() and not await self._visible() and not self._known()
            idle_checks = idle_checks + 1 if idle else 0
            if idle_checks == 2:
                return []
            if asyncio.get_running_loop().time() > deadline and (going_on := await self.going_on()):
                return going_on
            await asyncio.sleep(_POLL_S)

    async def going_on(self) -> list[str]:
        """Return one line for each piece of work that is in progress, queued or due soon."""
        return [*self._known(), *await self._visible()]

    async def _visible(self) -> list[str]:
        """Return one line for each queue of a functions app that has visible messages in Azurite."""
        return [line for app in self._apps() for line in await app.queued()]

    def _known(self) -> list[str]:
        """Return one line for each piece of work that Tidepool itself knows."""
        composition = self._composition
        apps = self._apps()
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
        return [
            *composition.storage.publishing(),
            *composition.eventgrid.delivering(),
            *messages,
            *(line for app in apps for line in app.running()),
            *(f"job {name} is running" for name in composition.jobs.running()),
            *(f"provisioning {name}" for name in composition.operations.unfinished()),
            *composition.online.scoring.mirroring(),
            *composition.online.serving.starting(),
            *composition.scheduler.running(),
            *due,
        ]

    def _apps(self) -> list[FunctionsApp]:
        return list(self._composition.sites.apps.values())

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
