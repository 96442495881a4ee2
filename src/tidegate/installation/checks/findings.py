"""What a check says: a state, what is so, and what to do about it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from tidegate.bootstrap import Service
from tidegate.cloud.arm import ArmClient
from tidegate.cloud.registrar import Registrar
from tidegate.config.schema import Config, Feed
from tidegate.installation.asset_files import AssetFiles, roles_in


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Found:
    """`do` is empty only where all is well."""

    state: State
    what: str
    do: str = ""


def ok(what: str) -> Found:
    return Found(State.OK, what)


def warn(what: str, do: str) -> Found:
    return Found(State.WARN, what, do)


def fail(what: str, do: str) -> Found:
    return Found(State.FAIL, what, do)


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What checks look at. Its configuration could be read."""

    service: Service
    config: Config
    arm: ArmClient
    assets: AssetFiles

    def feeds(self) -> Iterable[tuple[str, Feed]]:
        return self.config.feeds.items()

    def roles(self) -> list[str]:
        """The workspaces in which jobs are launched."""
        return roles_in(self.config)

    def registrar(self, role: str) -> Registrar:
        return Registrar(self.service.workspaces[role].client)


Check = Callable[[Installation], Iterable[Found]]
