"""A pause while a month is being scored: through the command line, Event Grid and the Functions host."""

import json
from typing import Any

import pytest

from tests.support.installation import Installation, Running
from tidegate.cli.app import main

FILES = {"a.png": "cat", "b.png": "dog"}
RUNNING, ARRIVING = "209901", "209902"


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


def test_a_pause_during_a_running_month_publishes_it_and_keeps_the_next_one(
    installation: Installation, running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.upload(RUNNING, FILES)
    installation.wait_for_job(f"score-stories-{RUNNING}-1-g1-a1")

    paused = tidegate(capsys, "pause", "stories", "--by", "ada", "--reason", "wrong camera")
    installation.upload(ARRIVING, FILES)
    running.settle()
    running.reconcile()
    running.reconcile()

    assert "end it with: tidegate resume stories" in paused
    assert running.scorings(RUNNING) == {f"{RUNNING}-1-g1": "scored"}
    assert running.scorings(ARRIVING) == {}
    [pause] = as_json(capsys, "pauses")
    assert [(row["kind"], row["what"]) for row in pause["waiting"]] == [
        ("ScorePartition", f"stories:{ARRIVING}")
    ]
    shown = "feed:stories is paused since "
    for command in ("partitions", "models", "pauses"):
        assert shown in tidegate(capsys, command)
    assert "wrong camera. Commands that wait: 1" in tidegate(capsys, "partitions")

    resumed = tidegate(capsys, "resume", "stories", "--by", "bob")
    running.settle()

    assert "Commands sent: 1" in resumed
    assert running.scorings(ARRIVING) == {f"{ARRIVING}-1-g1": "scored"}
    assert "Nothing is paused" in tidegate(capsys, "pauses")
    titles = [message["title"] for message in installation.notifications()]
    assert [title for title in titles if "pause" in title or "resume" in title] == [
        "Feed stories is paused",
        "Feed stories is resumed",
    ]
