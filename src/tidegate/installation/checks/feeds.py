"""The check of what each feed will start."""

from collections.abc import Iterable

from tidegate.installation.checks.check import CheckInputs, CheckResult, ok


def catch_up(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Say how many jobs of each feed will start, from a dry run on its real files."""
    for name, _ in inputs.feeds():
        yield ok(f"feed {name}: {inputs.service.dry_runs.feed(name).starts}")
