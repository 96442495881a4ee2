"""What stories share: an installation of the service of their own, on the session's Tidepool."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.installation import Estate, Running
from tidepool.cloud import Tidepool


@pytest.fixture
def estate(tidepool: Tidepool, tmp_path: Path) -> Iterator[Estate]:
    yield Estate(tidepool, tmp_path)
    tidepool.clear_faults()


@pytest.fixture
def running(estate: Estate) -> Iterator[Running]:
    with estate.start() as running:
        yield running
