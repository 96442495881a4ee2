"""Starts the supervisor's process, finds a running one, waits for its end. Asks it for nothing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from tidepool.estate import STATE_FILE
from tidepool.storage import azurite

_OWN = "store.sqlite"  # the file by which a data folder is known


class TidepoolError(RuntimeError):
    """Tidepool did not start, is not running, or refused what was asked."""


class Launch:
    """A supervisor on a data folder: one that was started here, or one that was found."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._process: subprocess.Popen[str] | None = None
        self._write_end = -1

    def start(self, arguments: list[str], *, detach: bool) -> dict[str, Any]:
        """Start it and wait until it is ready; its state. Not detached, it ends when this process does.

        It knows by a pipe, of which it holds the one end and this process the other.
        """
        azurite.ensure()
        log_file = self.data_dir / "logs" / "supervisor.log"
        log_file.parent.mkdir(parents=True, exist_ok=True)
        read_end, self._write_end = os.pipe()
        command = [sys.executable, "-m", "tidepool.supervisor", f"--data={self.data_dir}", *arguments]
        with log_file.open("a") as log:
            self._process = subprocess.Popen(
                command if detach else [*command, f"--parent-fd={read_end}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                pass_fds=[] if detach else [read_end],
                start_new_session=True,
            )
        os.close(read_end)
        return self._said(log_file)

    def find(self) -> dict[str, Any]:
        """The state of the one that runs; TidepoolError where none does."""
        try:
            state: dict[str, Any] = json.loads((self.data_dir / STATE_FILE).read_text())
            self._pid = state["pid"]
            if psutil.Process(self._pid).status() != psutil.STATUS_ZOMBIE:
                return state
        except (OSError, psutil.NoSuchProcess):
            pass
        raise TidepoolError(f"no Tidepool is running on {self.data_dir} (start one: tidepool up)")

    def wait(self) -> None:
        """Until it has ended."""
        if self._process is not None:
            self._process.wait()
            os.close(self._write_end)
            return
        try:
            psutil.Process(self._pid).wait()
        except psutil.NoSuchProcess:
            pass

    def delete(self) -> None:
        """Delete the data folder of a Tidepool that does not run."""
        if self.data_dir.exists() and not (self.data_dir / _OWN).exists():
            raise TidepoolError(f"{self.data_dir} is not a data folder of Tidepool; nothing was deleted")
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def _said(self, log_file: Path) -> dict[str, Any]:
        """The one line that it prints when it is ready."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            lines = log_file.read_text().strip().splitlines() or ["it said nothing"]
            raise TidepoolError(f"Tidepool did not start: {lines[-1]} ({log_file})")
        state: dict[str, Any] = json.loads(line)
        return state
