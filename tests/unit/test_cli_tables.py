"""What the command line shows of a month and of a model in a terminal of 80 columns."""

from datetime import UTC, datetime

import pytest
from tests.support.config_yaml import a_feed

from tidegate.api.model_views import model_view
from tidegate.api.views import partition_view
from tidegate.cli.model_tables import show_model
from tidegate.cli.partition_tables import show_partition
from tidegate.config.schema import Feed
from tidegate.domain.activities.activity import Activity
from tidegate.domain.lifecycle.records import Model
from tidegate.domain.partitions.records import Generation, Partition, PartitionVersion, ScoringState

NOW = datetime(2027, 2, 1, 9, 30, tzinfo=UTC)
MISSING = "Asset cat-classifier does not exist in workspace mlw-dev"


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def an_activity(text: str = MISSING) -> Activity:
    title = "ScorePartition cats:202701 is delayed"
    return Activity(
        subject="cats:202701", id="1", kind="work.delayed", at=NOW, title=title, text=text, cause="c"
    )


def a_month(*states: ScoringState) -> Partition:
    generations = [
        Generation(
            number=number,
            state=state,
            model_name="cat-classifier",
            model_version="3",
            compute="gpu-lowpri",
            reason="a person asked for it, with the new labels",
            claimed_at=NOW,
            job=f"score-cats-202701-1-g{number}-a1",
        )
        for number, state in enumerate(states, start=1)
    ]
    version = PartitionVersion(
        number=1,
        manifest_hash="hash",
        manifest_path="manifest.jsonl",
        files=3,
        bytes=30,
        reason="marker _SUCCESS",
        snapshot_at=NOW,
        generations=generations,
    )
    return Partition(feed="cats", partition="202701", versions=[version])


def said(capsys: pytest.CaptureFixture[str], partition: Partition, *activities: Activity) -> list[str]:
    show_partition(
        partition_view(partition, Feed.model_validate(a_feed()), list(activities)).model_dump(mode="json")
    )
    return capsys.readouterr().out.splitlines()


def test_a_month_says_why_it_waits(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, Partition(feed="cats", partition="202701"), an_activity())

    assert MISSING in " ".join(" ".join(lines).split())
    assert max(map(len, lines)) <= 80


def test_a_text_that_only_repeats_its_title_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, Partition(feed="cats", partition="202701"), an_activity(an_activity().title))

    assert "".join(lines).count("is delayed") == 1


def test_a_text_of_hundreds_of_lines_is_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(
        capsys, Partition(feed="cats", partition="202701"), an_activity("one rule and its number\n" * 300)
    )

    assert len(lines) < 30
    assert lines[-1].rstrip().endswith("…")


def test_states_and_names_stay_whole(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, a_month(*ScoringState))

    words = {word for line in lines for word in line.split()}
    assert {state.value for state in ScoringState} <= words
    assert "score-cats-202701-1-g1-a1" in words
    assert max(map(len, lines)) <= 80


def test_a_model_says_why_too(capsys: pytest.CaptureFixture[str]) -> None:
    show_model(model_view(Model(model="cats"), None, [], 0, [an_activity()]).model_dump(mode="json"))

    assert MISSING in " ".join(capsys.readouterr().out.split())
