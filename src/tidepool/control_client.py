"""The client of a Tidepool's control API."""

from pathlib import Path
from typing import Any

import httpx

from tidepool.default_resources import CONTROL_HEADER
from tidepool.launch import TidepoolError


class ControlClient:
    """The connection to the Tidepool of a data folder, once it is started or found."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._http: httpx.Client | None = None

    def connect(self, state: dict[str, Any]) -> None:
        headers = {CONTROL_HEADER: state["token"]}
        self._http = httpx.Client(
            base_url=state["control"],
            headers=headers,
            timeout=None,
            trust_env=False,
            verify=False,  # plain HTTP; the certificates of all authorities would take long to load
        )

    def post(self, path: str, body: Any = None) -> Any:
        return self.ask("POST", path, json=body)

    def ask(self, method: str, path: str, **arguments: Any) -> Any:
        if self._http is None:
            raise TidepoolError("Tidepool is not started; call start() or attach()")
        try:
            answer = self._http.request(method, path, **arguments)
        except httpx.TransportError as error:
            raise TidepoolError(f"Tidepool on {self._data_dir} does not answer: {error}") from error
        if answer.is_error:
            raise TidepoolError(_message(answer))
        return answer.json()

    def fire_timer(self, function: str, site: str) -> None:
        self.post(f"/sites/{site}/fire/{function}")

    def add_fault(self, kind: str, action: str, **rule: Any) -> None:
        self.post("/faults", {"kind": kind, "action": action, **rule})

    def kill_worker_after(self, writes: int, site: str) -> None:
        self.add_fault("worker", "kill", match={"origin": site}, skip=writes - 1)

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None


def _message(answer: httpx.Response) -> str:
    if answer.headers.get("content-type") == "application/json":
        return str(answer.json()["error"]["message"])
    return f"Tidepool failed. To see its log, run: tidepool logs supervisor ({answer.text})"
