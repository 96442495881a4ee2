"""Bursts of new files: how often a partition is listed because of one."""

import heapq
import itertools
from datetime import datetime, timedelta

from tests.support.handler_harness import MONTH, HandlerHarness
from tests.support.payloads import as_json, blob_event
from tests.support.service import take_commands
from tidegate.messages.commands import AnyCommand, CheckPartition

FILES = 1_000
KINDS = {
    "marker": {"marker": "_SUCCESS"},
    "list": {"listed_in": "files.txt"},
    "count": {"min_files": 3},
    "quiet time": {"quiet_for": "5m"},
    "count and quiet time": {"quiet_for": "5m", "min_files": 3},
}
_DELIVERY = 100  # events that Event Grid delivers at a time


def looks_for_burst(harness: HandlerHarness, kind: str, duration: timedelta) -> int:
    """Return how often the month is listed for the files of a burst, until no check is left.

    The files that are really there arrive at the end of it, and then what completes the month.
    """
    cloud, account, clock = harness.installation.cloud, harness.installation.account, harness.clock
    topic = harness.installation.feeds.id
    waiting: list[tuple[datetime, int, CheckPartition]] = []
    numbers = itertools.count()

    def push(command: AnyCommand, delay: timedelta = timedelta()) -> None:
        if isinstance(command, CheckPartition):
            heapq.heappush(waiting, (clock.now + delay, next(numbers), command))

    def work_until(time: datetime) -> None:
        for command in take_commands(cloud, account.name):
            push(command)
        while waiting and waiting[0][0] <= time:
            at, _, command = heapq.heappop(waiting)
            clock.now = max(clock.now, at)
            for follow in harness.do(command):
                push(follow.command, follow.delay)
        clock.now = max(clock.now, time)

    def arrive(names: list[str]) -> None:
        events = [blob_event(f"{MONTH}/{name}", topic=topic) for name in names]
        harness.service.inbox.accept(as_json(*events))
        work_until(clock.now)

    before = _listings(harness)
    names = [f"{number:04}.png" for number in range(FILES)]
    deliveries = [names[at : at + _DELIVERY] for at in range(0, FILES, _DELIVERY)]
    for delivery in deliveries[:-1]:
        arrive(delivery)
        work_until(clock.now + duration / len(deliveries))
    harness.installation.upload(MONTH, dict.fromkeys(deliveries[-1][:3], "cat"), marker=False)
    arrive(deliveries[-1])
    if kind == "list":
        harness.installation.images.upload_blob(f"{MONTH}/files.txt", "\n".join(deliveries[-1][:3]))
        arrive(["files.txt"])
    if kind == "marker":
        harness.installation.upload(MONTH, {})
        arrive(["_SUCCESS"])
    while waiting:
        work_until(waiting[0][0])
    return _listings(harness) - before


def _listings(harness: HandlerHarness) -> int:
    """Return how many times the folder of the month was listed, by Tidepool's record."""
    host = f"{harness.installation.feeds.name}.blob."
    prefix = f"prefix={MONTH}%2F"
    return sum(
        request["method"] == "GET" and "comp=list" in request["query"] and prefix in request["query"]
        for request in harness.installation.cloud.find_requests(host=host)
    )
