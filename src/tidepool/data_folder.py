"""The data folder of a Tidepool: its mark, its lock, and the command lines that contain its path."""

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
    """Return whether Tidepool created the folder, and therefore everything in the folder."""
    return (folder / _MARK).is_file()


def claim(folder: Path) -> bool:
    """Mark the folder as a data folder of Tidepool. Return False if the folder has other content.

    Only its owner can read the folder, because the documents contain keys and tokens.
    """
    if not is_own(folder) and folder.exists() and any(folder.iterdir()):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    (folder / _MARK).touch(mode=0o600)
    for file in folder.glob(f"{_MARK}*"):  # SQLite gives the mode of the database to its other files
        file.chmod(0o600)
    return True


def lock(folder: Path) -> IO[str]:
    """Lock the folder until the returned file is closed or this process ends.

    Raise BlockingIOError if another process has the lock. The lock file contains the id of its process.
    """
    file = (folder / _LOCK).open("a+")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def holder(folder: Path) -> psutil.Process | None:
    """Return the process that has the lock, or None.

    The process may be starting, running, ending or hanging.
    """
    try:
        with (folder / _LOCK).open() as file:
            process = psutil.Process(int(file.read()))
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return process
    except (OSError, ValueError, psutil.NoSuchProcess):
        pass
    return None


def command_line(command: str, folder: Path) -> str:
    """Return the command line for this folder, such as `tidepool down --data elsewhere`."""
    option = "" if folder == DEFAULT.resolve() else f" --data {shlex.quote(str(folder))}"
    return f"tidepool {command}{option}"
