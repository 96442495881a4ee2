"""A pytest plugin that repeats each test for each property that it is to show, which Tidepool then ignores.

The test should fail then, and pass if nothing is ignored. The file `TIDEPOOL_SHOWN` gets the results.
"""

import json
import os
from collections import defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.support.declared_tests import name_of, properties_by_test

NOTHING = "nothing"
_failed: dict[str, dict[str, bool]] = defaultdict(dict)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat a test for each property that declarations say it shows."""
    path = Path(str(metafunc.module.__file__))
    properties = sorted(properties_by_test().get(name_of(path, metafunc.function.__name__), ()))
    metafunc.parametrize("ignored", [NOTHING, *properties], indirect=True)


@pytest.fixture(autouse=True)
def ignored(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have Tidepool ignore one property until the test ends."""
    file = Path(os.environ["TIDEPOOL_IGNORES"])
    file.write_text(f"{name_of(request.path, request.node.originalname)} {request.param}")
    yield
    file.write_text("")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write down whether the test failed, unless it was skipped."""
    report = yield
    assert isinstance(item, pytest.Function)
    if report.skipped:
        return report
    name = name_of(item.path, item.originalname)
    property_ = str(item.callspec.params["ignored"])
    _failed[name][property_] = _failed[name].get(property_, False) or report.failed
    Path(os.environ["TIDEPOOL_SHOWN"]).write_text(json.dumps(_failed))
    return report
