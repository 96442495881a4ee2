"""Inside the Functions host: bad apps, logs, settings, crashes, timers, keys."""

import asyncio
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.functions_host import Host, get, run_host

from tidepool.functions.host import FunctionsApp
from tidepool.functions.worker_process import PACKAGES, InvocationError
from tidepool.store import Store


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

    assert "Azure would find 0 functions here and report no error" in caplog.text


PACKAGED = """
    import importlib.util
    import mine

    @app.route("known/{name}", auth_level="ANONYMOUS")
    def known(req: func.HttpRequest) -> str:
        return str(importlib.util.find_spec(req.route_params["name"]) is not None)
"""


def test_an_app_with_packages_of_its_own_has_no_others(tmp_path: Path) -> None:
    packages = tmp_path / PACKAGES
    (packages / "azure").mkdir(parents=True)
    (packages / "mine.py").write_text("")
    for name in ("azure.functions", "werkzeug", "markupsafe"):
        source = importlib.import_module(name).__file__
        assert source is not None
        (packages / name.replace(".", "/")).symlink_to(Path(source).parent)

    async def test(on: Host) -> None:
        app = await on.start(PACKAGED)

        known = {name: (await get(app, f"/known/{name}")).text for name in ("mine", "werkzeug", "fastapi")}
        assert known == {"mine": "True", "werkzeug": "True", "fastapi": "False"}
        assert (await get(app, "/known/tidegate")).text == "False"

    run_host(tmp_path, test)


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

        lines = {
            line.text: (line.invocation, line.function, line.level)
            for line in app.lines
            if line.logger == "mine"
        }
        assert lines == {f"said {word}": (invocations[word], "talk", "WARNING") for word in ("one", "two")}
        assert [line.invocation for line in app.lines if line.text == "printed"] == ["", ""]

    run_host(tmp_path, test)


IN_THREADS = """
    import asyncio, threading

    def say(word, context=None):
        if context:
            context.thread_local_storage.invocation_id = context.invocation_id
        logging.warning(word)

    @app.route("threads", auth_level="ANONYMOUS")
    async def threads(req: func.HttpRequest, context: func.Context) -> str:
        await asyncio.create_task(asyncio.sleep(0, say("of the task")))
        await asyncio.gather(asyncio.to_thread(say, "of a thread"))
        await asyncio.to_thread(say, "of a thread that has the id", context)
        return "done"

    @app.route("plain", auth_level="ANONYMOUS")
    def plain(req: func.HttpRequest) -> str:
        say("of the function")
        thread = threading.Thread(target=say, args=["of its thread"])
        thread.start()
        thread.join()
        return "done"
"""


def test_lines_of_other_threads_are_dropped_unless_they_have_the_invocation_id(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(on: Host) -> None:
        app = await on.start(IN_THREADS)
        await get(app, "/threads")
        await get(app, "/plain")

        assert messages(app, "threads") == ["of the task", "of a thread that has the id"]
        assert messages(app, "plain") == ["of the function"]

    run_host(tmp_path, test)

    dropped = [record.getMessage() for record in caplog.records if "log_line_dropped" in record.msg]
    assert [line.partition("logger=root ")[2] for line in dropped] == ["of a thread", "of its thread"]


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


DYING = """
    from pathlib import Path

    deaths = Path(__file__).with_name("deaths")
    left = int(deaths.read_text()) if deaths.exists() else 0
    deaths.write_text(str(left - 1))
    if left > 0:
        os._exit(9)

    @app.route("quick", auth_level="ANONYMOUS")
    async def quick(req: func.HttpRequest) -> str:
        return "quick"
"""


def test_a_worker_that_dies_while_it_indexes_is_replaced(tmp_path: Path) -> None:
    deaths = tmp_path / "deaths"

    async def test(on: Host) -> None:
        deaths.write_text("2")
        app = await on.start(DYING)
        assert (await get(app, "/quick")).text == "quick"
        assert (app.status()["state"], app.status()["restarts"]) == ("Running", 2)

        deaths.write_text("2")
        app.kill_worker()
        assert (await get(app, "/quick")).text == "quick"
        assert app.status()["restarts"] == 5

    run_host(tmp_path, test)


def test_a_function_that_takes_too_long_is_ended_with_its_worker(tmp_path: Path) -> None:
    async def test(on: Host) -> None:
        app = await on.start(WAITING, {"functionTimeout": "00:00:03"})

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


def messages(app: FunctionsApp, function: str) -> list[str]:
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
        await until(lambda: messages(second, "nightly") == ["past due"])

        assert messages(first, "nightly") == ["in time"]

    run_host(tmp_path, test)


def test_a_timer_is_retried_as_its_function_asks(tmp_path: Path) -> None:
    async def test(on: Host) -> None:
        app = await on.start(TIMED)
        running = asyncio.create_task(app.fire("failing"))
        for attempt in range(3):
            await until(lambda attempt=attempt: len(messages(app, "failing")) == attempt + 1)  # type: ignore[misc]
            await until(lambda: app.running() == [])
            await asyncio.sleep(0.02)
            on.scheduler.advance(10)

        with pytest.raises(InvocationError, match="never"):
            await running
        assert messages(app, "failing") == ["attempt 0", "attempt 1", "attempt 2"]

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
        await until(lambda: messages(app, "nightly") == ["in time"])

    run_host(tmp_path, test)


def test_keys_stay_the_same_over_a_restart(tmp_path: Path) -> None:
    async def read_keys(on: Host) -> None:
        app = await on.start(TIMED)
        keys_of_starts.append(
            (app.keys.master, app.keys.default, app.keys.event_grid, app.keys.of("nightly"))
        )

    keys_of_starts: list[tuple[str, ...]] = []
    for _ in range(2):
        run_host(tmp_path, read_keys, Store(tmp_path / "store"))

    assert keys_of_starts[0] == keys_of_starts[1]
    assert len(set(keys_of_starts[0])) == 4
