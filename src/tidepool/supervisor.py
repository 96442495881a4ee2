"""The main process of a Tidepool, `python -m tidepool.supervisor`: its start, its output and its shutdown."""

import argparse
import asyncio
import faulthandler
import gc
import json
import logging
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import IO

import uvloop

from tidepool import default_resources
from tidepool.composition import Composition
from tidepool.control import Control
from tidepool.data_folder import command_line, holder, lock
from tidepool.errors import AzureError
from tidepool.estate import Estate
from tidepool.jobs.python_environments import BUILD, SHARED
from tidepool.lifecycle import Lifecycle
from tidepool.network import listen_http
from tidepool.processes import start_reaper

_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


async def serve(
    composition: Composition, *, estate: Estate, parent_fd: int | None, stop_within_s: float
) -> None:
    """Start Tidepool, print its state when it is ready, and serve until a signal or the end of the pipe."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    if parent_fd is not None:
        loop.add_reader(parent_fd, stopping.set)
    token = secrets.token_hex(16)
    control = Control(composition=composition, token=token)
    listener, port = await listen_http(control.app)
    lifecycle = Lifecycle(composition)
    await lifecycle.start(port)
    await estate.deploy(composition)
    await lifecycle.start_events()
    _print_ready(composition, f"http://127.0.0.1:{port}", token)
    await stopping.wait()
    # If the shutdown hangs, write a traceback to the log and exit. The reaper then kills the children.
    faulthandler.dump_traceback_later(stop_within_s, exit=True)
    if parent_fd is not None:
        loop.remove_reader(parent_fd)
    listener.close()
    await lifecycle.stop()
    (composition.data_dir / default_resources.STATE_FILE).unlink(missing_ok=True)


def _print_ready(composition: Composition, control: str, token: str) -> None:
    state = json.dumps({"pid": os.getpid(), "control": control, "token": token})
    file = composition.data_dir / default_resources.STATE_FILE
    file.touch(mode=0o600)
    file.write_text(state)
    print(state, flush=True)


def main() -> None:
    """Run a Tidepool on a data folder.

    Only the owner can read the files that this process and its children make, because many contain secrets.
    """
    os.umask(0o077)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--app", type=Path)
    parser.add_argument("--template", type=Path, action="append", default=[])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--environments", choices=(SHARED, BUILD), default=SHARED)
    parser.add_argument("--parent-fd", type=int)
    parser.add_argument("--stop-within", type=float, default=default_resources.STOP_WITHIN_S)
    arguments = parser.parse_args()
    gc.freeze()  # what is imported lives on, and the garbage collector need not look at it
    data_dir: Path = arguments.data.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    if os.getpgrp() != os.getpid():
        os.setsid()
    with _locked(data_dir):
        start_reaper()
        _log_to(data_dir / "logs")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(data_dir, arguments))


def _log_to(folder: Path) -> None:
    """Write the lines of functions apps to a log file of their own, and all others to stderr."""
    folder.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=_FORMAT)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    functions = logging.getLogger("tidepool.functions.host")
    functions.addHandler(logging.FileHandler(folder / "functions.log"))
    functions.handlers[0].setFormatter(logging.Formatter(_FORMAT))
    functions.propagate = False


async def _run(data_dir: Path, arguments: argparse.Namespace) -> None:
    composition = Composition(data_dir, arguments.seed, arguments.environments)
    try:
        await _serve(composition, arguments)
    except AzureError as error:
        sys.exit(error.message)


async def _serve(composition: Composition, arguments: argparse.Namespace) -> None:
    await serve(
        composition,
        estate=Estate(
            templates=tuple(arguments.template),
            parameters=json.loads(os.environ.pop(default_resources.PARAMETERS, "{}")),
            app_dir=arguments.app and arguments.app.resolve(),
        ),
        parent_fd=arguments.parent_fd,
        stop_within_s=arguments.stop_within,
    )


def _locked(data_dir: Path) -> IO[str]:
    try:
        return lock(data_dir)
    except BlockingIOError:
        held = holder(data_dir)
        process = f" (process {held.pid})" if held else ""
        down = command_line("down", data_dir)
        sys.exit(f"a Tidepool{process} is already running on {data_dir}; to stop it, run: {down}")


if __name__ == "__main__":
    main()
