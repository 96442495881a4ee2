"""What `--wait` does: look again and again until work has ended, and show its progress."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.status import Status

from tidegate.cli.tables import errors

_LOOK_EVERY_S = 3.0


@dataclass(frozen=True)
class Look:
    """What a look at some work found: its state, and whether it has ended and was a success."""

    content: Any
    state: str
    ended: bool
    success: bool = False


def wait_for(what: str, look: Callable[[], Look]) -> Look:
    """Look at some work until it has ended, and return the last look.

    Show the state on stderr: as one line that changes in a terminal, otherwise as a line for each new state.
    """
    status = Status(f"{what}: ...", console=errors) if errors.is_terminal else None
    shown = ""
    if status:
        status.start()
    try:
        while not (latest := look()).ended:
            if status:
                status.update(f"{what}: {latest.state}")
            elif latest.state != shown:
                errors.print(f"{what}: {latest.state}", markup=False, soft_wrap=True)
            shown = latest.state
            time.sleep(_LOOK_EVERY_S)
        return latest
    finally:
        if status:
            status.stop()
