"""The environment variables with which a program runs against this Tidepool."""

from collections.abc import Callable, Mapping

from tidepool import default_resources
from tidepool.access.identity import Identity
from tidepool.access.managed_identity import ManagedIdentity
from tidepool.functions.front_end import DEVELOPER, session_token
from tidepool.functions.host import FunctionsApp
from tidepool.functions.keys import FunctionKeys
from tidepool.network import Authority, environment


class ProgramEnvironment:
    """The environment variables for a principal.

    `default_app` returns the default functions app if it runs. `outputs` returns the outputs of the templates
    that were run, which name their resources.
    """

    def __init__(  # noqa: PLR0913 - its dependencies, by keyword
        self,
        *,
        authority: Authority,
        identity: Identity,
        managed_identity: ManagedIdentity,
        keys: FunctionKeys,
        default_app: Callable[[], FunctionsApp | None],
        outputs: Callable[[], Mapping[str, str]],
    ) -> None:
        self._authority = authority
        self._identity = identity
        self._managed_identity = managed_identity
        self._keys = keys
        self._default_app = default_app
        self._outputs = outputs
        self._control_port = 0
        self._proxy_ports: Mapping[str, int] = {}

    def set_ports(self, *, control_port: int, proxy_ports: Mapping[str, int]) -> None:
        """Set the open ports: the port of the control API, and a proxy port for each origin of requests."""
        self._control_port = control_port
        self._proxy_ports = proxy_ports

    def page(self, path: str) -> str:
        """Return the address of a page of the control port, for a browser on this machine."""
        return f"http://127.0.0.1:{self._control_port}{path}"

    def variables(self, principal: str, proxy_port: int | None = None) -> dict[str, str]:
        """Return the variables that `tidepool env` exports for a program that runs as this principal.

        The id of a resource stands for its managed identity. Raise ValueError if there is no such
        principal.
        """
        variables = {
            **self.connection(principal, proxy_port),
            **default_resources.variables(),
            **self._outputs(),
            "EVENTGRID_KEY": self._keys.event_grid,
        }
        app = self._default_app()
        if app is None:
            return variables
        token = session_token(DEVELOPER, app.keys.master)
        keys = {"FUNCTIONS_KEY": app.keys.default, "FUNCTIONS_TOKEN": token}
        return {**variables, "FUNCTIONS_URL": app.url, **keys}

    def connection(self, principal: str, proxy_port: int | None = None) -> dict[str, str]:
        """Return the variables that direct a program to Tidepool, without those that name resources."""
        origin = "compute" if principal.startswith("/") else "developer"
        return environment(
            proxy_port=proxy_port or self._proxy_ports[origin],
            authority=self._authority,
            identity_url=f"http://127.0.0.1:{self._control_port}/msi/token",
            identity_header=self._managed_identity.header(self._identity.principal(principal)),
        )
