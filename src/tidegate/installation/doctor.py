"""`tidegate doctor`: the table of its checks, and the report that they make together."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import TypeVar

from tidegate.bootstrap import Service, build
from tidegate.cloud.arm import ArmClient
from tidegate.errors import ConfigError, TidegateError, TransientError
from tidegate.installation.asset_files import AssetFiles, installed_assets
from tidegate.installation.checks import access, app_settings, connections, feeds, quotas, workspaces
from tidegate.installation.checks.check import Check, CheckInputs, CheckState
from tidegate.installation.script_pipelines import with_scripts

Answer = TypeVar("Answer")

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
    "batch_rollouts": workspaces.batch_rollouts,
    "computes": workspaces.computes,
    "quotas": quotas.quotas,
    "catch_up": feeds.catch_up,
    "subscriptions": connections.subscriptions,
    "topic": access.topic,
    "settings": app_settings.app_settings,
    "notifications": connections.notifications,
    "undelivered": connections.undelivered,
    "pauses": connections.pauses,
    "service": connections.service,
}
# These checks need no token, so they are made also if nobody can be signed in.
_WITHOUT_SIGN_IN = ("rollouts", "notifications")
_NOT_REACHED = "not checked, because nobody could be signed in"
# A host that accepts connections and does not answer must not hold doctor up. It ends within ten seconds if
# neither the running service nor Azure answers. If the service answers, Azure may take longer, because the
# command lines that sign people in are slow.
_NOTHING_S, _AZURE_S = 9.0, 30.0
_API_VERSION = "2024-04-01"


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
        yield from _examine(inputs)


def is_unreachable(findings: Iterable[Finding]) -> bool:
    """Return whether Azure could not be reached, so that little was checked."""
    return any(finding.what == _NOT_REACHED for finding in findings)


def _examine(inputs: CheckInputs) -> Iterator[Finding]:
    """Run every check. If Azure does not answer, run only the checks that need no sign-in."""
    service = _in_background(lambda: list(_run("service", connections.service, inputs)))
    sign_in = _in_background(lambda: list(access.identity(inputs)))
    reached = _in_background(lambda: _reach(inputs))
    try:
        identity = _of_azure(sign_in, service)
        _of_azure(reached, service)
    except TransientError as error:
        do = "check the network and the proxy (locally: make up), or sign in: az login"
        yield Finding("identity", CheckState.FAIL, str(error), do)
        for name, check in CHECKS.items():
            if name in _WITHOUT_SIGN_IN:
                yield from _run(name, check, inputs)
            elif name not in ("identity", "service"):
                yield Finding(name, CheckState.SKIPPED, _NOT_REACHED)
        do = "run doctor again when it has started"
        yield from (
            service.result()
            if service.done()
            else [Finding("service", CheckState.FAIL, "the service does not answer", do)]
        )
    else:
        for name, check in CHECKS.items():
            if name == "identity":
                yield from (Finding(name, result.state, result.what, result.do) for result in identity)
            elif name != "service":
                yield from _run(name, check, inputs)
        yield from service.result()  # a cold start can take half a minute


def _of_azure(answer: "Future[Answer]", service: "Future[list[Finding]]") -> Answer:
    """Return what Azure answers. Raise TransientError if neither Azure nor the service answers soon."""
    wait([answer], timeout=_NOTHING_S / 2)
    answered = service.done() and not any(found.state is CheckState.FAIL for found in service.result())
    try:
        return answer.result(_AZURE_S if answered else _NOTHING_S / 2)
    except TimeoutError:
        raise TransientError("Azure does not answer") from None


def _reach(inputs: CheckInputs) -> None:
    """Ask Azure Resource Manager for a workspace. Any answer will do: the checks report what it says."""
    with suppress(TidegateError):
        inputs.arm.get(inputs.config.workspaces.development.arm_id, _API_VERSION)


def _in_background(call: Callable[[], Answer]) -> "Future[Answer]":
    """Start a call in a thread, which nothing waits for after it has taken too long."""
    future: Future[Answer] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except Exception as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


def _run(name: str, check: Check, inputs: CheckInputs) -> Iterator[Finding]:
    try:
        for result in check(inputs):
            yield Finding(name, result.state, result.what, result.do)
    except TidegateError as error:
        what = f"the check could not finish: {error}"
        do = "correct this and run doctor again; if Azure refused access, see the check `roles` above"
        yield Finding(name, CheckState.FAIL, what, do)
