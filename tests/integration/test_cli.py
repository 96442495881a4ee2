"""The command line against a running service: what it prints, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from azure.ai.ml.entities import Model
from tests.support import terminal
from tests.support.cli_commands import COMMANDS, required_arguments, uses_service
from tests.support.hand_made_sets import write_set_folder
from tests.support.installation import Installation, Running

from tidegate.api_client import ApiClient
from tidegate.cli.app import main
from tidegate.domain.lifecycle.records import Champion, ModelVersion
from tidegate.domain.lifecycle.records import Model as ModelRecord
from tidegate.messages.commands import CheckJob
from tidegate.messages.queue_messages import encode
from tidepool.cloud import Tidepool

MONTH, SCORED_AGAIN = "209901", "209902"
JOB = f"score-stories-{MONTH}-1-g1-a1"
# Commands that change something have tests of their own. All others are called by one test, new ones too.
CHANGING = {
    "approve",
    "backfill",
    "external-verdict",
    "judge",
    "pause",
    "refuse",
    "replay",
    "rerun",
    "resume",
    "retrain",
    "rollback",
}
# `members` needs a model set: its own test has one.
READING = [name for name in COMMANDS if uses_service(COMMANDS[name]) and name not in {*CHANGING, "members"}]
VALUES = {
    "feed_partition": ["stories", MONTH],
    "feed": ["stories"],
    "name": ["quick-model"],
    "subject": [f"stories:{MONTH}"],
}


@pytest.fixture(scope="module")
def running(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service in which two months have been scored."""
    installation = Installation(tidepool, tmp_path_factory.mktemp("cli"))
    installation.configure(timezone="Asia/Tokyo")
    with installation.start() as running:
        for partition in (MONTH, SCORED_AGAIN):
            installation.upload(partition, {"a.png": "cat", "b.png": "dog"})
        running.settle()
        yield running


