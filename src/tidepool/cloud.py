"""The handle of a running Tidepool: starts a supervisor, or finds one, and asks it for things.

Runs no part itself.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tidepool.data_folder import DEFAULT, typed
from tidepool.default_resources import CONTROL_HEADER, DEFAULT_SITE
from tidepool.launch import Launch, TidepoolError


class UnsettledError(TidepoolError):
    """Something is still going on; the message lists it."""


@dataclass(frozen=True)
class StorageAccount:
    """A storage account of one's own; `id` is its ARM id, `key` its access key."""

    name: str
    id: str
    key: str


@dataclass(frozen=True)
class Workspace:
    """An Azure ML workspace of one's own; `storage_account` is the name of its default one."""

    name: str
    id: str
    storage_account: str


class Tidepool:
    """A local Azure.

    As a context manager it starts at `with` and is gone afterwards; its state stays in `data_dir`.

    `app` is the folder of a functions app to run in it; `seed` makes its faults and delays repeatable.
    """

    def __init__(
        self, data_dir: Path | str = DEFAULT, *, app: Path | str | None = None, seed: int = 0
    ) -> None:
        self.data_dir = Path(data_dir).resolve()
        self._app = None if app is None else Path(app).resolve()
        self._seed = seed
        self._launch = Launch(self.data_dir)
        self._http: httpx.Client | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, *, detach: bool = False) -> None:
        """Start the supervisor and wait until it is ready. Not detached, it ends when this process does."""
        arguments = [f"--seed={self._seed}"]
        if self._app is not None:
            arguments.append(f"--app={self._app}")
        self._connect(self._launch.start(arguments, detach=detach))

    def attach(self) -> None:
        """Use the Tidepool that runs on the data folder; TidepoolError where none does, or not with `app`."""
        self._connect(self._launch.find())
        if self._app is not None and str(self._app) not in [
            site["app_dir"] for site in self.status()["sites"]
        ]:
            raise TidepoolError(
                f"the Tidepool that is running on {self.data_dir} is without the functions app {self._app}; "
                f"end it first: {typed('down', self.data_dir)}"
            )

    @property
    def is_running(self) -> bool:
        """Whether one runs on the data folder, ready to be asked."""
        try:
            self._launch.find()
        except TidepoolError:
            return False
        return True

    def stop(self) -> bool:
        """End it with all its children, and wait; the state stays. Whether there was anything to end."""
        if self._http is not None:
            self._http.close()
            self._http = None
        return self._launch.end()

    def wait(self) -> None:
        """Until it ends, or until Ctrl-C, which ends it."""
        try:
            self._launch.wait()
        except KeyboardInterrupt:
            self.stop()

    def delete(self) -> bool:
        """Delete the state of a Tidepool that does not run; False where there is none."""
        return self._launch.delete()

    def environment(self, principal: str = "developer") -> dict[str, str]:
        """The variables under which a program finds it, as `developer` or `tidegate`.

        The id of a resource (a cluster, a workspace, an endpoint) stands for its managed identity.
        """
        return dict(self._ask("GET", "/environment", params={"principal": principal}))

    def token(self, audience: str, principal: str = "developer", lifetime_s: int = 3600) -> str:
        """A bearer token; with a negative lifetime one that has expired."""
        query = {"audience": audience, "principal": principal, "lifetime_s": lifetime_s}
        return str(self._ask("GET", "/token", params=query))

    def status(self) -> dict[str, Any]:
        """Process id, time, functions apps, what is going on and what waits."""
        return dict(self._ask("GET", "/status"))

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The requests that came through the proxy, oldest first: gateway.Recorded says what each has."""
        return list(self._ask("GET", "/requests"))

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that were published, oldest first."""
        return list(self._ask("GET", "/events"))

    def mailbox(self) -> list[dict[str, Any]]:
        """What was posted to the mailbox, oldest first: `time`, `path`, `body`."""
        return list(self._ask("GET", "/mailbox"))

    def advance(self, seconds: float) -> None:
        """Move the time: what waits until then (retries, timers, delayed messages ...) is due now."""
        self._post("/advance", {"seconds": seconds})

    def settle(self, timeout_s: float = 60) -> None:
        """Wait until nothing is queued, delivering, running or provisioning; UnsettledError lists what is."""
        if going_on := self._post("/settle", {"timeout_s": timeout_s}):
            raise UnsettledError(f"after {timeout_s:g} s there is still:\n  " + "\n  ".join(going_on))

    def create_storage_account(self) -> StorageAccount:
        return StorageAccount(**self._post("/storage-accounts"))

    def create_workspace(self, name: str | None = None) -> Workspace:
        """A fresh workspace with a storage account of its own."""
        return Workspace(**self._post("/workspaces", {"name": name or f"mlw-{uuid.uuid4().hex[:12]}"}))

    def inject(self, topic: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Publish an event to a topic (an ARM id); id, time and versions are filled in where it has none."""
        return dict(self._post("/events", {"topic": topic, "event": dict(event)}))

    def functions_app(
        self,
        app_dir: Path | str,
        settings: Mapping[str, str] | None = None,
        topics: Mapping[str, str] | None = None,
    ) -> "Site":
        """Start one more functions app.

        `topics` binds storage, development, production to ARM ids of one's own.
        """
        asked = {
            "name": f"app-{uuid.uuid4().hex[:8]}",
            "app_dir": str(Path(app_dir).resolve()),
            "settings": dict(settings or {}),
            "topics": dict(topics or {}),
        }
        return Site(self, self._post("/sites", asked))

    def fire_timer(self, function: str, site: str = DEFAULT_SITE) -> None:
        """Run a timer function now, and wait for it."""
        self._post(f"/sites/{site}/fire/{function}")

    def fault(self, kind: str, action: str, **rule: Any) -> None:
        """Add a rule of misbehaviour: the fields of faults.Rule."""
        self._post("/faults", {"kind": kind, "action": action, **rule})

    def clear_faults(self) -> None:
        self._ask("DELETE", "/faults")

    def kill_worker_after(self, writes: int, site: str = DEFAULT_SITE) -> None:
        """Kill a worker when its n-th write from now has taken effect, before it sees the answer."""
        self.fault("worker", "kill", match={"origin": site}, skip=writes - 1)

    def _connect(self, state: dict[str, Any]) -> None:
        headers = {CONTROL_HEADER: state["token"]}
        self._http = httpx.Client(base_url=state["control"], headers=headers, timeout=None, trust_env=False)

    def _post(self, path: str, body: Any = None) -> Any:
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        if self._http is None:
            raise TidepoolError("Tidepool is not started")
        try:
            answer = self._http.request(method, path, **arguments)
        except httpx.TransportError as error:
            raise TidepoolError(f"Tidepool on {self.data_dir} does not answer: {error}") from error
        if answer.is_error:
            raise TidepoolError(_message(answer))
        return answer.json()


class Site:
    """A functions app that was started for a while. As a context manager it is stopped at the end."""

    def __init__(self, cloud: Tidepool, described: Mapping[str, Any]) -> None:
        self._cloud = cloud
        self.name: str = described["name"]
        self.url: str = described["url"]
        self.key: str = described["key"]
        self.event_grid_key: str = described["event_grid_key"]
        self.functions: list[str] = described["functions"]
        self.error: str = described["error"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self._cloud._ask("DELETE", f"/sites/{self.name}")

    def restart(self) -> None:
        self._cloud._post(f"/sites/{self.name}/restart")

    def fire_timer(self, function: str) -> None:
        self._cloud.fire_timer(function, self.name)

    def kill_worker_after(self, writes: int) -> None:
        self._cloud.kill_worker_after(writes, self.name)

    def writes(self) -> list[dict[str, Any]]:
        """The writes of its worker that took effect."""
        recorded = self._cloud._ask("GET", "/requests", params={"origin": self.name})
        return [one for one in recorded if one["write"]]


def _message(answer: httpx.Response) -> str:
    if answer.headers.get("content-type") == "application/json":
        return str(answer.json()["error"]["message"])
    return f"Tidepool failed; see its log: tidepool logs supervisor ({answer.text})"
