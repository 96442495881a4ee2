"""Months through the whole house: Event Grid, the Functions host, the queue, Azure ML, and back."""

import csv
import io
import json

from tests.estate import Estate, Running
from tests.payloads import blob_event

FILES = {"a.png": "cat", "b.png": "dog", "c.png": "cat"}


def predictions(estate: Estate, result: str) -> dict[str, str]:
    """Label by image, from the CSV that the Data asset of the predictions points at."""
    path = str(estate.ml.data.get("stories-predictions", result).path).partition("/paths/")[2]
    container = estate.blobstore
    text = container.download_blob(f"{path.rstrip('/')}/predictions.csv").readall().decode()
    return {row["img"]: row["label"] for row in csv.DictReader(io.StringIO(text))}


def test_a_month_of_files_becomes_reconciled_predictions_and_people_are_told(
    estate: Estate, running: Running
) -> None:
    estate.upload("209901", FILES)
    running.settle()

    month = running.month("209901")
    assert (month["state"], month["result"], month["files"]) == ("scored", "209901-1-g1", 3)
    assert predictions(estate, "209901-1-g1") == FILES
    data = estate.ml.data.get("stories", "209901-1")
    assert data.tags["tidegate_month"] == "209901"
    assert data.tags["tidegate_files"] == "3"
    assert estate.jobs() == {"score-stories-209901-1-g1-a1": "Completed"}
    told = json.dumps(estate.letters())
    assert "209901" in told
    assert "predictions.csv" in told
    assert f"{running.site.url}/api/feeds/stories/months/209901" in told
    own = [one for one in estate.cloud.events if one.get("eventType") == "Tidegate.MonthScored"]
    assert any("209901-1-g1" in json.dumps(one) for one in own)


def test_the_same_content_again_registers_and_runs_nothing(estate: Estate, running: Running) -> None:
    estate.upload("209901", FILES)
    running.settle()

    estate.upload("209901", FILES)
    running.settle()
    running.reconcile()

    assert running.scorings("209901") == {"209901-1-g1": "scored"}
    assert [data.version for data in estate.ml.data.list(name="stories")] == ["209901-1"]


def test_doubled_and_reordered_events_submit_one_job(estate: Estate, running: Running) -> None:
    topics = {"topic": f"*{estate.account.name}*"}
    estate.cloud.fault("event", "duplicate", match=topics, value=2, times=None, probability=0.5)
    estate.cloud.fault("event", "reorder", match=topics, value=2, times=None)
    estate.cloud.fault("event", "duplicate", match={"topic": f"*{estate.workspace.name}"}, times=None)

    for month in ("209901", "209902"):
        estate.upload(month, FILES)
    running.settle()

    assert sorted(estate.jobs()) == ["score-stories-209901-1-g1-a1", "score-stories-209902-1-g1-a1"]
    assert running.month("209901")["state"] == "scored"
    assert running.month("209902")["state"] == "scored"


def test_lost_events_are_found_by_the_timer(estate: Estate, running: Running) -> None:
    estate.upload("209901", FILES)
    running.settle()
    estate.cloud.fault("event", "drop", match={"topic": f"*{estate.workspace.name}"}, times=None)
    estate.cloud.fault("event", "drop", match={"topic": f"*{estate.account.name}"}, times=None)

    response = running.post("/api/feeds/stories/months/209901/jobs", {"reason": "again"})
    assert response.status_code == 202, response.text
    estate.wait_for_job("score-stories-209901-1-g2-a1", status="Completed")
    running.reconcile()

    assert running.scorings("209901") == {"209901-1-g1": "scored", "209901-1-g2": "scored"}


def test_a_late_file_makes_a_new_version_and_the_result_moves_on(estate: Estate, running: Running) -> None:
    estate.upload("209901", FILES)
    running.settle()

    estate.upload("209901", {"late.png": "bird"}, marker=False)
    running.settle()

    assert running.scorings("209901") == {"209901-1-g1": "scored", "209901-2-g1": "scored"}
    assert running.month("209901")["result"] == "209901-2-g1"
    assert predictions(estate, "209901-2-g1") == {**FILES, "late.png": "bird"}


