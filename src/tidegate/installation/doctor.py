"""`tidegate doctor`: the table of its checks, and the report that they make together."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tidegate.bootstrap import Service, build
from tidegate.cloud.arm import ArmClient
from tidegate.errors import ConfigError, TidegateError
from tidegate.installation.asset_files import AssetFiles, installed_assets
from tidegate.installation.checks import access, connections, feeds, quotas, workspaces
from tidegate.installation.checks.check import Check, CheckInputs, CheckState
from tidegate.installation.script_pipelines import with_scripts

CHECKS: Mapping[str, Check] = {
    "identity": access.identity,
    "roles": access.roles,
    "separation": access.separation,
    "workspaces": workspaces.workspaces,
    "storage": connections.storage,
    "datastores": workspaces.datastores,
    "pipelines": workspaces.pipelines,
    "models": workspaces.models,
    "holdouts": workspaces.holdouts,
    "rollouts": workspaces.rollouts,
    "computes": workspaces.computes,
    "quotas": quotas.quotas,
    "catch_up": feeds.catch_up,
    "subscriptions": connections.subscriptions,
    "topic": access.topic,
    "notifications": connections.notifications,
    "undelivered": connections.undelivered,
    "pauses": connections.pauses,
    "service": connections.service,
}


@dataclass(frozen=True)
class Finding:
    """One line of the report: a check's result with the name of the check."""

    check: str
    state: CheckState
    what: str
    do: str = ""


def examine(service: Callable[[], Service] = build, assets: AssetFiles | None = None) -> Iterator[Finding]:
    """Run every check and yield its findings. Without a valid configuration the other checks are skipped."""
    try:
        built = service()
        config = built.config()
    except ConfigError as error:
        do = "correct it: docs/configuration.md describes every key"
        yield Finding("configuration", CheckState.FAIL, str(error), do)
        for name in CHECKS:
            yield Finding(name, CheckState.SKIPPED, "not checked, because the configuration is not valid")
        return
    file, names = built.settings.config_file, ", ".join(config.feeds)
    yield Finding("configuration", CheckState.OK, f"{file} is valid, with the feeds {names}")
    with with_scripts(assets or installed_assets(), config, built.settings.config_file.parent) as files:
        inputs = CheckInputs(service=built, config=config, arm=ArmClient(built.credential), assets=files)
        for name, check in CHECKS.items():
            yield from _run(name, check, inputs)


def _run(name: str, check: Check, inputs: CheckInputs) -> Iterator[Finding]:
    try:
        for result in check(inputs):
            yield Finding(name, result.state, result.what, result.do)
    except TidegateError as error:
        what = f"the check could not finish: {error}"
        do = "correct this and run doctor again; if Azure refused access, see the check `roles` above"
        yield Finding(name, CheckState.FAIL, what, do)
