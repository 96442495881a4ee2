"""Children of the supervisor: how they are started, and the reaper that ends them when it dies."""

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
    """Start a child in the supervisor's process group, where the reaper finds it; a path is appended to."""
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
    """Start the process that kills this process group when this process is gone, however it ended.

    It holds the read end of a pipe whose only write end is ours: end of file means that we are dead.
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
