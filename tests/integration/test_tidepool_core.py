"""Tidepool as a whole: its life, its command line, its proxy, its handle."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apprise
import psutil
import pytest
import requests
from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential
from tests.support.azure_clients import blob_service

from tidepool.cloud import StorageAccount, Tidepool, TidepoolError, UnsettledError, Workspace
from tidepool.data_folder import holder
from tidepool.default_resources import SUBSCRIPTION
from tidepool.launch import Launch

SCRIPT = """
import os
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient
url = f"https://{os.environ['AZURE_STORAGE_ACCOUNT']}.blob.core.windows.net"
container = BlobServiceClient(url, DefaultAzureCredential()).get_container_client("kept")
queue = QueueClient(url.replace(".blob.", ".queue."), "later", credential=DefaultAzureCredential())
"""
WRITE = f"""{SCRIPT}
container.create_container()
container.upload_blob("a.txt", b"kept")
queue.create_queue()
queue.send_message("delayed", visibility_timeout=3600)
"""
READ = f"""{SCRIPT}
received = [message.content for message in queue.receive_messages()]
print(container.download_blob("a.txt").readall().decode(), received)
"""


SLOW_APP = """
import pathlib
import time

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
GO = pathlib.Path(__file__).parent / "go"


@app.route("begin")
@app.queue_output("out", "slow-work", "AzureWebJobsStorage")
def begin(req: func.HttpRequest, out: func.Out[str]) -> str:
    out.set("work")
    return "begun"


@app.queue_trigger("message", "slow-work", "AzureWebJobsStorage")
def work(message: func.QueueMessage) -> None:
    while not GO.exists():
        time.sleep(0.01)
"""


def write_app(folder: Path) -> Path:
    """A functions app whose functions wait until the file `go` exists."""
    folder.mkdir(exist_ok=True)
    (folder / "host.json").write_text('{"version": "2.0"}')
    (folder / "function_app.py").write_text(SLOW_APP)
    return folder


class Shell:
    """The command line `tidepool`, on a data folder of its own, without the variables of this process."""

    def __init__(self, data: Path) -> None:
        self.data = data
        inherited = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
        self._environ = {**inherited, "TIDEPOOL_DATA": str(data)}

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tidepool.cli", *arguments]
        return subprocess.run(
            command, env=self._environ, capture_output=True, text=True, timeout=60, check=False
        )

    def processes(self) -> list[psutil.Process]:
        """The supervisor and all that descends from it."""
        return family(json.loads((self.data / "tidepool.json").read_text())["pid"])


def readable_by_others(folder: Path) -> list[Path]:
    return [path for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]


def family(pid: int) -> list[psutil.Process]:
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path / "data")
    yield shell
    if (shell.data / "tidepool.json").exists():
        shell("down")


def test_its_state_survives_a_restart_and_nothing_survives_a_kill(
    tidepool: Tidepool, shell: Shell, tmp_path: Path
) -> None:
    """One story, because each start costs seconds. It runs beside the Tidepool of the session."""
    assert shell("up", "--detach").returncode == 0
    first = shell("env").stdout
    assert "export HTTPS_PROXY=http://127.0.0.1:" in first
    assert readable_by_others(shell.data) == []
    assert tidepool.environment()["HTTPS_PROXY"] not in first
    written = shell("run", "--", sys.executable, "-c", WRITE)
    assert written.returncode == 0, written.stderr
    assert "no work is in progress" in shell("status").stdout
    assert shell("logs").stdout.split() == ["azurite", "functions", "supervisor"]
    assert "existing logs: azurite, functions, supervisor" in shell("logs", "nobody").stderr

    assert "Stopped" in shell("down").stdout
    app = write_app(tmp_path / "app")
    assert "2 functions" in shell("up", "--detach", "--app", str(app)).stdout
    again = Tidepool(shell.data)
    again.attach()
    again.advance(3601)
    assert shell("run", "--", sys.executable, "-c", READ).stdout == "kept ['delayed']\n"

    before = shell.processes()
    assert len(before) == 4  # supervisor, reaper, Azurite, functions worker
    before[0].kill()
    gone, alive = psutil.wait_procs(before, timeout=5)
    assert (len(gone), alive) == (len(before), [])

    nothing = shell("env")
    assert "no Tidepool is running" in nothing.stderr
    assert nothing.stdout == "false\n"
    assert "Deleted" in shell("reset").stdout
    assert not shell.data.exists()
    assert "There is no" in shell("reset").stdout


def test_a_folder_with_something_else_in_it_is_neither_taken_nor_deleted(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    shell = Shell(tmp_path)

    started, deleted = shell("up", "--detach"), shell("reset")

    assert (started.returncode, deleted.returncode) == (1, 1)
    assert "name another folder with --data" in started.stderr
    assert "is not a data folder of Tidepool" in deleted.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "precious.txt"]


def test_a_folder_has_one_tidepool(tidepool: Tidepool) -> None:
    with pytest.raises(
        TidepoolError, match=r"already running on .*; to stop it, run: tidepool down --data /"
    ):
        Tidepool(tidepool.data_dir).start()


def test_an_app_that_is_not_running_in_it_is_not_passed_over(tidepool: Tidepool, tmp_path: Path) -> None:
    app = write_app(tmp_path / "app")

    refused = Shell(tidepool.data_dir)("up", "--detach", "--app", str(app))

    assert refused.returncode == 1
    assert f"without the functions app {app}; stop it first: tidepool down" in refused.stderr


@pytest.mark.long
def test_one_that_nobody_can_ask_is_ended_by_its_lock(shell: Shell) -> None:
    started = shell("up", "--detach").stdout
    (shell.data / "tidepool.json").unlink()

    refused = shell("up", "--detach")

    assert f"""eval "$(tidepool env --data {shell.data})\"""" in started
    assert refused.returncode == 1
    assert f"to stop it, run: tidepool down --data {shell.data}" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "is starting or ending" in shell("status").stderr
    assert "Stopped" in shell("down").stdout
    assert "No Tidepool is running" in shell("down").stdout


