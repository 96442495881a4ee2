"""Forks: processes with the modules of the fork server, and otherwise their own."""

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path

import psutil

from tidepool.forking.processes import ForkedProcess, ForkedProcesses
from tidepool.forking.server import Order

PROGRAM = """
import os, random, sys, time

def main():
    told = (os.getcwd(), os.environ.get("OWN"), "decimal" in sys.modules, *sys.argv[1:])
    os.write(1, (" ".join(map(str, told)) + "\\n").encode())  # in one piece: others write, too
    if "wait" in sys.argv:
        time.sleep(100)
    sys.exit(int(sys.argv[1]))
"""


class Forks:
    """A fork server that has imported one module, and a program for its forks."""

    def __init__(self, folder: Path, idle_s: float = 120) -> None:
        self.log = folder / "log"
        self._folder = folder
        (folder / "program.py").write_text(PROGRAM)
        self.processes = ForkedProcesses(modules=["decimal"], idle_s=idle_s)

    async def fork(self, *arguments: str) -> ForkedProcess:
        environ = {"OWN": "mine"}
        with socket.create_server(("127.0.0.1", 0)) as listener:
            order = Order("program", list(arguments), environ, str(self._folder))
            return await self.processes.fork(order, listener=listener, log_file=self.log)


def test_a_fork_has_the_imports_and_an_environment_and_a_status_of_its_own(tmp_path: Path) -> None:
    async def statuses() -> list[int]:
        forks = Forks(tmp_path)
        started = await asyncio.gather(*(forks.fork(status) for status in ("0", "7")))
        waiting = await forks.fork("0", "wait")
        while "0 wait" not in forks.log.read_text():
            await asyncio.sleep(0.01)
        assert waiting.returncode is None
        os.kill(waiting.pid, signal.SIGTERM)
        ends = [await process.wait() for process in (*started, waiting)]
        await forks.processes.stop()
        return ends

    assert asyncio.run(statuses()) == [0, 7, -signal.SIGTERM]
    lines = sorted(line.rpartition(" --fd=")[0] for line in (tmp_path / "log").read_text().splitlines())
    assert lines == [f"{tmp_path} mine True {rest}" for rest in ("0", "0 wait", "7")]


def test_forks_end_with_their_server_and_the_next_fork_starts_another(tmp_path: Path) -> None:
    async def use() -> list[int]:
        forks = Forks(tmp_path)
        waiting = await forks.fork("0", "wait")
        psutil.Process(waiting.pid).parent().kill()
        ends = [await waiting.wait(), await (await forks.fork("5")).wait()]
        await forks.processes.stop()
        return ends

    assert asyncio.run(use()) == [-signal.SIGKILL, 5]


def test_a_fork_lives_on_that_was_ordered_before_the_end_of_the_last_one_was_known(tmp_path: Path) -> None:
    async def use() -> int | None:
        forks = Forks(tmp_path, idle_s=0.1)
        last = await forks.fork("0", "wait")
        server = psutil.Process(last.pid).parent()
        server.suspend()
        last.kill()
        ordered = asyncio.create_task(forks.fork("0", "wait"))
        await asyncio.sleep(0.05)
        server.resume()  # it reports the end of the last fork, and then forks
        process = await ordered
        await asyncio.sleep(0.3)
        status = process.returncode
        process.kill()
        await forks.processes.stop()
        return status

    assert asyncio.run(use()) is None


def test_a_fork_that_nobody_waits_for_is_ended(tmp_path: Path) -> None:
    async def use() -> None:
        forks = Forks(tmp_path)
        first = await forks.fork("0", "wait")
        server = psutil.Process(first.pid).parent()
        for steps in range(10):
            given_up = asyncio.create_task(forks.fork("0", "wait"))
            for _ in range(steps):
                await asyncio.sleep(0)
            given_up.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await given_up
        first.kill()
        async with asyncio.timeout(30):
            while server.children():
                await asyncio.sleep(0.01)
        await forks.processes.stop()

    asyncio.run(use())
