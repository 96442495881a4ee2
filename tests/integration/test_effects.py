"""What is recorded of causes: of blobs one record for each look, of other events and requests one each."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tests.support.handler_harness import CHECK, FEED, JOB, MONTH, HandlerHarness
from tests.support.installation import Installation
from tests.support.payloads import as_json, blob_event, run_event
from tests.support.service import take_commands

from tidegate.domain.activities.subjects import partition_subject
from tidegate.messages.commands import CheckPartition, encode
from tidegate.service.manual_actions.pause import PauseRequest
from tidegate.service.manual_actions.requester import Requester
from tidegate.service.manual_actions.rerun import RerunRequest

SUBJECT = partition_subject(FEED, MONTH)
ADA = Requester("ada", "entra")


def deliver(harness: HandlerHarness, number: int) -> tuple[list[str], int]:
    """Deliver so many blob events, and look at the partition. Return their ids and the writes to tables."""
    account = harness.installation.account
    before = writes(harness)
    ids = [str(uuid4()) for _ in range(number)]
    for start in range(0, number, 100):
        events = [blob_event(f"{MONTH}/{id}.png", id=id, topic=account.id) for id in ids[start : start + 100]]
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
