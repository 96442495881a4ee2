"""What a program creates in a Tidepool for itself: accounts, workspaces, principals and functions apps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tidepool.control_client import ControlClient


@dataclass(frozen=True)
class StorageAccount:
    """A storage account that only its creator uses. `id` is its ARM id, and `key` its access key."""

    name: str
    id: str
    key: str


@dataclass(frozen=True)
class Workspace:
    """An Azure ML workspace that only its creator uses, with the name of its default storage account."""

    name: str
    id: str
    storage_account: str


@dataclass(frozen=True)
class ServicePrincipal:
    """A service principal that signs in with a secret. `id` is its object id, which role assignments name."""

    name: str
    id: str
    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)


class Site:
    """An additional functions app.

    Used as a context manager, it is stopped at the end of the `with` block.
    """

    def __init__(self, control: ControlClient, description: Mapping[str, Any]) -> None:
        self._control = control
        self.name: str = description["name"]
        self.url: str = description["url"]
        self.key: str = description["key"]
        self.event_grid_key: str = description["event_grid_key"]
        self.functions: list[str] = description["functions"]
        self.error: str = description["error"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self._control.ask("DELETE", f"/sites/{self.name}")

    def restart(self) -> None:
        self._control.post(f"/sites/{self.name}/restart")

    def kill(self) -> None:
        """Kill the instance: its host and its worker. A new instance starts at once.

        Messages that the old instance processed stay hidden for ten minutes, as in Azure, or for the seconds
        of the app setting TIDEPOOL_QUEUE_LEASE_S.
        """
        self._control.post(f"/sites/{self.name}/kill")

    def fire_timer(self, function: str) -> None:
        self._control.fire_timer(function, self.name)

    def kill_worker_after(self, writes: int) -> None:
        self._control.kill_worker_after(writes, self.name)

    def writes(self) -> list[dict[str, Any]]:
        """Return the write requests of the app's worker that took effect."""
        requests = self._control.ask("GET", "/requests", params={"origin": self.name})
        return [request for request in requests if request["write"]]
