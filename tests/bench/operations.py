"""First screen, lists, explanations and the timer, with a large ledger beside a small one.

OPERATIONS_SIZE is the share of 1,000 partitions, 10,000 model versions, 100,000 activities and 1,000 feeds.
The rows are put into the ledger directly. All requests go to Tidepool, whose tables are slower than Azure's.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from tests.bench.table import Row
from tests.support import config_yaml
from tests.support.api_requests import Api
from tests.support.page_rows import a_partition, a_version, an_activity
from tests.support.pages import Pages
from tests.support.service import start_service
from tidegate.bootstrap import Service
from tidegate.cloud.table_rows import TableRows
from tidegate.domain.lifecycle.records import Model
from tidegate.domain.partitions.catch_up import FeedRecord
from tidegate.messages.commands import Reconcile
from tidepool.cloud import Tidepool

SIZE = float(os.environ.get("OPERATIONS_SIZE", "1"))
REQUESTS = 20
FEW = 10
MODELS = 10
PAGES = {
    "/": "first screen",
    "/feeds/digits": "page of a feed",
    "/models": "page of models",
    "/models/model-0": "page of a model",
    "/activities": "page of activities",
    "/failures": "page of failures",
}
LISTS = (
    "/api/feeds/digits/partitions?limit=10",
    "/api/feeds/digits/partitions/202602",
    "/api/feeds/digits/partitions/202602/activities?limit=10",
    "/api/models?limit=10",
    "/api/models/model-0",
    "/api/jobs?limit=10",
    "/api/failures?limit=10",
    "/api/status",
)
EXPLAINED = "predictions%2Fdigits%2F202602%2F202602-1%2Fg1%2Fpredictions.csv"


def measure(_: Path) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, Tidepool(Path(folder, "tidepool")) as cloud:
        os.environ.update(cloud.environment())
        sizes = {"few": (FEW, 10 * FEW, 100 * FEW), "many": _scaled(1_000, 10_000, 100_000)}
        services = {
            name: _filled(_service(cloud, Path(folder), name, _after(size[0])), size)
            for name, size in sizes.items()
        }
        rows = [*_speeds(services)]
        rows += _timer(cloud, Path(folder))
    return rows


def _scaled(*numbers: int) -> tuple[int, ...]:
    return tuple(max(int(number * SIZE), FEW) for number in numbers)


def _after(months: int) -> datetime:
    """Return a time in the month after so many months."""
    return datetime(2026 + months // 12, months % 12 + 1, 15, tzinfo=UTC)


def _months(count: int) -> list[str]:
    return [f"{2026 + number // 12}{number % 12 + 1:02}" for number in range(count)]


def _service(cloud: Tidepool, folder: Path, name: str, now: datetime, **feeds: dict[str, Any]) -> Service:
    values = config_yaml.values(**feeds) | {"access": {"reader": ["reader"]}}
    (folder / name).mkdir()
    file = config_yaml.write(folder / name, values)
    account = cloud.create_storage_account().name
    return start_service(account, file, lambda: now, authenticated=True)


def _filled(service: Service, sizes: tuple[int, ...]) -> Service:
    partitions, versions, activities = sizes
    months = _months(partitions)
    with _in_batches(service) as ledger:
        for month in months:
            ledger.save(a_partition(month))
        for number in range(MODELS):
            ledger.save(Model(model=f"model-{number}"))
        for number in range(versions):
            state = "passed" if number < MODELS else "retired"
            ledger.save(a_version(f"model-{number % MODELS}", str(number // MODELS), state))
        for number in range(activities):
            activity = an_activity(number, subject=f"digits:{months[number % partitions]}", done=True)
            ledger.save(activity)
            ledger.list_activity(activity)
    return service


@contextmanager
def _in_batches(service: Service) -> Iterator[Any]:
    """Collect what is saved, and write it in transactions of 100 rows."""
    rows: dict[tuple[int, str], tuple[TableRows[Any], list[dict[str, Any]]]] = {}

    def collect(table: TableRows[Any], entity: dict[str, Any], _etag: str | None) -> str:
        rows.setdefault((id(table), entity["PartitionKey"]), (table, []))[1].append(entity)
        return "etag"

    service.ledger.create()
    with mock.patch.object(TableRows, "_write", collect):
        yield service.ledger
    batches = [
        (table._client, entities[start : start + 100])
        for table, entities in rows.values()
        for start in range(0, len(entities), 100)
    ]
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda batch: batch[0].submit_transaction([("create", row) for row in batch[1]]), batches
            )
        )


def _speeds(services: dict[str, Service]) -> Iterator[Row]:
    pages = {name: Pages(lambda service=service: service, "reader") for name, service in services.items()}  # type: ignore[misc]
    apis = {name: Api(lambda service=service: service) for name, service in services.items()}  # type: ignore[misc]
    for path, what in PAGES.items():
        calls = {name: (lambda page=page, path=path: page.get(path)) for name, page in pages.items()}  # type: ignore[misc]
        yield from _compared(what, calls)
    for path in LISTS:
        calls = {name: (lambda api=api, path=path: api.get(path)) for name, api in apis.items()}  # type: ignore[misc]
        yield from _compared(path, calls)
    explain = {
        name: (lambda api=api: api.get(f"/api/explain/{EXPLAINED}"))  # type: ignore[misc]
        for name, api in apis.items()
    }
    slowest, _ = _compared("explain a prediction file", explain)
    yield Row.bound(slowest.what, "ms", (slowest.ours, slowest.other), slowest.beside, "<= 500")


def _compared(what: str, calls: dict[str, Callable[[], Any]]) -> Iterator[Row]:
    """Measure both in turn, so that whatever else the machine does is in both figures."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(REQUESTS + 2):
        for name, call in calls.items():
            time_ms = _time_ms(call)
            if number > 1:
                times[name].append(time_ms)
    few, many = (statistics.quantiles(times[name], n=20)[-1] for name in ("few", "many"))
    yield Row.bound(f"{what}, p95", "ms", (many, few), "10 partitions", "<= 150")
    medians = (statistics.median(times["many"]), statistics.median(times["few"]))
    yield Row.ratio(f"{what}, median", "ms", medians, "10 partitions", "<= 1.3")


