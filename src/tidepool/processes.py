"""Children of the supervisor: how they are started, and the reaper that ends them all when the supervisor dies."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
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
    """Start a child in the supervisor's process group (so that the reaper finds it); a path is appended to."""
    opened = [open(target, "ab") if isinstance(target, Path) else target for target in (stdout, stderr)]
    try:
        return await asyncio.create_subprocess_exec(
            *command, env=dict(environ), cwd=cwd, stdin=subprocess.DEVNULL, stdout=opened[0], stderr=opened[1]
        )
    finally:
        for file in opened:
            if not isinstance(file, int):
                file.close()


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
