"""Many BlobArrived events of three months (quiet_for 15m), delivered to one worker process."""

import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.bench.indexing import EMPTY
from tests.bench.table import Row
from tests.support import config_yaml, payloads
from tests.support.bursts import FILES, KINDS, looks_for_burst
from tests.support.handler_harness import HandlerHarness
from tests.support.installation import Installation
from tidegate.installation.package import unpacked
from tidepool.cloud import Site, StorageAccount, Tidepool

EVENTS = 20_000
FEWER = EVENTS // 10
BATCH = 100  # as infra/subscriptions.yaml has it
SENDERS = 4
NOOP = EMPTY.replace("func.EventGridEvent", "str")  # as ours takes it: the event is not made an object first
BURST, CHECK_DELAY = timedelta(seconds=45), timedelta(seconds=10)
MONTHS = ("202601", "202602", "202603")


def measure(root: Path) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, Tidepool(Path(folder, "tidepool")) as cloud:
        account = cloud.create_storage_account()
        events = list(_events(account, EVENTS))
        with _noop(cloud, Path(folder, "noop")) as noop:
            noop_rate = _rate(noop, events)
        with _service(cloud, root, Path(folder), account) as few:
            _rate(few, events[:FEWER])
            few_writes = len(few.writes())
        with _service(cloud, root, Path(folder), account) as ours:
            our_rate = _rate(ours, events)
            our_writes = len(ours.writes())
        os.environ.update(cloud.environment())
        looks = {
            kind: _looks(cloud, Path(folder, f"burst{number}"), kind) for number, kind in enumerate(KINDS)
        }
    return [
        Row.ratio("events accepted", "1/s", (our_rate, noop_rate), "no-op function", ">= 0.5"),
        Row.ratio(
            f"writes for {EVENTS:,} blobs",
            "writes",
            (our_writes, few_writes),
            f"for {FEWER:,} blobs",
            "<= 1.2",
        ),
        *(
            Row.bound(
                f"{kind}: looks at a burst of {FILES:,} files in {BURST.seconds} s",
                "lists",
                (count, BURST / CHECK_DELAY),
                "a look at each check delay",
                "<= 2",
            )
            for kind, count in looks.items()
        ),
    ]


def _looks(cloud: Tidepool, folder: Path, kind: str) -> int:
    folder.mkdir()
    installation = Installation(cloud, folder, complete_when=[KINDS[kind]], late_files={"quiet_for": "5m"})
    return looks_for_burst(HandlerHarness(installation), kind, BURST)


def _events(account: StorageAccount, count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        path = f"{MONTHS[number % len(MONTHS)]}/image-{number:06}.png"
        yield payloads.blob_event(path, id=str(uuid.uuid4()), topic=account.id)


def _noop(cloud: Tidepool, folder: Path) -> Site:
    folder.mkdir()
    (folder / "function_app.py").write_text(NOOP)
    (folder / "host.json").write_text('{"version": "2.0"}')
    return cloud.functions_app(folder)


def _service(cloud: Tidepool, root: Path, folder: Path, account: StorageAccount) -> Site:
    """Start a new process, so that no delayed check remains from before."""
    feed = config_yaml.a_feed(account.name, complete_when=[{"quiet_for": "15m"}])
    settings = {"TIDEGATE_CONFIG": str(config_yaml.write(folder, config_yaml.values(digits=feed)))}
    return cloud.functions_app(unpacked(root), settings, {"storage": account.id})


def _rate(site: Site, events: list[dict[str, Any]]) -> float:
    """Return the events per second; all of them must be answered with success."""
    batches = [events[at : at + BATCH] for at in range(0, len(events), BATCH)]
    with httpx.Client(trust_env=False, timeout=120) as client, ThreadPoolExecutor(SENDERS) as senders:
        url = f"{site.url}/runtime/webhooks/eventgrid"
        query = {"functionName": "blob_arrived", "code": site.event_grid_key}
        headers = {"aeg-event-type": "Notification"}

        def send(batch: list[dict[str, Any]]) -> None:
            client.post(url, params=query, headers=headers, json=batch).raise_for_status()

        send(batches[0][:1])  # the first event finds a warm process
        started = time.perf_counter()
        list(senders.map(send, batches))
        return len(events) / (time.perf_counter() - started)
