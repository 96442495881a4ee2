"""Waiting loops end when they are cancelled, even if they are woken at the same moment."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tidepool.functions.queue_client import QueueClient
from tidepool.functions.queues import QueueListener
from tidepool.functions.settings import QueueOptions
from tidepool.scheduler import Scheduler
from tidepool.storage.azurite_client import Answer

TURNS = range(6)  # of the event loop, between the waking and the end


async def no_such_queue(*_: Any, **__: Any) -> Answer:
    return Answer(404, [])


async def do_nothing(*_: Any) -> None:
    pass


async def woken_then(turns: int, wake: Callable[[], object]) -> None:
    for _ in range(10):  # until it rests
        await asyncio.sleep(0)
    wake()
    for _ in range(turns):
        await asyncio.sleep(0)


@pytest.mark.parametrize("turns", TURNS)
def test_a_queue_listener_that_is_woken_ends(turns: int) -> None:
    async def story() -> None:
        queue = QueueClient(send=no_such_queue, account="a", queue="q")
        listener = QueueListener(queue=queue, poison=queue, invoke=do_nothing, options=QueueOptions())
        listener.start()
        await woken_then(turns, listener.nudge)
        async with asyncio.timeout(1):
            await listener.stop()

    asyncio.run(story())


@pytest.mark.parametrize("turns", TURNS)
def test_a_scheduler_that_is_woken_ends(turns: int) -> None:
    async def story() -> None:
        scheduler = Scheduler()
        scheduler.call_later(60, do_nothing, "later")
        running = asyncio.create_task(scheduler.run())
        await woken_then(turns, lambda: scheduler.advance(0))
        running.cancel()
        done, _ = await asyncio.wait([running], timeout=1)
        assert done

    asyncio.run(story())
