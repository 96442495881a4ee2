"""Settings of all tests; the fixtures are in `tests.support.fixtures`."""

import gc
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

# Azure's SDKs and MLflow create hundreds of thousands of objects that live on. With the usual thresholds, the
# garbage collector takes a sixth of the time of their imports.
gc.set_threshold(50_000, 20, 20)


def pytest_sessionfinish() -> None:
    """Keep pytest from looking at all living objects ten times in its own clean-up."""
    gc.collect()
    gc.freeze()


pytest_plugins = ["tests.support.fixtures"]

# No example is too slow: the machine that runs the tests may have other things to do.
settings.register_profile(
    "unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")


def pytest_terminal_summary(terminalreporter: "TerminalReporter") -> None:
    """Print how many properties Tidepool declares, if the test that counts them ran."""
    lines = [
        str(line)
        for report in terminalreporter.getreports("passed")
        for name, line in report.user_properties
        if name == "declared" and report.when == "call"
    ]
    if lines:
        terminalreporter.section("Properties of requests that Tidepool declares", sep="-")
        for line in lines:
            terminalreporter.write_line(line)
