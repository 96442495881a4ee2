"""The pytest plugin: one Tidepool for the session, and a workspace and a storage account for each test.

The fixture `tidepool` starts Tidepool at its first use, and sets the environment of this process. If no test
uses the fixture, this module imports nothing else. The reason is that pytest loads this module wherever the
package is installed, even without the extra `tidepool`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tidepool.cloud import StorageAccount, Tidepool, Workspace


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tidepool")
    group.addoption(
        "--tidepool-data", help="keep the state of Tidepool in this folder instead of a temporary one"
    )
    group.addoption(
        "--tidepool-seed", type=int, default=0, help="the seed that makes faults and delays repeatable"
    )


@pytest.fixture(scope="session")
def tidepool(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[Tidepool]":
    """Start a Tidepool for the session, and direct this process to it."""
    try:
        from tidepool.cloud import Tidepool
    except ModuleNotFoundError as error:
        pytest.fail(f"{error}. Tidepool is not installed: install tidegate[tidepool]", pytrace=False)
    option = request.config.getoption("--tidepool-data")
    data_dir = Path(option) if option else tmp_path_factory.mktemp("tidepool")
    with (
        Tidepool(data_dir, seed=request.config.getoption("--tidepool-seed")) as cloud,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in cloud.environment().items():
            patch.setenv(name, value)
        yield cloud


@pytest.fixture
def storage_account(tidepool: "Tidepool") -> "StorageAccount":
    """Create a storage account for this test alone."""
    return tidepool.create_storage_account()


@pytest.fixture
def workspace(tidepool: "Tidepool") -> "Workspace":
    """Create an Azure ML workspace with its storage account for this test alone."""
    return tidepool.create_workspace()


@pytest.fixture
def production_workspace(tidepool: "Tidepool") -> "Workspace":
    """Create a second workspace for this test alone."""
    return tidepool.create_workspace()


@pytest.fixture
def faults(tidepool: "Tidepool") -> "Iterator[Tidepool]":
    """Return Tidepool, and clear its fault rules after the test."""
    yield tidepool
    tidepool.clear_faults()
