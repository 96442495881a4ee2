"""The one process of a Tidepool: `python -m tidepool.supervisor`. Opens the listeners, says when it is ready, ends cleanly."""

import argparse
import asyncio
import fcntl
import json
import logging
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import IO

from tidepool import estate
from tidepool.control import Control
from tidepool.network import environment, listen_http
from tidepool.parts import Parts
from tidepool.processes import start_reaper

log = logging.getLogger(__name__)


class Supervisor:
    """Serves the parts until it is told to stop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._token = secrets.token_hex(16)
        self._stopping = asyncio.Event()
        self._control_port = 0
        self._proxy_port = 0

    async def serve(self, *, parent_fd: int | None) -> None:
        """Start, print the one line that says ready, serve, stop. Ends when the pipe at `parent_fd` does."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        if parent_fd is not None:
            loop.add_reader(parent_fd, self._stopping.set)
        control = Control(parts=self._parts, token=self._token, environment=self.environment)
        listener, self._control_port = await listen_http(control.app)
        self._proxy_port = await self._parts.proxy.listen("developer")
        scheduler = asyncio.create_task(self._parts.scheduler.run())
        await self._parts.start()
        self._say_ready()
        await self._stopping.wait()
        listener.close()
        self._parts.proxy.close()
        scheduler.cancel()
        await self._parts.stop()

    def environment(self, principal: str) -> dict[str, str]:
        """What `tidepool env` exports, for a program that runs as that principal."""
        return {
            **environment(
                proxy_port=self._proxy_port,
                authority=self._parts.authority,
                identity_url=f"http://127.0.0.1:{self._control_port}/msi/token",
                identity_header=self._parts.identity.header(principal),
            ),
            "AZURE_SUBSCRIPTION_ID": estate.SUBSCRIPTION,
            "AZURE_RESOURCE_GROUP": estate.RESOURCE_GROUP,
            "AZURE_LOCATION": estate.LOCATION,
            "AZURE_STORAGE_ACCOUNT": estate.STORAGE_ACCOUNT,
            "AZUREML_WORKSPACE_DEVELOPMENT": estate.DEVELOPMENT,
            "AZUREML_WORKSPACE_PRODUCTION": estate.PRODUCTION,
            "NOTIFY_URL": f"jsons://{estate.MAILBOX_HOST}/notify",
        }

    def _say_ready(self) -> None:
        state = {
            "pid": os.getpid(),
            "control": f"http://127.0.0.1:{self._control_port}",
            "token": self._token,
            "proxy_port": self._proxy_port,
        }
        file = self._parts.data_dir / estate.STATE_FILE
        file.touch(mode=0o600)
        file.write_text(json.dumps(state))
        print(json.dumps(state), flush=True)


def main() -> None:
    """Run until SIGTERM, SIGINT, or the end of the pipe at --parent-fd."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parent-fd", type=int)
    arguments = parser.parse_args()
    data_dir = arguments.data.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    if os.getpgrp() != os.getpid():
        os.setsid()
    with (data_dir / "lock").open("w") as lock:
        _take(lock)
        start_reaper()
        asyncio.run(_run(data_dir, arguments.seed, arguments.parent_fd))


async def _run(data_dir: Path, seed: int, parent_fd: int | None) -> None:
    parts = Parts(data_dir, seed)
    logging.basicConfig(
        filename=parts.logs / "supervisor.log",
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    await Supervisor(parts).serve(parent_fd=parent_fd)


def _take(lock: IO[str]) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another Tidepool is running on {Path(lock.name).parent}")


if __name__ == "__main__":
    main()
