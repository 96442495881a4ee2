"""Members that were loaded on demand, in a cache of a limited size."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """A member that says how much memory it takes."""

    memory_bytes: int


M = TypeVar("M", bound=Sized)


@dataclass(frozen=True)
class CacheFigures:
    """What a cache did since it was made. `bytes` and `members` are what it holds now."""

    hits: int
    misses: int
    evictions: int
    members: int
    bytes: int
    limit_bytes: int

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in asdict(self).items())


class MemberCache(Generic[M]):
    """The members that were used last, up to a number of bytes. The newest one always stays.

    Threads may share it. Two threads that need the same member at the same time may both load it.
    """

    def __init__(self, load: Callable[[Sequence[str]], M], limit_bytes: int) -> None:
        self._load = load
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._members: OrderedDict[tuple[str, ...], M] = OrderedDict()
        self._hits = self._misses = self._evictions = self._bytes = 0

    def get(self, key: Sequence[str]) -> M:
        """Return the member of a key. Loading may raise any error of the set, which is not cached."""
        key = tuple(key)
        with self._lock:
            if key in self._members:
                self._hits += 1
                self._members.move_to_end(key)
                return self._members[key]
            self._misses += 1
        member = self._load(key)
        with self._lock:
            if key not in self._members:
                self._members[key] = member
                self._bytes += member.memory_bytes
            self._members.move_to_end(key)
            self._evict()
        return member

    def figures(self) -> CacheFigures:
        with self._lock:
            return CacheFigures(
                self._hits, self._misses, self._evictions, len(self._members), self._bytes, self._limit
            )

    def _evict(self) -> None:
        while self._bytes > self._limit and len(self._members) > 1:
            _, member = self._members.popitem(last=False)
            self._bytes -= member.memory_bytes
            self._evictions += 1
