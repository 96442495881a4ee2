"""Reads for people that run at the same time: each waits for Azure, and needs no other."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TypeVar

_THREADS = 16
T = TypeVar("T")


def begin(read: Callable[[], T]) -> Callable[[], T]:
    """Begin a read in a thread, and return a function that waits for its result or raises its error.

    The thread has the context of the caller, so that log lines have its identifiers.
    """
    return _pool().submit(copy_context().run, read).result


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="reads")
