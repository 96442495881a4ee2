"""`tidegate doctor`: the table of its checks, and the report that they make together."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread

from tidegate.bootstrap import Service, build
from tidegate.cloud.arm import ArmClient
from tidegate.errors import ConfigError, TidegateError, TransientError
from tidegate.installation.asset_files import AssetFiles, installed_assets
from tidegate.installation.checks import access, connections, feeds, quotas, workspaces
from tidegate.installation.checks.check import Check, CheckInputs, CheckResult, CheckState
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
# These checks need no token, so they are made also if nobody can be signed in.
_WITHOUT_SIGN_IN = ("rollouts", "notifications")
_NOT_REACHED = "not checked, because nobody could be signed in"
# How long the sign-in may take if the running service does not answer either. It may take longer otherwise,
# because the command lines that it asks are slow.
_SIGN_IN_S = 5.0


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
    """Run every check. If nobody can be signed in, run only the checks that need no sign-in."""
    sign_in = _InBackground(lambda: list(access.identity(inputs)))
    running = list(_run("service", connections.service, inputs))
    gone = any(finding.state is CheckState.FAIL for finding in running)
    try:
        identity = sign_in.result(_SIGN_IN_S if gone else None)
    except TransientError as error:
        do = "check the network and the proxy (locally: make up), or sign in: az login"
        yield Finding("identity", CheckState.FAIL, str(error), do)
        for name, check in CHECKS.items():
            if name in _WITHOUT_SIGN_IN:
                yield from _run(name, check, inputs)
            elif name not in ("identity", "service"):
                yield Finding(name, CheckState.SKIPPED, _NOT_REACHED)
    else:
        for name, check in CHECKS.items():
            if name == "identity":
                yield from (Finding(name, result.state, result.what, result.do) for result in identity)
            elif name != "service":
                yield from _run(name, check, inputs)
    yield from running


class _InBackground:
    """A call in a thread, which nothing waits for after it has taken too long."""

    def __init__(self, call: Callable[[], list[CheckResult]]) -> None:
        self._results: SimpleQueue[list[CheckResult] | Exception] = SimpleQueue()
        Thread(target=self._run, args=(call,), daemon=True).start()

    def result(self, timeout_s: float | None) -> list[CheckResult]:
        """Return what the call returns, or raise what it raises. Raise TransientError after the time-out."""
        try:
            result = self._results.get(timeout=timeout_s)
        except Empty:
            raise TransientError(f"Azure did not answer within {timeout_s:g} s") from None
        if isinstance(result, Exception):
            raise result
        return result

    def _run(self, call: Callable[[], list[CheckResult]]) -> None:
        try:
            self._results.put(call())
        except Exception as error:  # noqa: BLE001 - it is raised where the result is asked for
            self._results.put(error)


def _run(name: str, check: Check, inputs: CheckInputs) -> Iterator[Finding]:
    try:
        for result in check(inputs):
            yield Finding(name, result.state, result.what, result.do)
    except TidegateError as error:
        what = f"the check could not finish: {error}"
        do = "correct this and run doctor again; if Azure refused access, see the check `roles` above"
        yield Finding(name, CheckState.FAIL, what, do)
