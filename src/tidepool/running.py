"""What programs and tests do with a running Tidepool, through its control API."""

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tidepool.cloud_resources import ServicePrincipal, Site, StorageAccount, Workspace
from tidepool.control_client import ControlClient
from tidepool.default_resources import DEFAULT_SITE
from tidepool.launch import TidepoolError


class UnsettledError(TidepoolError):
    """Work is still in progress after the time limit. The message lists this work."""


class RunningTidepool:
    """A Tidepool that runs: its resources, what came through it, its time and its faults."""

    def __init__(self, control: ControlClient) -> None:
        self._control = control

    def environment(self, principal: str = "developer") -> dict[str, str]:
        """Return the variables with which a program uses Tidepool as `developer` or as `tidegate`.

        If `principal` is the id of a cluster, a workspace or an endpoint, the program uses the managed
        identity of this resource.
        """
        return dict(self._control.ask("GET", "/environment", params={"principal": principal}))

    def token(self, audience: str, principal: str = "developer", lifetime_s: int = 3600) -> str:
        """Return a bearer token. A token with a negative lifetime has expired already."""
        query = {"audience": audience, "principal": principal, "lifetime_s": lifetime_s}
        return str(self._control.ask("GET", "/token", params=query))

    def status(self) -> dict[str, Any]:
        """Return the process id, the time, the functions apps, the work in progress and what is due later."""
        return dict(self._control.ask("GET", "/status"))

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Return the requests that came through the proxy, oldest first: gateway.RecordedRequest as dicts."""
        return self.find_requests()

    def find_requests(self, *, host: str = "", path: str = "", after: int = 0) -> list[dict[str, Any]]:
        """Return the requests whose host starts with `host` and whose path contains `path`, oldest first.

        With `after` they are those that came after the request with this number.
        """
        query = {"host": host.lower(), "path": path, "after": after}
        return list(self._control.ask("GET", "/requests", params=query))

    @property
    def last_request(self) -> int:
        """Return the number of the newest request, to be given to `find_requests` as `after` later."""
        return int(self._control.ask("GET", "/requests/last")["number"])

    @property
    def events(self) -> list[dict[str, Any]]:
        """Return the events that were published, oldest first."""
        return list(self._control.ask("GET", "/events"))

    def mailbox(self) -> list[dict[str, Any]]:
        """Return what was posted to the mailbox, oldest first, with `time`, `host`, `path` and `body`."""
        return list(self._control.ask("GET", "/mailbox"))

    def advance(self, seconds: float) -> None:
        """Move the emulated time forward.

        All retries, timers and delayed messages of the skipped time become due.
        """
        self._control.post("/advance", {"seconds": seconds})

    def settle(self, timeout_s: float = 60) -> None:
        """Wait until nothing is queued, delivering, running or provisioning.

        Raise UnsettledError if work is still in progress after `timeout_s`.
        """
        if going_on := self._control.post("/settle", {"timeout_s": timeout_s}):
            raise UnsettledError(f"still in progress after {timeout_s:g} s:\n  " + "\n  ".join(going_on))

    def create_storage_account(self) -> StorageAccount:
        return StorageAccount(**self._control.post("/storage-accounts"))

    def create_service_principal(self, name: str) -> ServicePrincipal:
        """Register an application with a client secret. Its service principal has no roles yet."""
        return ServicePrincipal(**self._control.post("/service-principals", {"name": name}))

    def seed(self, target: str, folder: Path | str) -> list[str]:
        """Upload a folder to `account/container` or `account/container/folder`, and return the blob names.

        Account and container are created if need be. Everyone can read a new container without a token, as
        public samples need.
        """
        account, _, path = target.partition("/")
        container, _, prefix = path.partition("/")
        source = Path(folder).resolve()
        if not account or not container or not source.is_dir():
            raise TidepoolError(
                f"cannot seed {target!r} from {folder}: name ACCOUNT/CONTAINER and an existing folder"
            )
        body = {"account": account, "container": container, "prefix": prefix, "folder": str(source)}
        return list(self._control.post("/seed", body))

    def create_workspace(self, name: str | None = None, reads: Sequence[str] = ()) -> Workspace:
        """Create a workspace with a storage account of its own.

        The identities of its jobs get the role Storage Blob Data Reader on the storage accounts `reads`. They
        need it for datastores without credentials.
        """
        body = {"name": name or f"mlw-{uuid.uuid4().hex[:12]}", "reads": list(reads)}
        return Workspace(**self._control.post("/workspaces", body))

    def inject(self, topic: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Publish an event to a topic, given by its ARM id. A missing id, time or version is filled in."""
        return dict(self._control.post("/events", {"topic": topic, "event": dict(event)}))

    def functions_app(
        self,
        app_dir: Path | str,
        settings: Mapping[str, str] | None = None,
        topics: Mapping[str, str] | None = None,
        site_id: str = "",
    ) -> "Site":
        """Start another functions app.

        `topics` gives the ARM ids for the topics storage, development and production. With `site_id`, the id
        of a site that a template made, the app has the site's name, identity and app settings, with
        `settings` in place of those of the same name, and its event subscriptions are the template's.
        """
        spec = {
            "name": site_id.rpartition("/")[2] or f"app-{uuid.uuid4().hex[:8]}",
            "resource_id": site_id,
            "app_dir": str(Path(app_dir).resolve()),
            "settings": dict(settings or {}),
            "topics": dict(topics or {}),
        }
        return Site(self._control, self._control.post("/sites", spec))

    def fire_timer(self, function: str, site: str = DEFAULT_SITE) -> None:
        """Run a timer function now, and wait for it."""
        self._control.fire_timer(function, site)

    def fault(self, kind: str, action: str, **rule: Any) -> None:
        """Add a fault rule with the fields of faults.FaultRule."""
        self._control.add_fault(kind, action, **rule)

    def clear_faults(self) -> None:
        self._control.ask("DELETE", "/faults")

    def accept_logged_models(self, accepted: bool = True) -> None:
        """Answer MLflow 3's logged models from now on, also after a restart.

        Azure ML's tracking server does not know them and answers 404. This is the default.
        """
        self._control.post("/logged-models", {"accepted": accepted})

    def kill_worker_after(self, writes: int, site: str = DEFAULT_SITE) -> None:
        """Kill the worker as soon as its n-th write from now has taken effect.

        It does not get the response.
        """
        self._control.kill_worker_after(writes, site)

    def run_template(
        self, template: Path | str | Mapping[str, Any], parameters: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Make the resources of a snapshot, given as a file or as its JSON, and return its outputs.

        What exists is updated. The environment of programs keeps the names of the templates of the start.
        Raise TidepoolError, before anything is made, with all that Tidepool does not emulate, and with the
        resource that was refused.
        """
        document = dict(template) if isinstance(template, Mapping) else snapshot_of(Path(template))
        body = {"snapshot": document, "parameters": secure_parameters(document, parameters or {})}
        return dict(self._control.post("/templates", body))


def snapshot_of(file: Path) -> dict[str, Any]:
    """Return the JSON of a snapshot. Raise TidepoolError if the file has none."""
    from tidepool.arm.snapshots import read_snapshot_file
    from tidepool.errors import AzureError

    try:
        return read_snapshot_file(file)
    except AzureError as error:
        raise TidepoolError(error.message) from error


def secure_parameters(snapshot: dict[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Return the given parameters, and those of a snapshot that the environment has."""
    from tidepool.arm.snapshots import Snapshot, environment_name
    from tidepool.errors import AzureError

    try:
        names = Snapshot.read(snapshot).parameters()
    except AzureError as error:
        raise TidepoolError(error.message) from error
    variables = {name: os.environ.get(environment_name(name)) for name in names}
    return {**{name: value for name, value in variables.items() if value is not None}, **given}
