"""Queue triggers: polling, retries and the poison queue, as the Functions host of Azure does them.

Compared with the queue extension 5.3.10 of the WebJobs SDK, run against Azurite.
"""

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

# The host hides a message for this time, and again while it processes the message. If the host is killed, the
# message becomes visible again after this time.
LEASE_S = 600
POISON = "-poison"
_LONGEST_NAME = 63  # of a queue
SHORTEST_POLL_S = 0.05

Invoke = Callable[[Message, dict[str, str]], Awaitable[object]]


class QueueListener:
    """The listener of one queue trigger. `invoke` runs the function, or raises InvocationError.

    Without a poison queue, a message that fails is processed again after its lease, until it expires.
    """

    def __init__(
        self,
        *,
        queue: QueueClient,
        poison: QueueClient | None,
        invoke: Invoke,
        options: QueueOptions,
        lease_s: int = LEASE_S,
    ) -> None:
        self.queue = queue
        self._poison = poison
        self._invoke = invoke
        self._options = options
        self._lease_s = lease_s
        self._nudged = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.create_task(self._poll_forever())

    async def stop(self) -> None:
        """Stop polling and wait until the running invocations end."""
        if self._loop:
            self._loop.cancel()
            await asyncio.wait([self._loop, *self._running])

    async def abandon(self) -> None:
        """Stop without a word to the queue, as if the host was killed. Its messages stay hidden."""
        for task in self._running:
            task.cancel()
        await self.stop()

    def nudge(self) -> None:
        """Poll now, because a message was added."""
        self._nudged.set()

    async def _poll_forever(self) -> None:
        pause_s = SHORTEST_POLL_S
        while True:
            self._nudged.clear()
            if await self._take_batch():
                pause_s = SHORTEST_POLL_S
                await self._wait_for_room()
                continue
            await self._wait_for_nudge(pause_s)
            pause_s = min(2 * pause_s, self._options.max_polling_interval_s)

    async def _wait_for_nudge(self, seconds: float) -> None:
        # In Python 3.11, asyncio.wait_for can lose a cancellation that comes at the same time as the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._nudged.wait()

    async def _wait_for_room(self) -> None:
        while len(self._running) > self._options.new_batch_threshold:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def _take_batch(self) -> bool:
        """Start to process the next messages, and return whether there were any."""
        try:
            messages = await self.queue.receive(self._options.batch_size, self._lease_s)
        except Exception:
            log.warning("queue_poll_failed queue=%s", self.queue.queue, exc_info=True)
            return False
        for message in messages:
            task = asyncio.create_task(self._process(message))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return bool(messages)

    async def _process(self, message: ReceivedMessage) -> None:
        try:
            await self._handle(message)
        except Exception:
            log.exception("queue_message_failed queue=%s id=%s", self.queue.queue, message.id)

    async def _handle(self, message: ReceivedMessage) -> None:
        if self._poison and message.dequeue_count > self._options.max_dequeue_count:
            await self._move(message, self._poison)
            return
        try:
            content = decode(message.text, base64_encoded=self._options.base64)
        except ValueError:
            log.exception("queue_message_not_base64 queue=%s id=%s", self.queue.queue, message.id)
            if self._poison:
                await self._move(message, self._poison)
            return
        data = {"type": "string" if isinstance(content, str) else "bytes", "value": content}
        invocation = asyncio.ensure_future(self._invoke(data, _metadata(message)))
        try:
            message = await self._keep_hidden(message, invocation)
            await invocation
        except InvocationError:
            await self._failed(message)
        except asyncio.CancelledError:
            invocation.cancel()
            raise
        else:
            await self.queue.delete(message)

    async def _keep_hidden(
        self, message: ReceivedMessage, invocation: asyncio.Future[object]
    ) -> ReceivedMessage:
        """Renew the lease until the invocation ends. Return the message with its newest pop receipt."""
        while not (await asyncio.wait([invocation], timeout=self._lease_s / 3))[0]:
            receipt = await self.queue.hide(message, self._lease_s, holds=True)
            message = replace(message, pop_receipt=receipt or message.pop_receipt)
        return message

    async def _failed(self, message: ReceivedMessage) -> None:
        if self._poison is None:
            await self.queue.hide(message, self._lease_s)
            return
        if message.dequeue_count >= self._options.max_dequeue_count:
            await self._move(message, self._poison)
            return
        await self.queue.hide(message, round(self._options.visibility_timeout_s))
        if not self._options.visibility_timeout_s:
            self.nudge()

    async def _move(self, message: ReceivedMessage, poison: QueueClient) -> None:
        """Move a message to the poison queue. There it expires after the default time, which is 7 days."""
        log.error(
            "message_moved_to_poison_queue queue=%s id=%s dequeue_count=%s",
            *(poison.queue, message.id, message.dequeue_count),
        )
        await poison.put(message.text)
        await self.queue.delete(message)


def poison_queue_name(queue: str) -> str | None:
    """Return the name of a queue's poison queue, or None for a poison queue and for a long name."""
    name = queue + POISON
    return None if queue.endswith(POISON) or len(name) > _LONGEST_NAME else name


def _metadata(message: ReceivedMessage) -> dict[str, str]:
    return {
        "Id": message.id,
        "DequeueCount": str(message.dequeue_count),
        "ExpirationTime": message.expires,
        "InsertionTime": message.inserted,
        "NextVisibleTime": message.next_visible,
        "PopReceipt": message.pop_receipt,
    }
