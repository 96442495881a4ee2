"""The pytest plugin: one Tidepool for the session; each test has a workspace and an account of its own.

`tidepool` starts it at first use and leads this process into it. Where no test asks, nothing is imported,
as pytest loads this wherever the package is installed, with its extra or without.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tidepool.cloud import StorageAccount, Tidepool, Workspace


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tidepool")
    group.addoption("--tidepool-data", help="keep Tidepool's state in this folder, not in a temporary one")
    group.addoption("--tidepool-seed", type=int, default=0, help="the seed of its faults and delays")


@pytest.fixture(scope="session")
def tidepool(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[Tidepool]":
    """A Tidepool that lives as long as the session, with this process's environment set for it."""
    try:
        from tidepool.cloud import Tidepool
    except ModuleNotFoundError as error:
        pytest.fail(
            f"{error}. Tidepool is an extra of its package: install tidegate[tidepool]", pytrace=False
        )
    kept = request.config.getoption("--tidepool-data")
    data_dir = Path(kept) if kept else tmp_path_factory.mktemp("tidepool")
    with (
        Tidepool(data_dir, seed=request.config.getoption("--tidepool-seed")) as cloud,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in cloud.environment().items():
            patch.setenv(name, value)
        yield cloud


@pytest.fixture
def storage_account(tidepool: "Tidepool") -> "StorageAccount":
    """A storage account that nobody else uses."""
    return tidepool.create_storage_account()


@pytest.fixture
def workspace(tidepool: "Tidepool") -> "Workspace":
    """An Azure ML workspace, with its storage account, that nobody else uses."""
    return tidepool.create_workspace()


@pytest.fixture
def production_workspace(tidepool: "Tidepool") -> "Workspace":
    """A second one."""
    return tidepool.create_workspace()


@pytest.fixture
def faults(tidepool: "Tidepool") -> "Iterator[Tidepool]":
    """Tidepool, whose faults are cleared after the test."""
    yield tidepool
    tidepool.clear_faults()
