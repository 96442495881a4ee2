"""What a functions host works on stays its own while it renews the lease. A real queue, in this process."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tidepool import default_resources
from tidepool.composition import Composition
from tidepool.functions.queue_client import QueueClient
from tidepool.functions.queues import QueueListener
from tidepool.functions.settings import QueueOptions
from tidepool.functions.worker_process import InvocationError
from tidepool.lifecycle import Lifecycle
from tidepool.quiescence import Quiescence
from tidepool.storage.queue_watch import QueuedMessage

HOUR_S = 3600


class Work:
    """A function that ends when the test says so, with a count of its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.end = asyncio.Event()
        self.fails = False

    async def __call__(self, _data: object, _metadata: dict[str, str]) -> None:
        self.calls += 1
        await self.end.wait()
        if self.fails:
            raise InvocationError("the test ends this call")


class Host:
    """One queue, a listener with a lease of a second, and the Tidepool around them."""

    def __init__(self, composition: Composition) -> None:
        self.composition = composition
        self.work = Work()
        self.queue, poison = (
            QueueClient(send=composition.storage.send, account=default_resources.STORAGE_ACCOUNT, queue=name)
            for name in ("work", "work-poison")
        )
        options = QueueOptions(max_polling_interval_s=0.05, visibility_timeout_s=600)
        self.listener = QueueListener(
            queue=self.queue, poison=poison, invoke=self.work, options=options, lease_s=1
        )

    async def advance(self, seconds: float) -> None:
        await Quiescence(self.composition).advance(seconds)

    def message(self) -> QueuedMessage | None:
        messages = self.composition.queues.unfinished(2 * HOUR_S)
        return messages[0] if messages else None

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                await asyncio.sleep(0.02)

    async def until_renewed(self) -> None:
        """Wait until the function has run for longer than a lease lasts."""
        await self.until(lambda: self.work.calls == 1)
        receipts: set[str] = set()

        def receipt_count() -> int:
            message = self.message()
            receipts.update([message.pop_receipt] if message else [])
            return len(receipts)

        await self.until(lambda: receipt_count() > 3)


def run(folder: Path, test: Callable[[Host], Awaitable[None]]) -> None:
    async def within() -> None:
        composition = Composition(folder, seed=0)
        lifecycle = Lifecycle(composition)
        await lifecycle.start(control_port=0)
        host = Host(composition)
        try:
            await host.queue.put("aGVsbG8=")
            host.listener.start()
            await test(host)
        finally:
            host.work.end.set()
            await host.listener.stop()
            await lifecycle.stop()

    asyncio.run(within())


def test_a_message_under_a_renewed_lease_is_not_handed_out_again_when_time_is_moved(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        await host.until_renewed()
        await host.advance(HOUR_S)
        held = host.message()
        await host.until_renewed()

        assert host.work.calls == 1
        assert held
        assert held.held
        assert [message.id for message in host.composition.queues.unfinished(0)] == [held.id]
        assert host.composition.queues.waiting(2 * HOUR_S) == []
        host.work.end.set()
        await host.until(lambda: host.message() is None)
        assert host.work.calls == 1

    run(tmp_path, test)


def test_a_message_whose_function_failed_after_renewals_waits_and_comes_back(tmp_path: Path) -> None:
    async def test(host: Host) -> None:
        host.work.fails = True
        await host.until_renewed()
        host.work.end.set()
        await host.until(lambda: bool(host.composition.queues.waiting(600)))

        assert host.composition.queues.waiting(500) == []
        assert host.work.calls == 1
        await host.advance(600)
        await host.until(lambda: host.work.calls == 2)

    run(tmp_path, test)
