"""Calls that several threads make at the same time and that are needed only once."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock


class SingleFlight:
    """Calls by key. While a thread makes a call, other threads wait for its result instead of repeating it.

    So a call that hangs costs all of them the same time together, not one after another.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: dict[str, Future[None]] = {}

    def run(self, key: str, call: Callable[[], None]) -> bool:
        """Make the call, or wait for the running call of this key. Return whether this thread made it.

        If the call raises an error, each thread that waited for it raises the same error.
        """
        with self._lock:
            running = self._running.get(key)
            if running is None:
                mine = self._running[key] = Future[None]()
        if running is not None:
            running.result()
            return False
        try:
            call()
            mine.set_result(None)
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._running[key]
        return True
