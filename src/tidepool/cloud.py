"""The client of a Tidepool, which starts a supervisor, or finds one that runs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tidepool.cloud_resources import ServicePrincipal, Site, StorageAccount, Workspace
from tidepool.control_client import ControlClient
from tidepool.data_folder import DEFAULT, command_line
from tidepool.default_resources import PARAMETERS
from tidepool.launch import Launch, TidepoolError
from tidepool.running import RunningTidepool, UnsettledError, secure_parameters, snapshot_of

__all__ = [
    "ServicePrincipal",
    "Site",
    "StorageAccount",
    "Tidepool",
    "TidepoolError",
    "UnsettledError",
    "Workspace",
]


class Tidepool(RunningTidepool):
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
        super().__init__(ControlClient(self.data_dir))

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
            parameters |= secure_parameters(snapshot_of(template), self._parameters)
        variables = {PARAMETERS: json.dumps(parameters)}
        self._control.connect(self._launch.start(arguments, detach=detach, variables=variables))

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
