"""Months through the whole harness: Event Grid, the Functions host, the queue, Azure ML, and back."""

import csv
import io
import json
from collections.abc import Iterator
from itertools import count

import pytest

from tests.support.installation import Installation, Running
from tests.support.payloads import blob_event
from tidepool.cloud import Tidepool

FILES = {"a.png": "cat", "b.png": "dog", "c.png": "cat"}


_MONTHS = (f"{2099 + number // 12}{number % 12 + 1:02}" for number in count())


@pytest.fixture(scope="module")
def installation(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """One for all stories: each has a month of its own."""
    return Installation(tidepool, tmp_path_factory.mktemp("partitions"))


@pytest.fixture(scope="module")
def running(installation: Installation) -> Iterator[Running]:
    with installation.start() as running:
        yield running


@pytest.fixture
def partition(installation: Installation) -> Iterator[str]:
    yield next(_MONTHS)
    installation.cloud.clear_faults()


def predictions(installation: Installation, result: str) -> dict[str, str]:
    """Label by image, from the CSV that the Data asset of the predictions points at."""
    path = str(installation.ml.data.get("stories-predictions", result).path).partition("/paths/")[2]
    container = installation.blobstore
    text = container.download_blob(f"{path.rstrip('/')}/predictions.csv").readall().decode()
    return {row["img"]: row["label"] for row in csv.DictReader(io.StringIO(text))}


def test_a_month_of_files_becomes_reconciled_predictions_and_people_are_told(
    installation: Installation, running: Running, partition: str
) -> None:
    installation.upload(partition, FILES)
    running.settle()

    shown = running.partition(partition)
    assert (shown["state"], shown["result"], shown["files"]) == ("scored", f"{partition}-1-g1", 3)
    assert predictions(installation, f"{partition}-1-g1") == FILES
    data = installation.ml.data.get("stories", f"{partition}-1")
    assert data.tags["tidegate_partition"] == partition
    assert data.tags["tidegate_files"] == "3"
    assert installation.jobs(partition) == {f"score-stories-{partition}-1-g1-a1": "Completed"}
    told = json.dumps(installation.notifications())
    assert partition in told
    assert "predictions.csv" in told
    assert f"{running.site.url}/feeds/stories/partitions/{partition}" in told
    own = [
        event for event in installation.cloud.events if event.get("eventType") == "Tidegate.PartitionScored"
    ]
    assert any(f"{partition}-1-g1" in json.dumps(one) for one in own)


@pytest.mark.long  # the handlers' tests have this case, too
def test_the_same_content_again_registers_and_runs_nothing(
    installation: Installation, running: Running, partition: str
) -> None:
    installation.upload(partition, FILES)
    running.settle()

    installation.upload(partition, FILES)
    running.settle()
    running.reconcile()

    assert running.scorings(partition) == {f"{partition}-1-g1": "scored"}
    assert list(installation.jobs(partition)) == [f"score-stories-{partition}-1-g1-a1"]
    registered = [data.version for data in installation.ml.data.list(name="stories")]
    assert [version for version in registered if version.startswith(partition)] == [f"{partition}-1"]


def test_doubled_and_reordered_events_submit_one_job(
    installation: Installation, running: Running, partition: str
) -> None:
    topics = {"topic": f"*{installation.feeds.name}*"}
    installation.cloud.fault("event", "duplicate", match=topics, value=2, times=None, probability=0.5)
    installation.cloud.fault("event", "reorder", match=topics, value=2, times=None)
    installation.cloud.fault(
        "event", "duplicate", match={"topic": f"*{installation.workspace.name}"}, times=None
    )

    installation.upload(partition, FILES)
    running.settle()

    assert list(installation.jobs(partition)) == [f"score-stories-{partition}-1-g1-a1"]
    assert running.partition(partition)["state"] == "scored"


def test_lost_events_are_found_by_the_timer(
    installation: Installation, running: Running, partition: str
) -> None:
    installation.upload(partition, FILES)
    running.settle()
    installation.cloud.fault("event", "drop", match={"topic": f"*{installation.workspace.name}"}, times=None)
    installation.cloud.fault("event", "drop", match={"topic": f"*{installation.feeds.name}"}, times=None)

    response = running.post(f"/api/feeds/stories/partitions/{partition}/jobs", {"reason": "again"})
    assert response.status_code == 202, response.text
    installation.wait_for_job(f"score-stories-{partition}-1-g2-a1", status="Completed")
    running.reconcile()

    assert running.scorings(partition) == {f"{partition}-1-g1": "scored", f"{partition}-1-g2": "scored"}


@pytest.mark.long  # the handlers' tests have this case, too
def test_a_late_file_makes_a_new_version_and_the_result_moves_on(
    installation: Installation, running: Running, partition: str
) -> None:
    installation.upload(partition, FILES)
    running.settle()

    installation.upload(partition, {"late.png": "bird"}, marker=False)
    running.settle()

    assert running.scorings(partition) == {f"{partition}-1-g1": "scored", f"{partition}-2-g1": "scored"}
    assert running.partition(partition)["result"] == f"{partition}-2-g1"
    assert predictions(installation, f"{partition}-2-g1") == {**FILES, "late.png": "bird"}


@pytest.mark.long  # the handlers' tests have this case, too
def test_a_rerun_is_a_new_generation_and_its_key_brings_the_same_one(
    installation: Installation, running: Running, partition: str
) -> None:
    installation.upload(partition, FILES)
    running.settle()

    path, key = f"/api/feeds/stories/partitions/{partition}/jobs", {"Idempotency-Key": "one"}
    answers = [running.post(path, {"reason": "new labels"}, **key) for _ in range(2)]
    running.settle()

    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert running.scorings(partition) == {f"{partition}-1-g1": "scored", f"{partition}-1-g2": "scored"}
    assert running.partition(partition)["result"] == f"{partition}-1-g2"


def test_a_folder_that_moves_or_goes_is_one_event_and_is_seen(
    installation: Installation, running: Running, partition: str
) -> None:
    """So it is with a hierarchical namespace. Azurite has none: here the files come and go unannounced."""
    unannounced = {"topic": installation.feeds.id, "type": "Microsoft.Storage.Blob*"}
    installation.cloud.fault("event", "drop", match=unannounced, times=None)
    installation.upload(partition, {**FILES, "more/d.png": "ant"})
    running.settle()
    assert running.request("GET", f"/api/feeds/stories/partitions/{partition}").status_code == 404

    topic, upload = (
        installation.feeds.id,
        f"https://{installation.feeds.name}.dfs.core.windows.net/images/upload",
    )
    moved = blob_event(partition, kind="DirectoryRenamed", topic=topic, data={"sourceUrl": upload})
    installation.cloud.inject(topic, moved)
    running.settle()
    installation.images.delete_blob(f"{partition}/more/d.png")
    installation.cloud.inject(topic, blob_event(f"{partition}/more", kind="DirectoryDeleted", topic=topic))
    running.settle()

    assert running.scorings(partition) == {f"{partition}-1-g1": "scored", f"{partition}-2-g1": "scored"}
    assert predictions(installation, f"{partition}-2-g1") == FILES


@pytest.mark.long  # the handlers' tests have this case, too
def test_a_gap_marks_the_version_incomplete_and_what_was_published_stays(
    installation: Installation, running: Running, partition: str
) -> None:
    installation.upload(partition, FILES)
    running.settle()

    installation.upload(partition, {"b.png": "skip", "d.png": "ant"})
    running.settle()

    shown = running.partition(partition)
    assert running.scorings(partition)[f"{partition}-2-g1"] == "incomplete"
    assert shown["result"] == f"{partition}-1-g1"
    assert "b.png" in json.dumps(shown["versions"][1]["scorings"])


@pytest.mark.long  # the handlers' tests have this case, too
def test_a_preempted_job_comes_back_and_then_moves_to_the_fallback(
    installation: Installation, running: Running, partition: str
) -> None:
    match = {"workspace": f"*{installation.workspace.name}", "run": "score-*"}
    installation.cloud.fault("run", "preempt", match=match, times=2)

    installation.upload(partition, FILES)
    running.settle()

    last = running.partition(partition)["versions"][0]["scorings"][0]
    assert (last["state"], last["attempt"], last["compute"]) == ("scored", 3, "gpu-dedicated")
    assert len(installation.jobs(partition)) == 3
    assert "preempt" in json.dumps(running.partition(partition)["activities"])


@pytest.mark.long  # the handlers' tests have this case, too
def test_a_job_that_a_person_cancelled_stays_cancelled(
    installation: Installation, running: Running, partition: str
) -> None:
    match = {"workspace": f"*{installation.workspace.name}", "run": "score-*"}
    installation.cloud.fault("run", "never_start", match=match)
    installation.upload(partition, FILES)
    name = f"score-stories-{partition}-1-g1-a1"
    installation.wait_for_job(name)

    installation.ml.jobs.begin_cancel(name)
    running.settle()
    running.reconcile()

    assert running.scorings(partition) == {f"{partition}-1-g1": "cancelled"}
    assert list(installation.jobs(partition)) == [name]


def test_a_storm_of_429_delays_and_loses_nothing(
    installation: Installation, running: Running, partition: str
) -> None:
    tables = f"{installation.account.name}.table.core.windows.net"
    for host in ("management.azure.com", tables):
        storm = {"match": {"host": host, "origin": running.site.name}, "times": 15, "probability": 0.4}
        installation.cloud.fault("request", "status", value=429, retry_after_s=0.1, **storm)

    installation.upload(partition, FILES)
    running.drive(partition)

    assert 429 in {request["status"] for request in installation.cloud.find_requests(host=tables)}
    assert running.scorings(partition) == {f"{partition}-1-g1": "scored"}
    assert list(installation.jobs(partition)) == [f"score-stories-{partition}-1-g1-a1"]


def test_bad_configuration_loses_no_event(
    installation: Installation, running: Running, partition: str
) -> None:
    installation.cloud.advance(
        3600
    )  # what other months left to be looked at later is looked at while it can be
    running.settle()
    good = installation.config_file.read_text()
    installation.config_file.write_text(good.replace("complete_when", "complete_wen"))
    installation.upload(partition, FILES)
    running.settle()
    health = running.request("GET", "/api/health")

    installation.config_file.write_text(good)
    running.drive(partition)

    assert health.status_code == 503
    assert "complete_wen" in health.text
    assert running.scorings(partition) == {f"{partition}-1-g1": "scored"}
