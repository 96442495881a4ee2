"""The handle of a running Tidepool: starts a supervisor, or finds one, and asks it for things. Runs no part itself."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tidepool import azurite
from tidepool.estate import CONTROL_HEADER, STATE_FILE


class TidepoolError(RuntimeError):
    """Tidepool did not start, is not running, or refused what was asked."""


class Tidepool:
    """A local Azure. As a context manager it starts at `with` and is gone afterwards; its state stays in `data_dir`."""

    def __init__(self, data_dir: Path | str = ".tidepool", *, seed: int = 0) -> None:
        self.data_dir = Path(data_dir).resolve()
        self._seed = seed
        self._process: subprocess.Popen[str] | None = None
        self._parent_end: int | None = None
        self._http: httpx.Client | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # Life

    def start(self, *, detach: bool = False) -> None:
        """Start the supervisor and wait until it is ready. Not detached, it ends with this process."""
        azurite.ensure()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        ours, its = os.pipe()
        command = [
            sys.executable,
            "-m",
            "tidepool.supervisor",
            f"--data={self.data_dir}",
            f"--seed={self._seed}",
        ]
        if not detach:
            command.append(f"--parent-fd={ours}")
        (self.data_dir / "logs").mkdir(exist_ok=True)
        with (self.data_dir / "logs" / "supervisor.log").open("a") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                pass_fds=[] if detach else [ours],
                start_new_session=True,
            )
        os.close(ours)
        self._parent_end = its
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise TidepoolError(f"Tidepool did not start; see {self.data_dir / 'logs' / 'supervisor.log'}")
        self._connect(json.loads(line))

    def attach(self) -> None:
        """Use the Tidepool that is running on the data folder; TidepoolError where none is."""
        try:
            self._connect(json.loads((self.data_dir / STATE_FILE).read_text()))
            self._get("/ping")
        except (OSError, httpx.TransportError) as error:
            raise TidepoolError(f"no Tidepool is running on {self.data_dir} (tidepool up)") from error

    def stop(self) -> None:
        """End it, with all its children; the state stays."""
        pid = self._process.pid if self._process else int(self._get("/ping")["pid"])
        os.kill(pid, 15)
        if self._process:
            self._process.wait()
        if self._http:
            self._http.close()

    def _connect(self, state: dict[str, Any]) -> None:
        self._http = httpx.Client(
            base_url=state["control"], headers={CONTROL_HEADER: state["token"]}, timeout=None, trust_env=False
        )

    # What it says

    def environment(self, principal: str = "developer") -> dict[str, str]:
        """The variables under which programs find it."""
        return dict(self._get("/environment", principal=principal))

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Every request that came through the proxy, oldest first."""
        return list(self._get("/requests"))

    def mailbox(self) -> list[dict[str, Any]]:
        """What was posted to the mailbox, oldest first."""
        return list(self._get("/mailbox"))

    def create_storage_account(self) -> str:
        """A fresh storage account; returns its name."""
        return str(self._post("/storage-accounts")["name"])

    def _get(self, path: str, **query: Any) -> Any:
        return self._ask("GET", path, params=query)

    def _post(self, path: str, body: Any = None) -> Any:
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        if self._http is None:
            raise TidepoolError("Tidepool is not started")
        answer = self._http.request(method, path, **arguments)
        if answer.is_error:
            raise TidepoolError(answer.json()["error"]["message"])
        return answer.json()
