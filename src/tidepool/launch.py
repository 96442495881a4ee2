"""Starts the supervisor's process, finds a running one, ends it and waits. Asks it for nothing else."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from tidepool.data_folder import claim, holder, is_own, typed
from tidepool.default_resources import STATE_FILE, STOP_WITHIN_S
from tidepool.storage import azurite

_PATIENCE_S = STOP_WITHIN_S + 5  # it ends a shutdown that hangs by itself


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
        if not claim(self.data_dir):
            raise TidepoolError(
                f"{self.data_dir} is not empty and not a data folder of Tidepool; name another one (--data)"
            )
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
        except OSError:
            state = {}
        held = holder(self.data_dir)
        if held is None:
            start = typed("up", self.data_dir)
            raise TidepoolError(f"no Tidepool is running on {self.data_dir} (start one: {start})")
        if held.pid != state.get("pid"):
            raise TidepoolError(
                f"the Tidepool on {self.data_dir} (process {held.pid}) is starting or ending; "
                f"wait, or end it: {typed('down', self.data_dir)}"
            )
        return state

    def wait(self) -> None:
        """Until it has ended."""
        if self._process is not None:
            self._process.wait()
            self._process = None
            os.close(self._write_end)
        elif held := holder(self.data_dir):
            held.wait()

    def end(self, patience_s: float = _PATIENCE_S) -> bool:
        """End what holds the data folder, by force where it does not end when asked; whether anything did."""
        held = holder(self.data_dir)
        if held is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                held.terminate()
                if psutil.wait_procs([held], timeout=patience_s)[1]:
                    held.kill()
        self.wait()
        return held is not None

    def delete(self) -> bool:
        """Delete the data folder of a Tidepool that does not run; False where there is none."""
        if not self.data_dir.exists():
            return False
        if not is_own(self.data_dir):
            raise TidepoolError(f"{self.data_dir} is not a data folder of Tidepool; nothing was deleted")
        shutil.rmtree(self.data_dir, ignore_errors=True)
        return True

    def _said(self, log_file: Path) -> dict[str, Any]:
        """The one line that it prints when it is ready."""
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as said:
            line = said.readline()
        if not line:
            self._process.wait()
            lines = log_file.read_text().strip().splitlines() or ["it said nothing"]
            raise TidepoolError(f"Tidepool did not start: {lines[-1]} ({log_file})")
        state: dict[str, Any] = json.loads(line)
        return state
