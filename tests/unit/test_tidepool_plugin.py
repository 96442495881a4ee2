"""The pytest plugin, which pytest loads wherever the package is installed."""

import subprocess
import sys

LOADED = "import sys, tidepool.pytest_plugin; print(*(name for name in sys.modules if 'tidepool.' in name))"


def test_it_imports_nothing_of_tidepool_until_a_test_asks_for_it() -> None:
    output = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True).stdout

    assert output.split() == ["tidepool.pytest_plugin"]
