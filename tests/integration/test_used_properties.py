"""Properties that Tidepool declares as used: the test that a declaration names fails if one is ignored."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.declared_tests import properties_by_test
from tests.support.ignored_properties import NOTHING
from tests.support.installation import ROOT

FORGETFUL = ROOT / "tests/support/forgetful"


def node_of(name: str) -> str:
    """Return the id that pytest gives to a test, from the name that declarations give to it."""
    module, _, test = name.partition("::")
    return f"tests/{module.replace('/', '/test_')}.py::test_{test}"


class Runs:
    """Runs of tests against a Tidepool that ignores one property."""

    def __init__(self, folder: Path) -> None:
        self._ignores, self._shown = folder / "ignores", folder / "shown.json"
        self._environ = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(FORGETFUL), str(ROOT))),
            "TIDEPOOL_IGNORES": str(self._ignores),
            "TIDEPOOL_SHOWN": str(self._shown),
        }

    def all_together(self, names: list[str]) -> dict[str, dict[str, bool]]:
        """Return by test and property whether the test failed when the property was ignored."""
        self._ignores.write_text("")
        self._pytest("-p", "tests.support.ignored_properties", *map(node_of, names))
        return dict(json.loads(self._shown.read_text()))

    def fails(self, name: str, ignored: str) -> bool:
        """Return whether a test fails if the property is ignored from the start of its module on."""
        self._ignores.write_text(f"{name} {ignored}")
        return self._pytest(node_of(name)) != 0

    def _pytest(self, *arguments: str) -> int:
        # Without a property, some tests wait for what never comes.
        options = ["-q", "--tb=no", "--timeout=30", "-p", "no:cacheprovider"]
        command = [sys.executable, "-m", "pytest", *options, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self._environ, capture_output=True, check=False)
        return done.returncode


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_each_used_property_is_missed_by_its_test(tmp_path: Path, record_property: Any) -> None:
    runs = Runs(tmp_path)
    names = [name for name in sorted(properties_by_test()) if name.startswith("integration/")]

    failed = runs.all_together(names)

    assert {name for name in failed if failed[name].pop(NOTHING)} == set()
    record_property("declared", f"shown by tests: {sum(map(len, failed.values()))} used properties")
    not_shown = [
        f"{name} passes without {ignored}"
        for name, results in failed.items()
        for ignored, has_failed in results.items()
        if not has_failed and not runs.fails(name, ignored)
    ]
    assert not_shown == []
