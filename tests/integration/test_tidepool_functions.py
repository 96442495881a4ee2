"""Tidepool's Functions host: a real app in a real worker, called the ways Azure calls it."""

import asyncio
import base64
import json
import os
import signal
import textwrap
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from azure.core.exceptions import ResourceExistsError
from azure.identity import DefaultAzureCredential
from azure.storage.queue import QueueClient

from tidepool import estate
from tidepool.azurite_client import Answer
from tidepool.cloud import Site, StorageAccount, Tidepool
from tidepool.functions import FunctionsApp
from tidepool.scheduler import Scheduler
from tidepool.store import Store
from tidepool.worker_process import InvocationError

SAMPLE = Path(__file__).parent / "sample_app"
Notes = Callable[[str], list[dict[str, Any]]]
SETTINGS = {"WORK_QUEUE": "work", "SCHEDULE": "0 0 3 * * *"}


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    """What a function of the sample app noted."""
    file = tmp_path / "notes"

    def read(function: str) -> list[dict[str, Any]]:
        lines = file.read_text().splitlines() if file.exists() else []
        return [note for note in map(json.loads, lines) if note["function"] == function]

    return read


@pytest.fixture
def site(tidepool: Tidepool, storage_account: StorageAccount, tmp_path: Path) -> Iterator[Site]:
    settings = {**SETTINGS, "NOTES": str(tmp_path / "notes")}
    with tidepool.functions_app(SAMPLE, settings, {"storage": storage_account.id}) as started:
        yield started


# HTTP


def ask(site: Site, method: str, path: str, **arguments: Any) -> httpx.Response:
    return httpx.request(method, site.url + path, **arguments)


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/api/hello/world", 200, "hello, world"),
        ("GET", "/api/HELLO/world", 200, "hello, world"),
        ("GET", "/api/things/12", 200, "thing 12"),
        ("GET", "/api/things/twelve", 404, ""),
        ("DELETE", "/api/hello/bob", 404, ""),
        ("GET", "/hello/world", 404, ""),
        ("GET", "/api/silent", 204, ""),
        ("GET", "/api/boom", 500, ""),
        ("GET", "/api/hello/bob", 401, ""),
    ],
)
def test_http_routes(site: Site, method: str, path: str, status: int, text: str) -> None:
    answer = ask(site, method, path)

    assert (answer.status_code, answer.text) == (status, text)


def test_function_keys(site: Site) -> None:
    header = {"x-functions-key": site.key}

    answers = {
        "header": ask(site, "GET", "/api/hello/bob", headers=header),
        "query": ask(site, "GET", "/api/hello/bob", params={"code": site.key}),
        "wrong": ask(site, "GET", "/api/hello/bob", headers={"x-functions-key": site.key + "x"}),
        "another": ask(site, "GET", "/api/hello/bob", headers={"x-functions-key": site.event_grid_key}),
        "admin": ask(site, "GET", "/api/admin-only", headers=header),
    }

    assert {name for name, answer in answers.items() if answer.status_code == 200} == {"header", "query"}
    assert {answer.status_code for answer in answers.values()} == {200, 401}


def test_a_function_sees_the_request_and_makes_the_answer(site: Site) -> None:
    answer = ask(
        site,
        "POST",
        "/api/hello/a%2Fb?x=1&x=2&y=%C3%A9",
        content="the body",
        headers={"x-functions-key": site.key},
    )

    assert answer.json() == {"name": "a/b", "params": {"x": "1,2", "y": "é"}, "body": "the body"}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-seen"] == "yes"


def test_an_asgi_app_behind_a_route(site: Site) -> None:
    answer = ask(site, "GET", "/api/asgi/deep/path?q=1")

    assert answer.status_code == 201
    assert answer.json() == {"path": "/api/asgi/deep/path", "query": "q=1"}
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]


# The Event Grid webhook


def event(subject: str = "/a") -> dict[str, Any]:
    return {
        "id": subject,
        "topic": "/t",
        "subject": subject,
        "eventType": "T",
        "eventTime": "2026-11-20T12:00:00.1234567Z",
        "data": {},
        "dataVersion": "",
    }


VALIDATION = [{**event(), "data": {"validationCode": "abc"}}]


