"""host.json beside the number of the worker's threads."""

import json
from pathlib import Path

from tidegate.cloud.connection import THREADS

QUEUES = json.loads((Path(__file__).parents[2] / "host.json").read_text())["extensions"]["queues"]
QUEUE_FUNCTIONS = 2  # work and work_poison


def test_a_quarter_of_the_threads_remains_for_events_and_the_timer() -> None:
    at_once = QUEUES["batchSize"] + QUEUES["newBatchThreshold"]

    assert QUEUE_FUNCTIONS * at_once <= THREADS * 3 / 4
