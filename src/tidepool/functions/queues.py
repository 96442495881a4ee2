"""Queue triggers: polls a queue as the Functions host does, invokes, deletes, retries, poisons."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from tidepool.functions.frames import Message
from tidepool.functions.queue_client import QueueClient, ReceivedMessage, decode
from tidepool.functions.settings import QueueOptions
from tidepool.functions.worker_process import InvocationError

log = logging.getLogger(__name__)

# The host hides what it works on and renews that, so that the messages of a killed host come back.
LEASE_S = 60
SHORTEST_POLL_S = 0.05

Invoke = Callable[[Message, dict[str, str]], Awaitable[object]]


class QueueListener:
    """The listener of one queue trigger. `invoke` runs the function, or raises InvocationError."""

    def __init__(
        self,
        *,
        queue: QueueClient,
        poison: QueueClient,
        invoke: Invoke,
        options: QueueOptions,
        lease_s: int = LEASE_S,
    ) -> None:
        self.queue = queue
        self._poison = poison
        self._invoke = invoke
        self._options = options
        self._lease_s = lease_s
        self._woken = asyncio.Event()
        self._working: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.create_task(self._poll_forever())

    async def stop(self) -> None:
        """Take no more messages, and let those at work end."""
        if self._loop:
            self._loop.cancel()
            await asyncio.wait([self._loop, *self._working])

    def nudge(self) -> None:
        """Look now: somebody put a message."""
        self._woken.set()

    async def _poll_forever(self) -> None:
        pause_s = SHORTEST_POLL_S
        while True:
            self._woken.clear()
            if await self._take_batch():
                pause_s = SHORTEST_POLL_S
                await self._wait_for_room()
                continue
            await self._rest(pause_s)
            pause_s = min(2 * pause_s, self._options.max_polling_interval_s)

    async def _rest(self, seconds: float) -> None:
        # Not wait_for: it loses a cancellation that comes together with the event (Python 3.11).
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    async def _wait_for_room(self) -> None:
        while len(self._working) > self._options.new_batch_threshold:
            await asyncio.wait(self._working, return_when=asyncio.FIRST_COMPLETED)

    async def _take_batch(self) -> bool:
        """Start work on the next messages; whether there were any."""
        try:
            messages = await self.queue.receive(self._options.batch_size, self._lease_s)
        except Exception:
            log.warning("queue_poll_failed queue=%s", self.queue.queue, exc_info=True)
            return False
        for message in messages:
            task = asyncio.create_task(self._process(message))
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        return bool(messages)

    async def _process(self, message: ReceivedMessage) -> None:
        try:
            await self._try(message)
        except Exception:
            log.exception("queue_message_stuck queue=%s id=%s", self.queue.queue, message.id)

    async def _try(self, message: ReceivedMessage) -> None:
        if message.dequeue_count > self._options.max_dequeue_count:
            await self._bury(message)
            return
        try:
            content = decode(message.text, base64_encoded=self._options.base64)
        except ValueError:
            log.exception("queue_message_not_base64 queue=%s id=%s", self.queue.queue, message.id)
            await self._bury(message)
            return
        data = {"type": "string" if isinstance(content, str) else "bytes", "value": content}
        work = asyncio.ensure_future(self._invoke(data, _metadata(message)))
        message = await self._keep_hidden(message, work)
        try:
            await work
        except InvocationError:
            await self._failed(message)
        else:
            await self.queue.delete(message)

    async def _keep_hidden(self, message: ReceivedMessage, work: asyncio.Future[object]) -> ReceivedMessage:
        """Renew the lease until the work is done; the message with its newest pop receipt."""
        while not (await asyncio.wait([work], timeout=self._lease_s / 3))[0]:
            receipt = await self.queue.hide(message, self._lease_s, holds=True)
            message = replace(message, pop_receipt=receipt or message.pop_receipt)
        return message

    async def _failed(self, message: ReceivedMessage) -> None:
        if message.dequeue_count >= self._options.max_dequeue_count:
            await self._bury(message)
            return
        await self.queue.hide(message, round(self._options.visibility_timeout_s))
        if not self._options.visibility_timeout_s:
            self.nudge()

    async def _bury(self, message: ReceivedMessage) -> None:
        log.error(
            "message_moved_to_poison_queue queue=%s id=%s dequeue_count=%s",
            *(self._poison.queue, message.id, message.dequeue_count),
        )
        await self._poison.put(message.text)
        await self.queue.delete(message)


def _metadata(message: ReceivedMessage) -> dict[str, str]:
    return {
        "Id": message.id,
        "DequeueCount": str(message.dequeue_count),
        "ExpirationTime": message.expires,
        "InsertionTime": message.inserted,
        "NextVisibleTime": message.next_visible,
        "PopReceipt": message.pop_receipt,
    }