@pytest.mark.parametrize(
    ("kind", "function", "body", "status"),
    [
        ("Notification", "arrived", event(), 202),
        ("Notification", "arrived", [event("/a"), event("/b")], 202),
        ("Notification", "arrived", [], 202),
        ("Notification", "ARRIVED", [event()], 202),
        ("Notification", "arrived", [event("/a"), event("/poison"), event("/c")], 500),
        ("Notification", "arrived", ["text"], 400),
        ("Notification", "arrived", [event("/x" * 250_000)], 202),
        ("Notification", "unknown", [event()], 404),
        ("Notification", "work", [event()], 404),
        ("SubscriptionValidation", "arrived", VALIDATION, 200),
        ("SubscriptionValidation", "unknown", VALIDATION, 404),
        ("SubscriptionValidation", "arrived", {}, 400),
        ("Unsubscribe", "arrived", [], 202),
        ("Another", "arrived", [event()], 400),
        (None, "arrived", [event()], 400),
    ],
)
def test_the_event_grid_webhook(  # noqa: PLR0917
    site: Site,
    notes: Notes,
    kind: str | None,
    function: str,
    body: Any,
    status: int,
) -> None:
    headers = {} if kind is None else {"aeg-event-type": kind}
    params = {"functionName": function, "code": site.event_grid_key}

    answer = httpx.post(f"{site.url}/runtime/webhooks/eventgrid", params=params, headers=headers, json=body)

    assert answer.status_code == status
    if kind == "SubscriptionValidation" and status == 200:
        assert answer.json() == {"validationResponse": "abc"}
    if kind == "Notification" and status in (202, 500):
        sent = body if isinstance(body, list) else [body]
        assert sorted(note["subject"] for note in notes("arrived")) == sorted(one["subject"] for one in sent)


def test_the_webhook_needs_the_system_key(site: Site) -> None:
    url = f"{site.url}/runtime/webhooks/eventgrid?functionName=arrived"

    answers = [httpx.post(f"{url}{code}", json=[event()]) for code in ("", "&code=x", f"&code={site.key}")]

    assert [answer.status_code for answer in answers] == [401, 401, 401]


def test_cloud_events_arrive_as_cloud_events(site: Site, notes: Notes) -> None:
    params = {"functionName": "cloud", "code": site.event_grid_key}
    body = {"specversion": "1.0", "id": "1", "source": "/s", "type": "T", "data": {"n": 1}}

    answer = httpx.post(
        f"{site.url}/runtime/webhooks/eventgrid",
        params=params,
        json=body,
        headers={"aeg-event-type": "Notification"},
    )

    assert answer.status_code == 202
    assert notes("cloud") == [{"function": "cloud", "kind": "CloudEvent", "source": "/s", "data": {"n": 1}}]


def test_event_grid_delivers_to_a_function_and_tries_again(
    tidepool: Tidepool, storage_account: StorageAccount, site: Site, notes: Notes
) -> None:
    token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    function = f"{estate.site_id(site.name)}/functions/arrived"
    destination = {"endpointType": "AzureFunction", "properties": {"resourceId": function}}
    made = requests.put(
        f"https://management.azure.com{storage_account.id}/providers/Microsoft.EventGrid/eventSubscriptions/a"
        "?api-version=2025-02-15",
        headers={"Authorization": f"Bearer {token}"},
        json={"properties": {"destination": destination}},
        timeout=30,
    )

    tidepool.inject(storage_account.id, event("/poison"))
    tidepool.settle()
    tidepool.advance(11)
    tidepool.settle()

    assert made.status_code == 201
    assert [note["subject"] for note in notes("arrived")] == ["/poison", "/poison"]


# Queues


def queue(account: StorageAccount, name: str) -> QueueClient:
    client = QueueClient(
        f"https://{account.name}.queue.core.windows.net", name, credential=DefaultAzureCredential()
    )
    try:
        client.create_queue()
    except ResourceExistsError:
        pass
    return client