def test_a_rerun_is_a_new_generation_and_its_key_brings_the_same_one(
    estate: Estate, running: Running
) -> None:
    estate.upload("209901", FILES)
    running.settle()

    path, key = "/api/feeds/stories/months/209901/jobs", {"Idempotency-Key": "one"}
    answers = [running.post(path, {"reason": "new labels"}, **key) for _ in range(2)]
    running.settle()

    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert running.scorings("209901") == {"209901-1-g1": "scored", "209901-1-g2": "scored"}
    assert running.month("209901")["result"] == "209901-1-g2"


def test_a_folder_that_moves_or_goes_is_one_event_and_is_seen(estate: Estate, running: Running) -> None:
    """So it is with a hierarchical namespace. Azurite has none: here the files come and go unannounced."""
    unannounced = {"topic": estate.account.id, "type": "Microsoft.Storage.Blob*"}
    estate.cloud.fault("event", "drop", match=unannounced, times=None)
    estate.upload("209901", {**FILES, "more/d.png": "ant"})
    running.settle()
    assert running.request("GET", "/api/feeds/stories/months/209901").status_code == 404

    topic, upload = estate.account.id, f"https://{estate.account.name}.dfs.core.windows.net/images/upload"
    moved = blob_event("209901", kind="DirectoryRenamed", topic=topic, data={"sourceUrl": upload})
    estate.cloud.inject(topic, moved)
    running.settle()
    estate.images.delete_blob("209901/more/d.png")
    estate.cloud.inject(topic, blob_event("209901/more", kind="DirectoryDeleted", topic=topic))
    running.settle()

    assert running.scorings("209901") == {"209901-1-g1": "scored", "209901-2-g1": "scored"}
    assert predictions(estate, "209901-2-g1") == FILES


def test_a_gap_marks_the_version_incomplete_and_what_was_published_stays(
    estate: Estate, running: Running
) -> None:
    estate.upload("209901", FILES)
    running.settle()

    estate.upload("209901", {"b.png": "skip", "d.png": "ant"})
    running.settle()

    month = running.month("209901")
    assert running.scorings("209901")["209901-2-g1"] == "incomplete"
    assert month["result"] == "209901-1-g1"
    assert "b.png" in json.dumps(month["versions"][1]["scorings"])


def test_a_preempted_job_comes_back_and_then_moves_to_the_fallback(estate: Estate, running: Running) -> None:
    match = {"workspace": f"*{estate.workspace.name}", "run": "score-*"}
    estate.cloud.fault("run", "preempt", match=match, times=2)

    estate.upload("209901", FILES)
    running.settle()

    last = running.month("209901")["versions"][0]["scorings"][0]
    assert (last["state"], last["attempt"], last["compute"]) == ("scored", 3, "gpu-dedicated")
    assert len(estate.jobs()) == 3
    assert "preempt" in json.dumps(running.month("209901")["activities"])


def test_a_job_that_a_person_cancelled_stays_cancelled(estate: Estate, running: Running) -> None:
    match = {"workspace": f"*{estate.workspace.name}", "run": "score-*"}
    estate.cloud.fault("run", "never_start", match=match)
    estate.upload("209901", FILES)
    name = "score-stories-209901-1-g1-a1"
    estate.wait_for_job(name)

    estate.ml.jobs.begin_cancel(name)
    running.settle()
    running.reconcile()

    assert running.scorings("209901") == {"209901-1-g1": "cancelled"}
    assert list(estate.jobs()) == [name]


def test_a_storm_of_429_delays_and_loses_nothing(estate: Estate, running: Running) -> None:
    for host in ("management.azure.com", f"{estate.account.name}.table.core.windows.net"):
        match = {"host": host, "origin": running.site.name}
        estate.cloud.fault("request", "status", match=match, value=429, times=15, probability=0.4)

    estate.upload("209901", FILES)
    running.drive("209901")

    assert running.scorings("209901") == {"209901-1-g1": "scored"}
    assert list(estate.jobs()) == ["score-stories-209901-1-g1-a1"]


def test_bad_configuration_loses_no_event(estate: Estate, running: Running) -> None:
    good = estate.config_file.read_text()
    estate.config_file.write_text(good.replace("complete_when", "complete_wen"))
    estate.upload("209901", FILES)
    running.settle()
    health = running.request("GET", "/api/health")

    estate.config_file.write_text(good)
    running.drive("209901")

    assert health.status_code == 503
    assert "complete_wen" in health.text
    assert running.scorings("209901") == {"209901-1-g1": "scored"}
