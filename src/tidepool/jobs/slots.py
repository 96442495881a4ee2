"""The nodes of each compute. A step holds the nodes that it needs, and waits while too few nodes are free."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(eq=False)
class _Request:
    """A step that waits for nodes. The future `granted` is done when the step has its nodes."""

    nodes: int
    capacity: int
    granted: asyncio.Future[None]


class Slots:
    """The nodes in use and the queue of waiting steps of each compute.

    The step that asks first gets its nodes first.
    """

    def __init__(self) -> None:
        self._used: defaultdict[str, int] = defaultdict(int)
        self._waiting: defaultdict[str, deque[_Request]] = defaultdict(deque)

    @asynccontextmanager
    async def hold(self, compute: str, nodes: int, capacity: int) -> AsyncIterator[None]:
        """Wait until `nodes` nodes of a compute are free, and hold them. The compute has `capacity` nodes."""
        if self._waiting[compute] or self._used[compute] + nodes > capacity:
            request = _Request(nodes, capacity, asyncio.get_running_loop().create_future())
            self._waiting[compute].append(request)
            try:
                await request.granted
            except asyncio.CancelledError:
                self._withdraw(compute, request)
                raise
        else:
            self._used[compute] += nodes
        try:
            yield
        finally:
            self._used[compute] -= nodes
            self._grant(compute)

    def _withdraw(self, compute: str, request: _Request) -> None:
        if request in self._waiting[compute]:
            self._waiting[compute].remove(request)
        elif request.granted.done() and not request.granted.cancelled():
            self._used[compute] -= request.nodes
        self._grant(compute)

    def _grant(self, compute: str) -> None:
        """Give nodes to the waiting steps in their order, until too few nodes are free for the next step."""
        queue = self._waiting[compute]
        while queue:
            request = queue[0]
            if request.granted.cancelled():
                queue.popleft()
                continue
            if self._used[compute] + request.nodes > request.capacity:
                return
            queue.popleft()
            self._used[compute] += request.nodes
            request.granted.set_result(None)
