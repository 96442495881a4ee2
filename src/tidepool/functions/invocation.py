"""The invocation that a log line of the worker belongs to, found in the way of Microsoft's worker.

A plain function has its id in a thread-local, an async function in its task, which passes it on to the tasks
that it starts. No other thread has an id. See `get_current_invocation_id` in azure_functions_worker.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

local_storage = threading.local()


class InvocationTask(asyncio.Task[Any]):
    """A task with the invocation id of the task that starts it."""

    def __init__(
        self, coro: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop, **options: Any
    ) -> None:
        super().__init__(coro, loop=loop, **options)
        self.invocation_id: str | None = getattr(asyncio.current_task(loop), "invocation_id", None)


def create_task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> InvocationTask:
    """Be the task factory of the worker's event loop."""
    return InvocationTask(coro, loop, **options)


def current_invocation() -> str:
    """Return the id of the invocation that runs here, or an empty string."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # this thread has no running event loop
        task = None
    return getattr(task, "invocation_id", None) or getattr(local_storage, "invocation_id", None) or ""
