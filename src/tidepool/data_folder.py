"""The data folder: whether it is Tidepool's, which process holds it, what to type about it.

Starts and ends nothing.
"""

import fcntl
import os
import shlex
from pathlib import Path
from typing import IO

import psutil

DEFAULT = Path(".tidepool")
_MARK = "store.sqlite"
_LOCK = "lock"


def is_own(folder: Path) -> bool:
    """Whether Tidepool made it, and all that is in it."""
    return (folder / _MARK).is_file()


def claim(folder: Path) -> bool:
    """Make it Tidepool's own; False where it holds something else."""
    if not is_own(folder) and folder.exists() and any(folder.iterdir()):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()
    return True


def take(folder: Path) -> IO[str]:
    """Hold it until the file is closed, or this process ends; BlockingIOError where another one holds it."""
    lock = (folder / _LOCK).open("a+")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def holder(folder: Path) -> psutil.Process | None:
    """The process that holds it, be it starting, running, ending or stuck."""
    try:
        with (folder / _LOCK).open() as lock:
            process = psutil.Process(int(lock.read()))
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return process
    except (OSError, ValueError, psutil.NoSuchProcess):
        pass
    return None


def typed(word: str, folder: Path) -> str:
    """A command line for this folder: `tidepool down`, or `tidepool down --data elsewhere`."""
    option = "" if folder == DEFAULT.resolve() else f" --data {shlex.quote(str(folder))}"
    return f"tidepool {word}{option}"