def base64_text(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def texts(client: QueueClient) -> list[str]:
    return [base64.b64decode(message.content).decode() for message in client.receive_messages()]


def test_a_message_runs_its_function_and_what_it_puts_out_is_sent(
    tidepool: Tidepool, storage_account: StorageAccount, site: Site, notes: Notes
) -> None:
    sent = queue(storage_account, "work").send_message(base64_text("one"))

    tidepool.settle()

    assert notes("work") == [{"function": "work", "body": "one", "dequeue_count": 1, "id": sent.id}]
    assert texts(queue(storage_account, "done")) == ["done one"]
    assert not queue(storage_account, "work").peek_messages()


def test_a_list_put_out_becomes_as_many_messages(tidepool: Tidepool, site: Site, notes: Notes) -> None:
    ask(site, "POST", "/api/enqueue", content=",".join(str(number) for number in range(20)))

    tidepool.settle()

    assert sorted(int(note["body"]) for note in notes("work")) == list(range(20))


def test_a_failing_message_waits_its_visibility_timeout_and_ends_in_the_poison_queue(
    tidepool: Tidepool, storage_account: StorageAccount, site: Site, notes: Notes
) -> None:
    queue(storage_account, "work").send_message(base64_text("fail"))

    counts = []
    for seconds in (0, 20, 15, 60):
        tidepool.advance(seconds)
        tidepool.settle()
        counts.append([note["dequeue_count"] for note in notes("work")])

    assert counts == [[1], [1], [1, 2], [1, 2]]
    assert texts(queue(storage_account, "work-poison")) == ["fail"]
    assert not queue(storage_account, "work").peek_messages()


def test_what_is_not_base64_is_poison_at_once(
    tidepool: Tidepool, storage_account: StorageAccount, site: Site, notes: Notes
) -> None:
    queue(storage_account, "work").send_message("{not base64}")

    tidepool.settle()

    assert notes("work") == []
    [message] = queue(storage_account, "work-poison").receive_messages()
    assert message.content == "{not base64}"


def test_a_delayed_message_comes_when_the_time_is_moved(
    tidepool: Tidepool, storage_account: StorageAccount, site: Site, notes: Notes
) -> None:
    queue(storage_account, "work").send_message(base64_text("later"), visibility_timeout=3600)

    tidepool.settle()
    assert notes("work") == []
    tidepool.advance(3600)
    tidepool.settle()

    assert [note["body"] for note in notes("work")] == ["later"]


def test_a_killed_worker_is_replaced_and_its_message_comes_back(
    tidepool: Tidepool, storage_account: StorageAccount, site: Site, notes: Notes
) -> None:
    queue(storage_account, "work").send_message(base64_text("hang once"))
    wait_until(lambda: len(notes("work")) == 1)

    os.kill(described(tidepool, site)["pid"], signal.SIGKILL)
    wait_until(lambda: described(tidepool, site)["restarts"] == 1)
    tidepool.settle()
    seen_at_once = len(notes("work"))
    tidepool.advance(31)
    tidepool.settle()

    assert seen_at_once == 1
    assert [note["dequeue_count"] for note in notes("work")] == [1, 2]
    assert ask(site, "GET", "/api/hello/world").text == "hello, world"


def described(tidepool: Tidepool, site: Site) -> dict[str, Any]:
    return next(one for one in tidepool.status()["sites"] if one["name"] == site.name)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# Timers


def test_a_timer_runs_when_the_time_is_moved_and_by_hand(
    tidepool: Tidepool, site: Site, notes: Notes
) -> None:
    counts = []
    for seconds in (0, 24 * 3600, 24 * 3600):
        tidepool.advance(seconds)
        tidepool.settle()
        counts.append(len(notes("tick")))
    site.fire_timer("tick")

    assert counts == [0, 1, 2]
    assert notes("tick") == [{"function": "tick", "past_due": False}] * 3


# Several apps, and apps with errors


def test_apps_live_side_by_side_with_their_own_keys(tidepool: Tidepool, site: Site) -> None:
    with tidepool.functions_app(SAMPLE, {**SETTINGS, "WORK_QUEUE": "other"}) as other:
        answers = [
            ask(each, "GET", "/api/hello/bob", headers={"x-functions-key": key})
            for each in (site, other)
            for key in (site.key, other.key)
        ]

    assert [answer.status_code for answer in answers] == [200, 401, 401, 200]


# One app in this process, where the inside matters


HOST_JSON = {"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}


class Host:
    """Functions apps of one text each, on one store and clock."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self.store = store
        self.scheduler = Scheduler()
        self.apps: list[FunctionsApp] = []

    async def start(self, text: str, host: dict[str, Any] | None = None, **settings: str) -> FunctionsApp:
        head = "import logging, os, time\nimport azure.functions as func\napp = func.FunctionApp()\n"
        (self._folder / "function_app.py").write_text(head + textwrap.dedent(text))
        (self._folder / "host.json").write_text(json.dumps({**HOST_JSON, **(host or {})}))
        app = FunctionsApp(
            name="mine",
            app_dir=self._folder,
            settings=settings,
            store=self.store,
            scheduler=self.scheduler,
            send=no_storage,
        )
        self.apps.append(app)
        await app.start()
        return app


async def no_storage(*_: Any, **__: Any) -> Answer:
    return Answer(404, [], b"")


def run_host(folder: Path, test: Callable[[Host], Awaitable[None]], store: Store | None = None) -> None:
    async def run() -> None:
        host = Host(folder, store or Store(":memory:"))
        scheduling = asyncio.create_task(host.scheduler.run())
        try:
            await test(host)
        finally:
            for app in host.apps:
                await app.stop()
            scheduling.cancel()

    asyncio.run(run())


async def get(app: FunctionsApp, path: str, method: str = "GET", **arguments: Any) -> httpx.Response:
    async with httpx.AsyncClient(timeout=20) as client:
        return await client.request(method, app.url + path, **arguments)


@pytest.mark.parametrize(
    ("text", "host", "error"),
    [
        ("import not_there", {}, "No module named 'not_there'"),
        ("more = func.FunctionApp()", {}, "More than one FunctionApp"),
        (
            "@app.blob_trigger('blob', 'a/b', 'C')\ndef f(blob: bytes): ...",
            {},
            "does not emulate the binding blobTrigger",
        ),
        ("@app.timer_trigger('t', '* *')\ndef f(t: func.TimerRequest): ...", {}, "has 2 fields"),
        (
            "@app.timer_trigger('t', '%WHEN%')\ndef f(t: func.TimerRequest): ...",
            {},
            "'%WHEN%' does not resolve",
        ),
        ("@app.queue_trigger('m', 'q', 'C')\ndef f(m: str): ...", {}, "connection string 'C' does not exist"),
        ("", {"version": "1.0"}, 'must be "2.0"'),
        (
            "",
            {"extensions": {"queues": {"batchSize": 33}}},
            "queues.batchSize is 33; it must be between 1 and 32",
        ),
        ("import os\nos._exit(3)", {}, "died while it indexed"),
    ],
)
def test_an_app_without_functions_says_so_loudly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, host: dict[str, Any], error: str
) -> None:
    async def test(on: Host) -> None:
        app = await on.start(text, host)
        answer = await get(app, "/anything")

        assert (app.status()["state"], app.status()["functions"]) == ("Error", [])
        assert error in app.status()["error"]
        assert answer.status_code == 404

    run_host(tmp_path, test)

    assert "Azure would find 0 functions here, silently" in caplog.text


TALKING = """
    @app.route("talk/{word}", auth_level="ANONYMOUS")
    def talk(req: func.HttpRequest, context: func.Context) -> str:
        logging.getLogger("mine").warning("said %s", req.route_params["word"])
        print("printed")
        return context.invocation_id
"""


def test_logs_know_their_invocation(tmp_path: Path) -> None:
    async def test(on: Host) -> None:
        app = await on.start(TALKING)
        invocations = {word: (await get(app, f"/talk/{word}")).text for word in ("one", "two")}

        said = {
            line.text: (line.invocation, line.function, line.level)
            for line in app.lines
            if line.logger == "mine"
        }
        assert said == {f"said {word}": (invocations[word], "talk", "WARNING") for word in ("one", "two")}
        assert [line.invocation for line in app.lines if line.text == "printed"] == ["", ""]

    run_host(tmp_path, test)


ADDING = """
    @app.route("add", auth_level="ANONYMOUS")
    def add(req: func.HttpRequest) -> str:
        return os.environ["WORD"] + os.environ.get("HIDDEN", "")
"""


def test_the_worker_sees_app_settings_and_not_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIDDEN", "secret")

    async def test(on: Host) -> None:
        app = await on.start(ADDING, WORD="first")
        url, before = app.url, (await get(app, "/add")).text
        await app.restart({"WORD": "second"})

        assert (before, (await get(app, "/add")).text) == ("first", "second")
        assert app.url == url

    run_host(tmp_path, test)


WAITING = """
    import threading

    @app.route("sleep", auth_level="ANONYMOUS")
    def sleep(req: func.HttpRequest) -> str:
        time.sleep(30)

    @app.route("quick", auth_level="ANONYMOUS")
    async def quick(req: func.HttpRequest) -> str:
        return "quick"
"""


def test_a_request_waits_for_the_new_worker_when_the_old_one_was_killed(tmp_path: Path) -> None:
    async def test(on: Host) -> None:
        app = await on.start(WAITING)
        slow = asyncio.create_task(get(app, "/sleep"))
        while app.running() == []:
            await asyncio.sleep(0.01)
        app.kill_worker()

        assert (await get(app, "/quick")).text == "quick"
        assert (await slow).status_code == 500
        assert app.status()["restarts"] == 1

    run_host(tmp_path, test)


def test_a_function_that_takes_too_long_is_ended_with_its_worker(tmp_path: Path) -> None:
    async def test(on: Host) -> None:
        app = await on.start(WAITING, {"functionTimeout": "00:00:01"})

        assert (await get(app, "/sleep")).status_code == 500
        assert (await get(app, "/quick")).text == "quick"

    run_host(tmp_path, test)


TIMED = """
    @app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *")
    def nightly(timer: func.TimerRequest) -> None:
        logging.info("past due" if timer.past_due else "in time")

    @app.timer_trigger(arg_name="timer", schedule="0 0 4 * * *")
    @app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:10")
    def failing(timer: func.TimerRequest, context: func.Context) -> None:
        logging.info("attempt %s", context.retry_context.retry_count)
        raise ValueError("never")
"""


def said(app: FunctionsApp, function: str) -> list[str]:
    return [line.text for line in app.lines if line.function == function and line.logger == "root"]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


def test_a_run_that_was_missed_while_nothing_ran_is_past_due(tmp_path: Path) -> None:
    async def test(on: Host) -> None:
        first = await on.start(TIMED)
        await first.fire("nightly")
        await first.stop()
        on.scheduler.advance(24 * 3600)
        second = await on.start(TIMED)
        await until(lambda: said(second, "nightly") == ["past due"])

        assert said(first, "nightly") == ["in time"]

    run_host(tmp_path, test)


def test_a_timer_is_retried_as_its_function_asks(tmp_path: Path) -> None:
    async def test(on: Host) -> None:
        app = await on.start(TIMED)
        running = asyncio.create_task(app.fire("failing"))
        for attempt in range(3):
            await until(lambda attempt=attempt: len(said(app, "failing")) == attempt + 1)  # type: ignore[misc]
            await until(lambda: app.running() == [])
            await asyncio.sleep(0.02)
            on.scheduler.advance(10)

        with pytest.raises(InvocationError, match="never"):
            await running
        assert said(app, "failing") == ["attempt 0", "attempt 1", "attempt 2"]

    run_host(tmp_path, test)


def test_the_admin_routes_run_a_function_by_hand_and_need_the_master_key(tmp_path: Path) -> None:
    async def test(on: Host) -> None:
        app = await on.start(TIMED)
        master = {"x-functions-key": app.keys.master}

        refused = await get(
            app, "/admin/functions/nightly", "POST", headers={"x-functions-key": app.keys.default}
        )
        fired = await get(app, "/admin/functions/nightly", "POST", headers=master, json={})
        unknown = await get(app, "/admin/functions/nothing", "POST", headers=master)
        status = await get(app, "/admin/host/status", headers=master)

        assert [answer.status_code for answer in (refused, fired, unknown)] == [401, 202, 404]
        assert status.json()["state"] == "Running"
        await until(lambda: said(app, "nightly") == ["in time"])

    run_host(tmp_path, test)


def test_keys_stay_the_same_over_a_restart(tmp_path: Path) -> None:
    async def keys(on: Host) -> None:
        app = await on.start(TIMED)
        found.append((app.keys.master, app.keys.default, app.keys.event_grid, app.keys.of("nightly")))

    found: list[tuple[str, ...]] = []
    for _ in range(2):
        run_host(tmp_path, keys, Store(tmp_path / "store"))

    assert found[0] == found[1]
    assert len(set(found[0])) == 4
