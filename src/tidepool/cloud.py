"""The client of a Tidepool.

It starts a supervisor, or finds a running supervisor, and calls its control API.
"""

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tidepool.cloud_resources import ServicePrincipal, Site, StorageAccount, Workspace
from tidepool.control_client import ControlClient
from tidepool.data_folder import DEFAULT, command_line
from tidepool.default_resources import DEFAULT_SITE, PARAMETERS
from tidepool.launch import Launch, TidepoolError

__all__ = [
    "ServicePrincipal",
    "Site",
    "StorageAccount",
    "Tidepool",
    "TidepoolError",
    "UnsettledError",
    "Workspace",
]


class UnsettledError(TidepoolError):
    """Work is still in progress after the time limit. The message lists this work."""


class Tidepool:
    """A local Azure.

    Used as a context manager, it runs until the `with` block ends. Its state stays in `data_dir`. `app` is
    the folder of a functions app to run in it. `seed` makes its faults and delays repeatable. With
    `environments="build"`, jobs and online deployments run in virtual environments that uv builds from
    conda files.

    `templates` are snapshots of Bicep templates (`bicep snapshot`). At the start, the resources of the first
    are made, then `app` runs on the site among them, and then the resources of the others are made.
    `parameters` are the secure parameters of the templates. Others come from the environment.
    """

    def __init__(  # noqa: PLR0913 - what can be set of a Tidepool
        self,
        data_dir: Path | str = DEFAULT,
        *,
        app: Path | str | None = None,
        seed: int = 0,
        environments: str = "shared",
        templates: Sequence[Path | str] = (),
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = Path(data_dir).resolve()
        self._app = None if app is None else Path(app).resolve()
        self._seed = seed
        self._environments = environments
        self._templates = [Path(template).resolve() for template in templates]
        self._parameters = dict(parameters or {})
        self._launch = Launch(self.data_dir)
        self._control = ControlClient(self.data_dir)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, *, detach: bool = False) -> None:
        """Start the supervisor, and wait until it is ready.

        Unless the supervisor is detached, it ends when this process ends.
        """
        arguments = [f"--seed={self._seed}", f"--environments={self._environments}"]
        if self._app is not None:
            arguments.append(f"--app={self._app}")
        arguments += [f"--template={template}" for template in self._templates]
        parameters: dict[str, str] = {}
        for template in self._templates:
            parameters |= _parameters(_snapshot(template), self._parameters)
        variables = {PARAMETERS: json.dumps(parameters)}
        self._control.connect(self._launch.start(arguments, detach=detach, variables=variables))

    def run_template(
        self, template: Path | str | Mapping[str, Any], parameters: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Make the resources of a snapshot, given as a file or as its JSON, and return its outputs.

        What exists is updated. The environment of programs keeps the names of the templates of the start.
        Raise TidepoolError, before anything is made, with all that Tidepool does not emulate, and with the
        resource that was refused.
        """
        document = dict(template) if isinstance(template, Mapping) else _snapshot(Path(template))
        body = {"snapshot": document, "parameters": _parameters(document, parameters or {})}
        return dict(self._control.post("/templates", body))

    def attach(self) -> None:
        """Connect to the Tidepool that runs on the data folder.

        Raise TidepoolError if no Tidepool runs there, or if it does not run the functions app `app`.
        """
        self._control.connect(self._launch.find())
        if self._app is not None and str(self._app) not in [
            site["app_dir"] for site in self.status()["sites"]
        ]:
            raise TidepoolError(
                f"the Tidepool on {self.data_dir} is running without the functions app {self._app}; "
                f"stop it first: {command_line('down', self.data_dir)}"
            )

    @property
    def is_running(self) -> bool:
        """Return whether a Tidepool runs on the data folder and is ready."""
        try:
            self._launch.find()
        except TidepoolError:
            return False
        return True

    def stop(self) -> bool:
        """Stop Tidepool and all its processes, and return whether it was running. The state is kept."""
        self._control.close()
        return self._launch.end()

    def wait(self) -> None:
        """Wait until Tidepool ends. Ctrl-C stops it."""
        try:
            self._launch.wait()
        except KeyboardInterrupt:
            self.stop()

    def delete(self) -> bool:
        """Delete the state of a Tidepool that is not running. Return False if there is none."""
        return self._launch.delete()

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

    def sent_properties(self) -> list[str]:
        """Return the names of all properties in bodies to Resource Manager since the last call.

        They are spelled as in Azure's JSON, such as `environmentId`, and not as in the SDK.
        """
        return list(self._control.ask("GET", "/requests/properties"))

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
    ) -> "Site":
        """Start another functions app.

        `topics` gives the ARM ids for the topics storage, development and production.
        """
        spec = {
            "name": f"app-{uuid.uuid4().hex[:8]}",
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


def _snapshot(file: Path) -> dict[str, Any]:
    from tidepool.arm.snapshots import read_snapshot_file
    from tidepool.errors import AzureError

    try:
        return read_snapshot_file(file)
    except AzureError as error:
        raise TidepoolError(error.message) from error


def _parameters(snapshot: dict[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Return the given parameters, and those of a snapshot that the environment has."""
    from tidepool.arm.snapshots import Snapshot, environment_name
    from tidepool.errors import AzureError

    try:
        names = Snapshot.read(snapshot).parameters()
    except AzureError as error:
        raise TidepoolError(error.message) from error
    variables = {name: os.environ.get(environment_name(name)) for name in names}
    return {**{name: value for name, value in variables.items() if value is not None}, **given}
