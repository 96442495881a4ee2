"""The child processes of the supervisor, and the reaper that kills them when the supervisor dies."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

_REAPER = "import os, signal, sys; os.read(int(sys.argv[1]), 1); os.killpg(0, signal.SIGKILL)"


async def spawn(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    stdout: Path | int,
    stderr: Path | int,
    cwd: Path | None = None,
) -> asyncio.subprocess.Process:
    """Start a child in the process group of the supervisor, which the reaper kills.

    If `stdout` or `stderr` is a path, the output is appended to that file.
    """
    with ExitStack() as files:
        streams = [
            files.enter_context(to.open("ab")) if isinstance(to, Path) else to for to in (stdout, stderr)
        ]
        return await asyncio.create_subprocess_exec(
            *command,
            env=dict(environ),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=streams[0],
            stderr=streams[1],
        )


def start_reaper() -> None:
    """Start the process that kills this process group when this process ends for any reason.

    It reads from a pipe whose only write end is in this process. End of file means that this process ended.
    """
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, False)
    subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", _REAPER, str(read_end)],
        pass_fds=[read_end],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_end)
