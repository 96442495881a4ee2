"""The inputs and results of doctor's checks. A result has a state, a finding, and what to do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from tidegate.bootstrap import Service
from tidegate.cloud.arm import ArmClient
from tidegate.cloud.registrar import Registrar
from tidegate.config.schema import Config, Feed
from tidegate.installation.asset_files import AssetFiles, roles_in


class CheckState(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class CheckResult:
    """One result of a check. `do` is empty only if the state is OK."""

    state: CheckState
    what: str
    do: str = ""


def ok(what: str) -> CheckResult:
    return CheckResult(CheckState.OK, what)


def warn(what: str, do: str) -> CheckResult:
    return CheckResult(CheckState.WARN, what, do)


def fail(what: str, do: str) -> CheckResult:
    return CheckResult(CheckState.FAIL, what, do)


@dataclass(frozen=True, kw_only=True)
class CheckInputs:
    """The service with a valid configuration, and clients for what the checks compare with it."""

    service: Service
    config: Config
    arm: ArmClient
    assets: AssetFiles

    def feeds(self) -> Iterable[tuple[str, Feed]]:
        return self.config.feeds.items()

    def roles(self) -> list[str]:
        """Return the workspaces in which jobs are submitted: `development`, `production`."""
        return roles_in(self.config)

    def registrar(self, role: str) -> Registrar:
        return Registrar(self.service.workspaces[role].client)


Check = Callable[[CheckInputs], Iterable[CheckResult]]
