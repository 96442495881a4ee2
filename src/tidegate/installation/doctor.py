"""Says what is wrong with an installation, and what to do about it. Checks are data; nothing is changed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tidegate.bootstrap import Service, build
from tidegate.cloud.arm import ArmClient
from tidegate.errors import ConfigError, TidegateError
from tidegate.installation.asset_files import AssetFiles
from tidegate.installation.checks import access, quotas
from tidegate.installation.checks import connections as plumbing
from tidegate.installation.checks import workspaces as learning
from tidegate.installation.checks.findings import Check, Installation, State

CHECKS: Mapping[str, Check] = {
    "identity": access.identity,
    "roles": access.roles,
    "separation": access.separation,
    "workspaces": learning.workspaces,
    "storage": plumbing.storage,
    "datastores": learning.datastores,
    "pipelines": learning.pipelines,
    "models": learning.models,
    "holdouts": learning.holdouts,
    "rollouts": learning.rollouts,
    "computes": learning.computes,
    "quotas": quotas.quotas,
    "subscriptions": plumbing.subscriptions,
    "topic": access.topic,
    "notifications": plumbing.notifications,
    "service": plumbing.service,
}


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    check: str
    state: State
    what: str
    do: str = ""


def examine(service: Callable[[], Service] = build, assets: AssetFiles | None = None) -> Iterator[Finding]:
    """Every check's findings, as they come. Without a configuration the others are skipped."""
    try:
        built = service()
        config = built.config()
    except ConfigError as error:
        yield Finding("configuration", State.FAIL, str(error), "mend it: docs/configuration.md has every key")
        yield from (Finding(name, State.SKIPPED, "needs the configuration") for name in CHECKS)
        return
    file, feeds = built.settings.config_file, ", ".join(config.feeds)
    yield Finding("configuration", State.OK, f"{file} has the feeds {feeds}")
    installation = Installation(
        service=built, config=config, arm=ArmClient(built.credential), assets=assets or AssetFiles()
    )
    for name, check in CHECKS.items():
        yield from _carried_out(name, check, installation)


def _carried_out(name: str, check: Check, installation: Installation) -> Iterator[Finding]:
    try:
        for found in check(installation):
            yield Finding(name, found.state, found.what, found.do)
    except TidegateError as error:
        do = "mend that and look again; if Azure refused it, the roles above say what is missing"
        yield Finding(name, State.FAIL, str(error), do)
