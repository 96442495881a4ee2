"""What stories share: an installation of the service of their own, on the session's Tidepool."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.installation import Installation, Running
from tidepool.cloud import Tidepool


@pytest.fixture
def installation(tidepool: Tidepool, tmp_path: Path) -> Iterator[Installation]:
    yield Installation(tidepool, tmp_path)
    tidepool.clear_faults()


@pytest.fixture
def running(installation: Installation) -> Iterator[Running]:
    with installation.start() as running:
        yield running
