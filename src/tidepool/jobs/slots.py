"""Room on the computes: a step holds the nodes that it asked for, and waits in line while it is full."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """The nodes in use of every compute, and who waits for some, first come first served."""

    def __init__(self) -> None:
        self._used: defaultdict[str, int] = defaultdict(int)
        self._waiting: defaultdict[str, deque[tuple[int, int, asyncio.Future[None]]]] = defaultdict(deque)

    @asynccontextmanager
    async def taken(self, compute: str, nodes: int, capacity: int) -> AsyncIterator[None]:
        """Hold `nodes` of a compute that has `capacity` of them; waits until they are free."""
        if self._waiting[compute] or self._used[compute] + nodes > capacity:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            entry = (nodes, capacity, turn)
            self._waiting[compute].append(entry)
            try:
                await turn
            except asyncio.CancelledError:
                self._give_up(compute, entry)
                raise
        else:
            self._used[compute] += nodes
        try:
            yield
        finally:
            self._used[compute] -= nodes
            self._serve(compute)

    def used(self, compute: str) -> int:
        """How many nodes of a compute are busy."""
        return self._used[compute]

    def _give_up(self, compute: str, entry: tuple[int, int, asyncio.Future[None]]) -> None:
        nodes, _, turn = entry
        if entry in self._waiting[compute]:
            self._waiting[compute].remove(entry)
        elif turn.done() and not turn.cancelled():
            self._used[compute] -= nodes
        self._serve(compute)

    def _serve(self, compute: str) -> None:
        line = self._waiting[compute]
        while line:
            nodes, capacity, turn = line[0]
            if turn.cancelled():
                line.popleft()
                continue
            if self._used[compute] + nodes > capacity:
                return
            line.popleft()
            self._used[compute] += nodes
            turn.set_result(None)