@pytest.fixture(autouse=True)
def environment(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNCTIONS_URL", running.site.url)
    monkeypatch.setenv("FUNCTIONS_KEY", running.site.key)
    monkeypatch.setenv("COLUMNS", "300")


def ends(*arguments: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert ends(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_months_are_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends("partitions") == 0

    [line] = [line for line in capsys.readouterr().out.splitlines() if MONTH in line]
    assert line.split() == ["stories", MONTH, "scored", f"{MONTH}-1", "2", f"{MONTH}-1-g1", "2", "0"]


@pytest.mark.parametrize("place", [[MONTH], ["stories", MONTH], [f" '{JOB}'"]])
def test_a_month_shows_scorings_and_what_happened(
    capsys: pytest.CaptureFixture[str], place: list[str]
) -> None:
    assert ends("partition", *place) == 0

    said = capsys.readouterr().out
    assert f"current result: {MONTH}-1-g1" in said
    assert f"/predictions/stories/{MONTH}/{MONTH}-1/g1/predictions.csv" in said
    assert f"score-stories-{MONTH}-1-g1-a1" in said
    assert "partition.scored" in said


def test_check_shows_in_one_screen_what_would_happen(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    running.installation.upload("209911", {"a.png": "cat"}, marker=False)
    running.settle()

    assert ends("check", "stories") == 0
    listed = capsys.readouterr().out
    assert ends("check", "stories", "209911") == 0
    shown = capsys.readouterr().out

    [line] = [line for line in listed.splitlines() if "209911" in line]
    assert line.split()[:4] == ["209911", "waiting", "1", "waits"]
    assert "0 jobs would start now. Nothing was changed." in listed
    assert "why: waits for marker _SUCCESS" in shown
    assert as_json(capsys, "check", "stories", MONTH)["why"] == f"{MONTH}-1 has these files"


def test_a_rerun_becomes_a_generation_and_the_same_key_brings_it_again(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("rerun", "stories", SCORED_AGAIN, "--reason", "new labels", "--idempotency-key", "k")

    first, again = as_json(capsys, *asked), as_json(capsys, *asked)

    assert first["name"] == again["name"] == f"{SCORED_AGAIN}-1-g2"
    assert first["reason"] == "new labels"
    assert ends(*asked) == 0
    assert f"follow it with: tidegate partition stories {SCORED_AGAIN}" in capsys.readouterr().out
    running.settle()
    assert running.scorings(SCORED_AGAIN)[f"{SCORED_AGAIN}-1-g2"] == "scored"


def test_a_backfill_is_checked_started_and_listed(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("backfill", "stories", f"{MONTH}..{MONTH}", "--by", "Aoi")

    assert ends(*asked, "--dry-run") == 0
    assert "1 partitions would be scored by quick-model:1. Nothing was changed." in capsys.readouterr().out
    started = as_json(capsys, *asked)
    running.settle()

    assert ends("backfill", "stories", started["id"]) == 0
    assert f"{started['id']}  done, quick-model:1: 1 total, 1 done" in capsys.readouterr().out
    assert [each["id"] for each in as_json(capsys, "backfills", "stories")] == [started["id"]]
    assert ends("backfill", "stories", started["id"], "--cancel") == 1


def test_what_failed_for_good_is_listed_and_replayed(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    command = CheckJob(cause="event-1", workspace="development", job=f"score-stories-{MONTH}-1-g1-a1")
    running.service.worker.give_up(encode(command))
    [failure] = as_json(capsys, "failures")

    status = as_json(capsys, "status")
    assert ends("status") == 0
    said = capsys.readouterr().out
    assert (status["counts"]["failures"], status["needs"][0]["need"]) == (1, "failures")
    assert "Needs a person now: 1 failures" in said
    assert ends("failures") == 0
    listed = capsys.readouterr().out
    assert ends("replay", failure["id"]) == 0
    said = capsys.readouterr().out

    assert failure["id"] in listed
    assert "The command crashed the service" in failure["text"]
    assert "CheckJob is sent" in said
    assert as_json(capsys, "failures") == []
    assert ends("failures") == 0
    assert "No failures wait for a person" in capsys.readouterr().out
    [replayed] = as_json(capsys, "failures", "--all")
    assert replayed["replayed_at"]
    running.settle()


def test_if_one_of_several_failures_is_not_replayed_the_exit_code_says_so(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    for partition in (MONTH, SCORED_AGAIN):
        job = f"score-stories-{partition}-1-g1-a1"
        running.service.worker.give_up(encode(CheckJob(cause="c", workspace="development", job=job)))
    ids = [failure["id"] for failure in as_json(capsys, "failures")]

    assert ends("replay", ids[0], "0123456789ab", "--json") == 1
    first, unknown = json.loads(capsys.readouterr().out)
    assert ends("replay", "--all", "--kind", "work.failed", "--subject", "stories") == 0
    said = capsys.readouterr().out

    assert (first["id"], first["problem"]) == (ids[0], None)
    assert "There is no failure '0123456789ab'" in unknown["problem"]
    assert "1 of 1 replayed" in said or ids[1] in said
    assert ends("replay") == 2
    assert as_json(capsys, "replay", "--all") == []
    running.settle()


@pytest.mark.parametrize("name", READING)
def test_json_is_one_document_whatever_the_environment_says(
    name: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    arguments = required_arguments(
        COMMANDS[name], {**VALUES, "name": [JOB if name == "job" else "quick-model"]}
    )

    code = ends(name, *arguments, "--json")

    said = capfd.readouterr()
    assert "\x1b" not in said.out
    if name == "model":  # this installation has no policy, so there is no model
        assert (code, said.out) == (1, "")
    else:
        assert code == 0
        json.loads(said.out)


def test_json_is_utf_8_without_escape_codes_beside_warnings_and_debug_lines(running: Running) -> None:
    running.installation.upload("209913", {"画像 [red].png": "cat"}, marker=False)
    running.settle()
    environ = {
        "FORCE_COLOR": "1",
        "PYTHONIOENCODING": "ascii",
        "PYTHONWARNINGS": "always",
    }
    talkative = (
        "import logging, sys, warnings; logging.basicConfig(level=logging.DEBUG, stream=sys.stdout); "
        "warnings.warn('a warning'); from tidegate.cli.app import main; main(sys.argv[1:])"
    )

    ended = subprocess.run(
        [sys.executable, "-c", talkative, "check", "stories", "--json"],
        capture_output=True,
        check=True,
        env={**os.environ, **environ},
    )

    assert b"a warning" in ended.stderr
    assert b"\x1b" not in ended.stdout
    assert "stories" in json.loads(ended.stdout.decode())["feed"]


def test_times_have_the_offset_of_the_feeds_zone(capsys: pytest.CaptureFixture[str]) -> None:
    [scoring] = as_json(capsys, "partition", MONTH)["versions"]
    expected = datetime.fromisoformat(scoring["snapshot_at"]).astimezone(ZoneInfo("Asia/Tokyo"))

    shown = terminal.run("partition", MONTH, TZ="America/New_York").stdout.decode()

    assert f"{expected:%Y-%m-%d %H:%M} +09:00" in shown


def test_ids_are_whole_in_a_narrow_terminal_and_in_a_pipe() -> None:
    with terminal.Terminal(("jobs", "--all"), columns=60) as narrow:
        assert narrow.wait() == 0
    piped = terminal.run("jobs", "--all", FORCE_COLOR="")

    assert JOB in narrow.output.decode()
    [line] = [line for line in piped.stdout.decode().splitlines() if JOB in line]
    assert line.split()[:3] == [JOB, "scoring", "1"]
    assert "completed" in line


def test_a_reader_that_closes_the_pipe_is_no_error() -> None:
    for arguments in (("partitions",), ("partitions", "--json"), ("partitions", "--watch")):
        ended = terminal.run_into_closed_pipe(*arguments)

        assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_watching_leaves_the_terminal_as_it_was(stop: signal.Signals) -> None:
    with terminal.Terminal(("partitions", "stories", "--watch"), columns=100) as watching:
        watching.wait_for(SCORED_AGAIN.encode())
        watching.process.send_signal(stop)

        assert watching.wait() == 0
        assert watching.attributes == watching.attributes_before

    enter, leave = b"\x1b[?1049h", b"\x1b[?1049l"
    assert watching.output.index(enter) < watching.output.index(leave)
    assert b"\x1b[?25h" in watching.output  # the cursor is shown again
    assert not watching.output.split(leave)[1].replace(b"\x1b[?25h", b"").strip()


def test_watching_prints_no_escape_codes_into_a_pipe() -> None:
    process = subprocess.Popen(
        [*terminal.COMMAND, "partitions", "--watch"],
        stdout=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != "COLUMNS"},
    )
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[0]

    assert process.returncode == 0
    assert b"partition" in lines[0]
    assert b"\x1b" not in b"".join(lines) + rest


def test_a_rerun_that_is_waited_for_ends_with_its_result(
    running: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidegate.cli.waiting._LOOK_EVERY_S", 0.2)
    asked = ("rerun", f"{SCORED_AGAIN}-1", "--reason", "look", "--wait")
    settling = Thread(target=running.settle)
    settling.start()

    scored = as_json(capsys, *asked)
    settling.join()

    assert scored["state"] == "scored"


def test_json_is_what_the_api_answers(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert as_json(capsys, "partitions", "stories") == running.get("/api/feeds/stories/partitions")
    assert as_json(capsys, "partition", MONTH) == running.partition(MONTH)


def test_the_client_reads_all_pages_of_a_list(running: Running) -> None:
    client = ApiClient(running.site.url, running.site.key)
    path = "/api/feeds/stories/partitions"

    months = [row["partition"] for row in client.get(path, limit="1")]

    assert months == [row["partition"] for row in running.get(path)]
    assert {MONTH, SCORED_AGAIN} <= set(months)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["partition", "209913"], 1, "write a month as 202611, or a day"),
        (["partition", "dogs", MONTH], 1, "there are: stories"),
        (["partition", "209912"], 1, "The service has seen no file of stories 209912 yet"),
        (["rerun", MONTH, "--reason", "x", "--version", "9"], 1, f"it has {MONTH}-1"),
        (["partitions", "--key", "wrong"], 1, "The service refused the function key (401)"),
        (["partitions", "--url", "nonsense"], 2, "'nonsense' is not an address"),
        (["partitions", "--url", ""], 2, "Set FUNCTIONS_URL or --url"),
        (["partition", "a", "b", "c"], 2, "write FEED PARTITION"),
        (["rerun", MONTH], 2, "--reason"),
        (["replay", "0123456789ab"], 1, "There is no failure '0123456789ab'"),
        (["replay", "nonsense"], 1, "path.failure"),
    ],
)
def test_what_goes_wrong_is_said_and_is_the_exit_code(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    assert ends(*arguments) == code

    assert says in capsys.readouterr().err


def test_a_service_that_does_not_run_is_said_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as bound:  # a port on which nobody listens
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"

        assert ends("partitions", "--url", url) == 3

    said = capsys.readouterr().err
    assert f"No service answers at {url}" in said
    assert "make up" in said


def test_deploy_and_doctor_say_what_they_find(
    running: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEGATE_CONFIG", str(running.installation.config_file))
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", running.installation.account.name)

    deployed, refusal = ends("deploy"), capsys.readouterr().err
    found, report = ends("doctor"), capsys.readouterr().out

    assert (deployed, found) == (1, 1)
    assert "pipeline quick: there is no" in refusal
    assert "✓ roles" in report
    assert "! pipelines  pipeline quick is registered in development, but is not in this checkout" in report


def test_help_names_the_exit_codes() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "tidegate.cli.app", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    ).stdout

    for command in ("deploy", "doctor", "check", "partitions", "partition", "rerun", "failures", "replay"):
        assert command in said
    assert "Exit codes: 0 done" in said


@pytest.mark.parametrize("headers", [{}, {"x-functions-key": "wrong"}])
def test_nothing_of_the_api_opens_without_its_key(running: Running, headers: dict[str, str]) -> None:
    for path in ("/api/health", "/api/docs", "/api/openapi.json", f"/api/feeds/stories/partitions/{MONTH}"):
        assert httpx.get(running.site.url + path, headers=headers, trust_env=False).status_code == 401


def test_the_page_opens_with_the_key_in_its_address(running: Running) -> None:
    for path in ("docs", "openapi.json", "docs/swagger-ui.css", "docs/swagger-ui-bundle.js"):
        answer = httpx.get(
            f"{running.site.url}/api/{path}", params={"code": running.site.key}, trust_env=False
        )
        assert answer.status_code == 200
        assert answer.content


def test_members_of_a_set_are_a_table(
    running: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"store": f"{n:03}", "product": "7", "mae": n / 3, "state": "kept"} for n in range(60)]
    rows[3] |= {"state": "failed", "reason": "the target is constant"}
    folder = write_set_folder(tmp_path / "set", rows)
    model = Model(name="sales", version="1", path=folder, type="mlflow_model", tags={"tidegate_set": "1"})
    running.installation.ml.models.create_or_update(model)
    ledger, now = running.service.ledger, running.service.now()
    champion = Champion(version="1", source="1", since=now, by="a verdict")
    ledger.save(ModelRecord(model="sales", champion=champion))
    ledger.save(ModelVersion(model="sales", version="1", registered_at=now))

    assert ends("members", "sales") == 0
    table = capsys.readouterr().out
    [failed] = as_json(capsys, "members", "sales", "--where", "store=003", "--state", "failed")
    assert ends("members", "sales", "--where", "product=7") == 0
    assert ends("members", "sales", "--where", "shop=7") == 1

    assert "50 of 60 members." in table
    assert [line.split()[:4] for line in table.splitlines() if " failed " in line] == [
        ["1", "003", "7", "failed"]
    ]
    assert failed["reason"] == "the target is constant"