def test_a_shutdown_that_hangs_is_ended_with_all_its_processes(tmp_path: Path) -> None:
    """Nobody reads the pipe that is put for Azurite's log: who writes to it, waits for ever."""
    launch = Launch(tmp_path)
    state = launch.start(["--stop-within=1"], detach=False)
    processes = family(state["pid"])
    (tmp_path / "logs" / "azurite.log").unlink()
    os.mkfifo(tmp_path / "logs" / "azurite.log")

    assert launch.end()

    assert psutil.wait_procs(processes, timeout=5)[1] == []
    assert "Timeout (0:00:01)!" in (tmp_path / "logs" / "supervisor.log").read_text()
    assert holder(tmp_path) is None


def test_one_that_does_not_even_hear_is_killed(tmp_path: Path) -> None:
    launch = Launch(tmp_path)
    processes = family(launch.start([], detach=False)["pid"])
    processes[0].suspend()

    assert launch.end(patience_s=0.1)

    assert psutil.wait_procs(processes, timeout=5)[1] == []


@pytest.mark.long
def test_what_azurite_lost_is_not_waited_for_and_azurite_is_started_again(tmp_path: Path) -> None:
    """Killed, it loses what it has not yet written; here the file of its queues stands for that."""
    app = write_app(tmp_path / "app")
    with Tidepool(tmp_path / "data", app=app) as first:
        requests.post(f"{first.status()['sites'][0]['url']}/api/begin", timeout=10)
        with pytest.raises(UnsettledError, match="in slow-work"):
            first.settle(timeout_s=0.1)
    (tmp_path / "data" / "azurite" / "__azurite_db_queue__.json").unlink()

    with Tidepool(tmp_path / "data", app=app) as second:
        second.settle(timeout_s=5)

        psutil.Process(second.status()["azurite"]["pid"]).kill()
        begun = requests.post(f"{second.status()['sites'][0]['url']}/api/begin", timeout=30)
        assert begun.text == "begun"  # the request waited until Azurite was started again
        (app / "go").touch()
        second.settle(timeout_s=20)
        azurite = second.status()["azurite"]
        assert (azurite["state"], azurite["restarts"]) == ("Running", 1)


