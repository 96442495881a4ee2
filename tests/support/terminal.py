"""Run the command line in a process of its own: in a pipe, or in a terminal of some width."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

COMMAND = [sys.executable, "-m", "tidegate.cli.app"]
_DEADLINE_S = 60


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end, with pipes for its output."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, check=False, timeout=_DEADLINE_S, env=_environ(environ)
    )


def run_into_closed_pipe(*arguments: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command whose output goes to a pipe that nobody reads any more, as after `| head -1`."""
    read, write = os.pipe()
    os.close(read)
    try:
        return subprocess.run(
            [*COMMAND, *arguments],
            stdout=write,
            stderr=subprocess.PIPE,
            check=False,
            timeout=_DEADLINE_S,
            env=_environ(environ),
        )
    finally:
        os.close(write)


@dataclass
class Terminal:
    """A command in a terminal with this number of columns and 24 lines."""

    arguments: tuple[str, ...]
    columns: int = 60
    environ: Mapping[str, str] = field(default_factory=dict)
    output: bytes = b""

    def __enter__(self) -> Self:
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, self.columns, 0, 0))
        self.attributes_before = termios.tcgetattr(self._slave)
        self.process = subprocess.Popen(
            [*COMMAND, *self.arguments],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env={**_environ(self.environ), "TERM": "xterm-256color"},
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)
        os.close(self._slave)

    @property
    def attributes(self) -> list[object]:
        return termios.tcgetattr(self._slave)

    def wait(self) -> int:
        """Read the output to the end of the command, and return its exit code."""
        deadline = time.monotonic() + _DEADLINE_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.output
            self._read()
        self._read()
        return self.process.returncode

    def wait_for(self, text: bytes) -> None:
        """Read the output until it has a text."""
        deadline = time.monotonic() + _DEADLINE_S
        while text not in self.output:
            assert time.monotonic() < deadline, self.output
            self._read()

    def _read(self) -> None:
        while select.select([self._master], [], [], 0.1)[0]:
            self.output += os.read(self._master, 65536)


def _environ(changes: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with changes, without a width that would replace the terminal's."""
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")} | dict(
        changes
    )
