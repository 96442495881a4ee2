"""A daily feed through the whole harness: Event Grid, the Functions host, the queue, Azure ML, and back."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.drift import DARK, LIGHT, DriftInstallation
from tests.support.installation import Running
from tests.support.model_versions import MODEL
from tidegate.cli.app import main
from tidepool.cloud import Tidepool

DAYS = ("20261103", "20261104", "20261105")
HIVE = "in/year={yyyy}/month={MM}/day={dd}/"


@pytest.fixture
def installation(tidepool: Tidepool, tmp_path: Path) -> Iterator[DriftInstallation]:
    yield DriftInstallation(tidepool, tmp_path, drift={"partitions": 6}, path=HIVE, starts=int(DAYS[0]))
    tidepool.clear_faults()


@pytest.fixture(autouse=True)
def environment(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNCTIONS_URL", running.site.url)
    monkeypatch.setenv("FUNCTIONS_KEY", running.site.key)
    monkeypatch.setenv("COLUMNS", "200")


def folder(day: str) -> str:
    return f"in/year={day[:4]}/month={day[4:6]}/day={day[6:]}"


def tidegate(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command line, and return what it prints."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    output = capsys.readouterr()
    assert not ended.value.code, output.err
    return output.out


def data_versions(installation: DriftInstallation, name: str = "stories") -> dict[str, Any]:
    """Return the Data asset versions by version, as any user of the SDK sees them."""
    return {
        data.version: installation.ml.data.get(name, data.version) for data in installation.ml.data.list(name)
    }


def labels(installation: DriftInstallation, result: str) -> dict[str, str]:
    """Return the label of each image, from the CSV that the Data asset of the predictions points at."""
    path = str(installation.ml.data.get("stories-predictions", result).path).partition("/paths/")[2]
    text = installation.blobstore.download_blob(f"{path.rstrip('/')}/predictions.csv").readall().decode()
    return {row["img"]: row["label"] for row in csv.DictReader(io.StringIO(text))}


@pytest.mark.long
def test_three_days_are_registered_scored_shown_and_trained_on(
    installation: DriftInstallation, running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    for day in DAYS[:2]:
        installation.upload(folder(day), LIGHT)
        running.settle()
    installation.upload(folder(DAYS[1]), {"late.png": "bird"}, marker=False)
    running.settle()
    installation.upload(folder(DAYS[2]), DARK)
    running.settle()

    versions = data_versions(installation)
    assert set(versions) == {"20261103-1", "20261104-1", "20261104-2", "20261105-1"}
    assert {version: data.tags["tidegate_partition"] for version, data in versions.items()} == {
        version: version.partition("-")[0] for version in versions
    }
    assert str(versions["20261105-1"].path).rstrip("/").endswith("/paths/in/year=2026/month=11/day=05")
    results = ["20261103-1-g1", "20261104-1-g1", "20261104-2-g1", "20261105-1-g1"]
    assert sorted(data_versions(installation, "stories-predictions")) == results
    assert labels(installation, "20261104-2-g1") == {**LIGHT, "late.png": "bird"}
    assert installation.jobs() == {f"score-stories-{result}-a1": "Completed" for result in results}

    [job] = installation.retrainings().items()
    assert job == (f"retrain-{MODEL}-measurement-stories-20261105-1-g1-a1", "Completed")
    data = "stories:20261103-1,stories:20261104-2,stories:20261105-1"
    assert installation.ml.jobs.get(job[0]).tags["tidegate_data"] == data

    shown = running.partition(DAYS[0])
    assert (shown["partition"], shown["state"], shown["result"]) == (DAYS[0], "scored", "20261103-1-g1")
    listed = tidegate(capsys, "partitions")
    rows = [words[1:3] for line in listed.splitlines() if set(words := line.split()) & set(DAYS)]
    assert rows == [[day, "scored"] for day in DAYS[::-1]]
    assert "current result: 20261104-2-g1" in tidegate(capsys, "partition", DAYS[1])
    told = json.dumps(installation.notifications())
    assert f"{running.site.url}/feeds/stories/partitions/{DAYS[2]}" in told
    assert "The day has 2 files" in told
    own = [
        event for event in installation.cloud.events if event.get("eventType") == "Tidegate.PartitionScored"
    ]
    assert any("20261105-1-g1" in json.dumps(event) for event in own)

    asked = tidegate(capsys, "retrain", MODEL, "--reason", "more days", "--by", "ada")
    assert f"{MODEL} is trained on {data.replace(',', ', ')}, job retrain-{MODEL}-request-" in asked
    assert "20261103-1-g2 is requested" in tidegate(capsys, "rerun", DAYS[0], "--reason", "asked")
    running.settle()
    assert running.partition(DAYS[0])["result"] == "20261103-1-g2"
    assert sorted(installation.retrainings().values()) == ["Completed", "Completed"]
    assert running.request("GET", "/api/feeds/stories/partitions/202611").status_code == 404
