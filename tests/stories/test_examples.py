"""`make up` of each example: a local cloud of its own, a model, and a partition that is scored."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from examples.digits import images
from examples.sales import sales
from examples.tables import orders

from tests.support.azure_clients import container_client
from tests.support.installation import ROOT
from tidegate.api_client import ApiClient
from tidepool.cloud import Tidepool

LIVE = {"claimed", "submitted", "job_completed"}
TIMER_S = 301


@dataclass(frozen=True)
class Arrival:
    """The files of a partition, the marker last, and where they arrive."""

    feed: str
    container: str
    folder: str
    files: Mapping[str, bytes]


def a_month_of(example: str) -> Arrival:
    match example:
        case "digits":
            files = {digit.name: digit.png for digit in images.month("202612", 20)}
            return Arrival("digits", "images", "202612", {**files, "_SUCCESS": b""})
        case "tables":
            return Arrival("orders", "orders", "202611", orders.month_of("202611"))
        case _:
            month = sales.ARRIVES
            return Arrival("sales", "images", f"sales/{month}", sales.delivery(sales.all_keys(40), month))


@pytest.fixture
def up(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, Tidepool]]:
    """Yield an example and its local cloud, which is stopped after the test."""
    example, data = request.param, tmp_path / "data"
    monkeypatch.setenv("TIDEPOOL_DATA", str(data))
    command = [sys.executable, "-m", f"examples.{example}.up"]
    cloud = Tidepool(data)
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        cloud.attach()
        for name, value in cloud.environment().items():
            monkeypatch.setenv(name, value)
        yield example, cloud
    finally:
        cloud.stop()


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("up", ["digits", "tables", "sales"], indirect=True)
def test_make_up_of_each_example_scores_the_partition_that_arrives_next(up: tuple[str, Tidepool]) -> None:
    example, cloud = up
    variables = cloud.environment()
    arrival = a_month_of(example)
    container = container_client(variables["AZURE_STORAGE_ACCOUNT"], arrival.container)
    for name, content in arrival.files.items():
        container.upload_blob(f"{arrival.folder}/{name}", content)

    api, states = ApiClient(variables["FUNCTIONS_URL"], variables["FUNCTIONS_KEY"]), set[str]()
    path = f"/api/feeds/{arrival.feed}/partitions/{arrival.folder.rpartition('/')[2]}/jobs"
    for _ in range(10):
        cloud.settle(300)
        states = {scoring["state"] for scoring in api.get(path)}
        if states and not states & LIVE:
            break
        cloud.advance(TIMER_S)

    assert states == {"scored"}
