"""A pause while a partition is being scored: through the command line, Event Grid and the Functions host."""

import json
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError

from tests.support.azure_clients import queue_client
from tests.support.installation import Installation, Running
from tidegate.cli.app import main
from tidepool.cloud import Tidepool

FILES = {"a.png": "cat", "b.png": "dog"}
SCORED, RUNNING = "20990101", "20990102"
ARRIVING = [f"2099010{day}" for day in range(3, 8)]


@pytest.fixture
def installation(tidepool: Tidepool, tmp_path: Path) -> Installation:
    return Installation(tidepool, tmp_path, path="{yyyy}{MM}{dd}/", starts=20990101)


@pytest.fixture(autouse=True)
def environment(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNCTIONS_URL", running.site.url)
    monkeypatch.setenv("FUNCTIONS_KEY", running.site.key)
    monkeypatch.setenv("COLUMNS", "200")


def tidegate(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command line, and return what it prints."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    output = capsys.readouterr()
    assert not ended.value.code, output.err
    return output.out


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(tidegate(capsys, *arguments, "--json"))


def queued(installation: Installation, queue: str = "tidegate-work") -> list[int | None]:
    """Return the dequeue count of each message that a queue has now. Delayed ones are not among them."""
    try:
        messages = queue_client(installation.account.name, queue).peek_messages(32)
    except ResourceNotFoundError:
        return []
    return [message.dequeue_count for message in messages]


@pytest.mark.long
def test_a_pause_during_a_running_day_publishes_it_and_keeps_six_more_for_the_resume(
    installation: Installation, running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.upload(SCORED, FILES)
    running.settle()
    installation.upload(RUNNING, FILES)
    installation.wait_for_job(f"score-stories-{RUNNING}-1-g1-a1")

    paused = tidegate(capsys, "pause", "stories", "--by", "ada", "--reason", "wrong camera")
    for day in ARRIVING:
        installation.upload(day, FILES)
    tidegate(capsys, "rerun", SCORED, "--reason", "new labels")
    running.settle()
    installation.cloud.advance(3600)
    running.reconcile()
    running.reconcile()

    assert "end it with: tidegate resume stories" in paused
    assert running.scorings(RUNNING) == {f"{RUNNING}-1-g1": "scored"}
    assert [running.scorings(day) for day in ARRIVING] == [{}] * len(ARRIVING)
    [pause] = as_json(capsys, "pauses")
    assert sorted((row["kind"], row["what"]) for row in pause["waiting"]) == [
        ("ScorePartition", f"stories:{partition}") for partition in (SCORED, *ARRIVING)
    ]
    assert queued(installation) == []
    assert queued(installation, "tidegate-work-poison") == []
    for command in ("partitions", "models", "pauses"):
        assert "feed:stories is paused since " in tidegate(capsys, command)
    assert "wrong camera. Commands that wait: 6" in tidegate(capsys, "partitions")
    assert "feed:stories is paused" in tidegate(capsys, "check", "stories")

    resumed = tidegate(capsys, "resume", "stories", "--by", "bob")
    for day in (SCORED, *ARRIVING):
        running.drive(day)

    assert "Commands sent: 6" in resumed
    expected = {day: {f"{day}-1-g1": "scored"} for day in ARRIVING}
    expected |= {SCORED: {f"{SCORED}-1-g1": "scored", f"{SCORED}-1-g2": "scored"}}
    assert {day: running.scorings(day) for day in (SCORED, *ARRIVING)} == expected
    assert len(installation.jobs()) == 8
    assert running.most_jobs_at_once() == 2
    assert "Nothing is paused" in tidegate(capsys, "pauses")
    titles = [message["title"] for message in installation.notifications()]
    assert [title for title in titles if "pause" in title or "resume" in title] == [
        "Feed stories is paused",
        "Feed stories is resumed",
    ]
