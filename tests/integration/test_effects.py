"""What is recorded of causes: of blobs one record for each look, of other events and requests one each."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.support import config_yaml
from tests.support.api_requests import Api, content
from tests.support.handler_harness import CHECK, FEED, JOB, LOOK, MONTH, HandlerHarness
from tests.support.installation import Installation
from tests.support.payloads import as_json, blob_event, run_event
from tests.support.service import take_commands

from tidegate.bootstrap import Service
from tidegate.domain.activities.subjects import SPELLINGS, feed_subject, partition_subject
from tidegate.messages.commands import CheckPartition, Reconcile, ScorePartition
from tidegate.messages.queue_messages import encode
from tidegate.service.manual_actions.pause import PauseRequest
from tidegate.service.manual_actions.requester import Requester
from tidegate.service.manual_actions.rerun import RerunRequest

SUBJECT = partition_subject(FEED, MONTH)
ADA = Requester("ada", "entra")


def deliver(harness: HandlerHarness, number: int) -> tuple[list[str], int]:
    """Deliver so many blob events, and look at the partition. Return their ids and the writes to tables."""
    account, topic = harness.installation.account, harness.installation.feeds.id
    before = writes(harness)
    ids = [str(uuid4()) for _ in range(number)]
    for start in range(0, number, 100):
        events = [blob_event(f"{MONTH}/{id}.png", id=id, topic=topic) for id in ids[start : start + 100]]
        harness.service.inbox.accept(as_json(*events))
    waiting = take_commands(harness.installation.cloud, account.name)
    while waiting:
        command = waiting.pop(0)
        if isinstance(command, CheckPartition) and command.due:
            harness.service.worker.carry_out(encode(command))
            harness.clock.now = max(harness.clock.now, command.due + timedelta(seconds=1))
        harness.service.worker.carry_out(encode(command))
    take_commands(harness.installation.cloud, account.name)
    return ids, writes(harness) - before


def nodes(graph: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [node for node in graph["nodes"] if node["kind"] == kind]


def table_requests(harness: HandlerHarness) -> int:
    host = f"{harness.installation.account.name}.table."
    return len(harness.installation.cloud.find_requests(host=host))


def writes(harness: HandlerHarness) -> int:
    host = f"{harness.installation.account.name}.table."
    requests = harness.installation.cloud.find_requests(host=host)
    return sum(request["method"] != "GET" for request in requests)


def test_of_many_blobs_one_record_is_written_for_the_look_that_lists_them(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.configure(complete_when=[{"quiet_for": "15m"}])
    installation.upload("209801", {"a.png": "cat"}, marker=False)
    harness.clock.now = datetime.now(UTC)
    deliver(harness, 3)  # creates the tables

    few, few_writes = deliver(harness, 30)
    many, many_writes = deliver(harness, 600)

    assert many_writes == few_writes
    for ids in (few, many):
        [look] = harness.ledger.effects.of(ids[0])
        assert (look.command, look.subject) == ("CheckPartition", SUBJECT)
        assert look.origin is not None
        assert (look.origin.first, look.origin.last, look.origin.events) == (ids[0], ids[-1], len(ids))
        assert [effect.of for effect in harness.ledger.effects.of(ids[-1])] == [ids[0]]
        assert harness.ledger.effects.of(ids[1]) == []


def test_every_record_of_a_partition_says_what_caused_it(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.upload(MONTH, {"a.png": "cat"})
    harness.do(CHECK.model_copy(update={"cause": "event-1"}))
    harness.run(CHECK.model_copy(update={"cause": "event-2"}))

    request = RerunRequest(reason="new labels")
    feed = harness.config().feeds[FEED]
    claim = harness.service.reruns.rerun(feed, harness.partition, request, None, ADA)

    version = harness.partition.versions[0]
    job = harness.ledger.job("development", JOB)
    assert job is not None
    assert (version.cause, version.generations[0].cause, job.cause) == ("event-1", "event-2", "event-2")
    assert claim.generation.by == "ada"
    [effect] = harness.ledger.effects.of(str(claim.generation.cause))
    assert effect.origin is not None
    assert (effect.command, effect.subject, effect.origin.by) == ("rerun", SUBJECT, "ada")
    assert effect.origin.reason == "new labels"


def test_of_a_run_event_one_record_is_written_even_if_nothing_was_to_be_done(
    installation: Installation, harness: HandlerHarness
) -> None:
    event = run_event(JOB, id="run-1", topic=installation.workspace.id)
    for _ in range(2):
        harness.service.inbox.accept(as_json(event))
        for command in take_commands(installation.cloud, installation.account.name):
            harness.service.worker.carry_out(encode(command))

    [effect] = harness.ledger.effects.of("run-1")

    assert (effect.command, effect.subject) == ("CheckJob", f"development:{JOB}")
    assert effect.origin is not None
    assert effect.origin.what == event["eventType"]


def test_a_pause_says_who_paused_and_who_resumed(harness: HandlerHarness) -> None:
    pauses = harness.service.pauses
    pause = pauses.pause(PauseRequest(target="feed:stories", reason="camera"), ADA)
    pauses.resume("feed:stories", Requester("bob", "entra"))

    effects = harness.ledger.effects.of(f"pause-{pause.since:%Y%m%dT%H%M%S}")

    assert {(effect.command, effect.origin and effect.origin.by) for effect in effects} == {
        ("pause", "ada"),
        ("resume", "bob"),
    }


def test_a_file_of_predictions_is_explained_back_to_its_first_event_with_few_reads(
    installation: Installation, harness: HandlerHarness
) -> None:
    api = Api(lambda: harness.service)
    event = blob_event(f"{MONTH}/_SUCCESS", id="marker-1", topic=installation.feeds.id)
    installation.upload(MONTH, {"a.png": "cat"})
    harness.service.inbox.accept(as_json(event))
    waiting = take_commands(installation.cloud, installation.account.name)
    while harness.partition.result is None:
        for command in waiting or [LOOK]:
            harness.service.worker.carry_out(encode(command))
        installation.cloud.settle()
        waiting = take_commands(installation.cloud, installation.account.name)

    before = table_requests(harness)
    blob = f"predictions/{FEED}/{MONTH}/{MONTH}-1/g1/predictions.csv"
    answer = content(api.get(f"/api/explain/https://x.blob.core.windows.net/c/{blob}"))
    reads = table_requests(harness) - before

    assert reads <= 8
    assert answer["about"] == f"scoring {FEED}:{MONTH}-1-g1"
    [files], [job] = nodes(answer, "files"), nodes(answer, "job")
    [scoring], [event_node] = nodes(answer, "scoring"), nodes(answer, "cause")
    assert files["facts"]["manifest_hash"] == harness.partition.versions[0].manifest_hash
    assert job["facts"]["code"].startswith("quick:")
    assert scoring["facts"]["model"] == "quick-model:1"
    assert event_node["facts"]["id"] == "marker-1"
    assert event_node["title"] == event["eventType"]
    edges = {(edge["source"], edge["target"]) for edge in answer["edges"]}
    assert {
        (event_node["id"], files["id"]),
        (files["id"], scoring["id"]),
        (job["id"], scoring["id"]),
    } <= edges

    for tags, found in (
        ("tidegate_partition=209901", True),
        ("tidegate_partition=209901&tag=tidegate_files=1", True),
        ("tidegate_partition=209901&tag=tidegate_files=2", False),
    ):
        assert bool(content(api.get(f"/api/feeds/{FEED}/partitions?tag={tags}"))) is found
    of_jobs = [content(api.get(f"/api/jobs?all=true&tag=tidegate_files={files}")) for files in (1, 2)]
    assert [[job["name"] for job in jobs] for jobs in of_jobs] == [[JOB], []]
    assert api.get("/api/jobs?tag=novalue").status_code == 422

    forward = content(api.get("/api/explain/marker-1"))
    assert forward["about"] == event_node["id"]
    assert {scoring["id"], files["id"], job["id"]} <= {node["id"] for node in forward["nodes"]}
    told = {node["facts"]["kind"]: node["facts"]["id"] for node in nodes(forward, "activity")}
    assert {"partition.registered"} <= told.keys()
    same = [
        content(api.get(f"/api/explain/{subject}"))["about"]
        for subject in (JOB, f"{FEED}:{MONTH}", f"{FEED}:{MONTH}-1", f"images/{MONTH}/a.png")
    ]
    assert same == [job["id"], files["id"], files["id"], files["id"]]
    activity = told["partition.registered"]
    assert content(api.get(f"/api/explain/{activity}"))["about"] == f"activity {activity}"


def test_a_used_up_budget_stops_new_jobs_until_a_person_or_the_next_month(
    installation: Installation, harness: HandlerHarness
) -> None:
    api = Api(lambda: harness.service)
    installation.configure(budget={"amount": 0.001, "warn_at": 0.5})
    prices = {"currency": "EUR", "clusters": {"gpu-lowpri": {"low_priority": 3600}}}
    config_yaml.change(installation.config_file, prices=prices)
    installation.upload(MONTH, {"a.png": "cat"})
    harness.run(CHECK)

    costs = content(api.get(f"/api/costs?feed={FEED}"))
    [row] = costs["rows"]
    assert (row["partition"], costs["currency"]) == (MONTH, "EUR")
    assert row["estimate"]["amount"] > 0
    assert content(api.get(f"/api/costs?feed={FEED}&month=209901"))["rows"] == []
    [pause] = content(api.get("/api/pauses"))
    assert (pause["target"], pause["by"]) == (f"budget:feed:{FEED}", "the service")
    kinds = [activity.kind for activity in harness.ledger.activities(feed_subject(FEED))]
    assert kinds == ["budget.used_up"]

    installation.upload("209902", {"a.png": "cat"})
    second = CHECK.model_copy(update={"partition": "209902"})
    [score] = [step.command for step in harness.do(second) if isinstance(step.command, ScorePartition)]
    harness.service.worker.carry_out(encode(score))
    assert list(installation.jobs("209902")) == []
    [pause] = content(api.get("/api/pauses"))
    assert [waiting["kind"] for waiting in pause["waiting"]] == ["ScorePartition"]

    take_commands(installation.cloud, installation.account.name)
    harness.clock.now = datetime.fromisoformat(pause["ends_at"])
    harness.do(Reconcile(cause="timer-1"))
    assert content(api.get("/api/pauses")) == []
    assert score in take_commands(installation.cloud, installation.account.name)


def test_what_is_unknown_is_refused_with_what_can_be_explained(service: Service) -> None:
    api = Api(lambda: service)

    for unknown in ("digits:202601-7", "nothing", "no-model:3", "0123456789ab", "images/x"):
        refused = content(api.get(f"/api/explain/{unknown}"))
        assert refused["status"] == 404
        assert unknown in refused["detail"]
        assert all(example in refused["detail"] for _, example in SPELLINGS)
