"""The process of the supervisor: starting it, finding a running one, and ending it."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from tidepool.data_folder import claim, command_line, holder, is_own
from tidepool.default_resources import STATE_FILE, STOP_WITHIN_S
from tidepool.storage import azurite

_PATIENCE_S = STOP_WITHIN_S + 5  # the supervisor ends itself if its shutdown hangs


class TidepoolError(RuntimeError):
    """Tidepool did not start, is not running, or refused a request."""


class Launch:
    """The supervisor of a data folder, started by this process or by another one."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._process: subprocess.Popen[str] | None = None
        self._write_end = -1

    def start(
        self, arguments: list[str], *, detach: bool, variables: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Start the supervisor, wait until it is ready, and return its state.

        If the supervisor is not detached, it ends when this process ends, because the pipe between the two
        processes is then closed. `variables` are further environment variables of the supervisor.
        """
        if not claim(self.data_dir):
            raise TidepoolError(
                f"{self.data_dir} is not empty and not a data folder of Tidepool; "
                "name another folder with --data"
            )
        azurite.ensure()
        log_file = self.data_dir / "logs" / "supervisor.log"
        log_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        log_file.touch(mode=0o600)
        read_end, self._write_end = os.pipe()
        command = [sys.executable, "-m", "tidepool.supervisor", f"--data={self.data_dir}", *arguments]
        with log_file.open("a") as log:
            self._process = subprocess.Popen(
                command if detach else [*command, f"--parent-fd={read_end}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **(variables or {})},
                pass_fds=[] if detach else [read_end],
                start_new_session=True,
            )
        os.close(read_end)
        return self._read_state(log_file)

    def find(self) -> dict[str, Any]:
        """Return the state of the running supervisor. Raise TidepoolError if none runs."""
        try:
            state: dict[str, Any] = json.loads((self.data_dir / STATE_FILE).read_text())
        except OSError:
            state = {}
        held = holder(self.data_dir)
        if held is None:
            start = command_line("up", self.data_dir)
            raise TidepoolError(f"no Tidepool is running on {self.data_dir}; to start one, run: {start}")
        if held.pid != state.get("pid"):
            raise TidepoolError(
                f"the Tidepool on {self.data_dir} (process {held.pid}) is starting or ending; "
                f"wait, or stop it: {command_line('down', self.data_dir)}"
            )
        return state

    def wait(self) -> None:
        """Wait until the supervisor has ended."""
        if self._process is not None:
            self._process.wait()
            self._process = None
            os.close(self._write_end)
        elif held := holder(self.data_dir):
            held.wait()

    def end(self, patience_s: float = _PATIENCE_S) -> bool:
        """Stop the process that has locked the data folder.

        If it has not ended after `patience_s`, kill it. Return whether there was such a process.
        """
        held = holder(self.data_dir)
        if held is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                held.terminate()
                if psutil.wait_procs([held], timeout=patience_s)[1]:
                    held.kill()
        self.wait()
        return held is not None

    def delete(self) -> bool:
        """Delete the data folder of a Tidepool that is not running. Return False if there is none."""
        if not self.data_dir.exists():
            return False
        if not is_own(self.data_dir):
            raise TidepoolError(f"{self.data_dir} is not a data folder of Tidepool; nothing was deleted")
        shutil.rmtree(self.data_dir, ignore_errors=True)
        return True

    def _read_state(self, log_file: Path) -> dict[str, Any]:
        """Return the state that the supervisor prints when it is ready.

        Raise TidepoolError if it ends before.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            line = stdout.readline()
        if not line:
            self._process.wait()
            lines = log_file.read_text().strip().splitlines() or ["it printed no error"]
            raise TidepoolError(f"Tidepool did not start: {lines[-1]} (its log is {log_file})")
        state: dict[str, Any] = json.loads(line)
        return state