def test_foreign_hosts_are_refused_with_a_reason(tidepool: Tidepool) -> None:
    with pytest.raises(
        requests.exceptions.ProxyError,
        match=r"Tidepool does not emulate github.com \(to leave Tidepool: unset HTTPS_PROXY https_proxy\)",
    ):
        requests.get("https://github.com", timeout=5)


def test_a_route_that_is_not_emulated_is_named(tidepool: Tidepool) -> None:
    token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    url = f"https://management.azure.com/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Quantum/x"

    answer = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=5)

    assert answer.status_code == 501
    assert answer.json()["error"]["code"] == "NotEmulated"
    assert f"GET {url}" in answer.json()["error"]["message"]


def test_requests_are_recorded(tidepool: Tidepool, storage_account: StorageAccount) -> None:
    service = blob_service(storage_account.name, retry_total=0)
    service.create_container("images")
    with pytest.raises(HttpResponseError):
        service.create_container("images")

    recorded = tidepool.find_requests(host=storage_account.name)
    assert [(entry["method"], entry["path"], entry["status"], entry["write"]) for entry in recorded] == [
        ("PUT", "/images", 201, True),
        ("PUT", "/images", 409, False),
    ]
    assert {entry["origin"] for entry in recorded} == {"developer"}
    assert recorded[-1] in tidepool.requests
    assert tidepool.last_request >= recorded[-1]["number"]
    first, second = recorded
    assert tidepool.find_requests(path="/images", after=first["number"])[:1] == [second]
    assert tidepool.find_requests(host=storage_account.name, path="/other") == []
    assert tidepool.find_requests(after=second["number"] + 1_000_000) == []


def test_notifications_arrive_in_the_mailbox(tidepool: Tidepool) -> None:
    sender = apprise.Apprise()
    sender.add(os.environ["NOTIFY_URL"])

    assert sender.notify(title="Month scored", body="202611 has 100 rows")

    letter = tidepool.mailbox()[-1]
    assert letter["path"] == "/notify"
    assert (letter["body"]["title"], letter["body"]["message"]) == ("Month scored", "202611 has 100 rows")


def test_settle_says_what_is_still_going_on(tidepool: Tidepool, tmp_path: Path) -> None:
    with tidepool.functions_app(write_app(tmp_path)) as site:
        assert site.error == ""
        requests.post(f"{site.url}/api/begin", timeout=10)
        with pytest.raises(UnsettledError, match="in slow-work"):
            tidepool.settle(timeout_s=0.3)
        (tmp_path / "go").touch()
        tidepool.settle(timeout_s=20)


def test_events_are_injected(tidepool: Tidepool, workspace: Workspace) -> None:
    event = {
        "subject": "models/digits:3",
        "eventType": "Microsoft.MachineLearningServices.ModelRegistered",
        "data": {"ModelName": "digits", "ModelVersion": 3, "ModelTags": {}, "ModelProperties": {}},
    }

    tidepool.inject(workspace.id, event)

    raised = [event for event in tidepool.events if event.get("topic") == workspace.id]
    assert [(event["eventType"], event["data"]["ModelVersion"]) for event in raised] == [
        (event["eventType"], 3)
    ]
    assert raised[0]["id"]
    assert raised[0]["eventTime"]


@pytest.mark.parametrize("arguments", [("env",), ("env", "--nonsense")])
def test_eval_of_env_fails_in_a_folder_without_a_tidepool(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    line = f'eval "$({sys.executable} -m tidepool.cli {" ".join(arguments)})" && echo reached Azure'

    done = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 1
    assert done.stdout == ""