def _time_ms(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    answer = call()
    assert answer.status_code == 200, answer
    return 1000 * (time.perf_counter() - started)


def _timer(cloud: Tidepool, folder: Path) -> Iterator[Row]:
    """Count the requests to tables of a tick, with 12 and with 24 finished partitions of each feed."""
    (feeds,) = _scaled(1_000)
    counts = [_requests_of_a_tick(cloud, folder, feeds, partitions) for partitions in (24, 12)]
    reads, writes = ([float(count[kind]) for count in counts] for kind in ("reads", "writes"))
    beside = "half the partitions"
    what = f"timer over {feeds:,} feeds"
    yield Row.ratio(f"{what}, reads", "requests", (reads[0], reads[1]), beside, "<= 1")
    yield Row.bound(f"{what}, writes", "requests", (writes[0], writes[1]), beside, "<= 0")
    yield Row.bound(
        "reads of the timer for each feed",
        "requests",
        (counts[0]["reads"] / feeds, counts[1]["reads"] / feeds),
        "half the partitions",
        "<= 1.1",
    )


def _requests_of_a_tick(cloud: Tidepool, folder: Path, feeds: int, partitions: int) -> dict[str, int]:
    names = [f"feed-{number:04}" for number in range(feeds)]
    months = _months(partitions)
    starts = int(months[0])
    config = {name: config_yaml.a_feed(container=name, starts=starts) for name in names}
    now = datetime(int(months[-1][:4]), int(months[-1][4:]), 15, tzinfo=UTC)
    service = _service(cloud, folder, f"timer-{partitions}", now, **config)
    with _in_batches(service) as ledger:
        for name in names:
            ledger.save(FeedRecord(feed=name, first_seen_at=now, newest=None, outside_listed_at=now))
            for month in months:
                ledger.save(a_partition(month, feed=name))
    tables = f"{service.settings.storage_account}.table."
    service.handlers[Reconcile](Reconcile(cause="timer-first"))  # writes once what later ticks read
    before = cloud.last_request
    service.handlers[Reconcile](Reconcile(cause="timer-bench"))
    methods = [request["method"] for request in cloud.find_requests(host=tables, after=before)]
    return {"reads": methods.count("GET"), "writes": len(methods) - methods.count("GET")}
