"""The inbox with its real queue, ledger and blobs."""

import json
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.support.azure_clients import blob_client, container_client
from tests.support.bad_input import CASES, JOB
from tests.support.clock import Clock
from tests.support.payloads import as_json, blob_event, learning_event, run_event
from tests.support.service import delays, record_events, take_commands

from tidegate.bootstrap import Service
from tidegate.errors import ConfigError, TransientError
from tidegate.messages.commands import DELIVERY_FIELDS, AnyCommand, Notify, Reconcile, RecordEvent
from tidegate.messages.queue_messages import encode
from tidegate.service.steps.undelivered import UndeliveredCounts
from tidepool.cloud import StorageAccount, Tidepool


def test_every_odd_event_is_answered_and_queues_exactly_what_the_table_says(
    service: Service, clock: Clock, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    for case in CASES:
        service.inbox.accept(case.payload)
        clock.move(hours=2)  # so that nothing is held back for the case before it

    commands = record_events(service, tidepool)
    announced = [command for command in commands if isinstance(command, Notify)]
    answers = [answer for case in CASES for answer in case.answers]
    expected = [command for case in CASES for command in case.commands]
    assert _counted(_shown(command) for command in commands if command not in announced) == _counted(expected)
    assert len(announced) == answers.count("rejected") + answers.count("recorded")
    assert all(service.ledger.activity(one.subject, one.activity) for one in announced)


def _counted(commands: Iterable[dict[str, Any]]) -> Counter[str]:
    return Counter(json.dumps(command, sort_keys=True) for command in commands)


def _shown(command: AnyCommand) -> dict[str, Any]:
    shown = command.model_dump(exclude=DELIVERY_FIELDS)
    return shown | {"due": shown["due"] is not None} if "due" in shown else shown


def test_a_storm_costs_one_check_a_month(
    service: Service, clock: Clock, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    storm = [
        as_json(blob_event(f"2026{partition}/{n}.png"))
        for n in range(300)
        for partition in ("09", "10", "11")
    ]

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(service.inbox.accept, storm))

    assert delays(tidepool, storage_account.name) == [0, 0, 0]
    months = [command.model_dump()["partition"] for command in take_commands(tidepool, storage_account.name)]
    assert sorted(months) == ["202609", "202610", "202611"]


def test_what_arrives_just_before_a_check_is_due_gets_another_one(
    service: Service, clock: Clock, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    service.inbox.accept(as_json(blob_event("202611/a.png")))
    clock.move(minutes=14, seconds=54)
    service.inbox.accept(as_json(blob_event("202611/b.png")))
    assert len(take_commands(tidepool, storage_account.name)) == 1

    clock.move(seconds=1)
    service.inbox.accept(as_json(blob_event("202611/c.png")))

    assert len(take_commands(tidepool, storage_account.name)) == 1


def test_a_marker_is_never_held_back(
    service: Service, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    service.inbox.accept(as_json(blob_event("202611/a.png")))
    service.inbox.accept(as_json(blob_event("202611/_SUCCESS")))
    service.inbox.accept(as_json(blob_event("202611/_SUCCESS")))

    assert delays(tidepool, storage_account.name) == [0, 0, 0]


def test_a_check_that_could_not_be_sent_holds_nothing_back(
    service: Service, faults: Tidepool, storage_account: StorageAccount
) -> None:
    faults.fault("request", "status", match={"host": f"{storage_account.name}.queue.*"}, value=429)
    event = as_json(blob_event("202611/a.png"))

    with pytest.raises(TransientError):
        service.inbox.accept(event)
    service.inbox.accept(event)

    assert len(take_commands(faults, storage_account.name)) == 1


def test_bad_configuration_refuses_events_until_it_is_mended(
    service: Service, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    file = service.settings.config_file
    good = file.read_text()
    file.write_text(good.replace("starts", "begins"))

    with pytest.raises(ConfigError, match=r"tidegate.yml:\d+: feeds.digits.begins: there is no such key"):
        service.inbox.accept(as_json(blob_event("202611/a.png")))
    with pytest.raises(ConfigError, match="begins"):
        service.inbox.accept(as_json(run_event(JOB)))
    file.write_text(good)
    service.inbox.accept(as_json(blob_event("202611/a.png")))

    assert len(take_commands(tidepool, storage_account.name)) == 1


@pytest.mark.parametrize("padding", [0, 70_000], ids=["in a message", "too large for a message"])
def test_a_rejected_event_is_kept_as_it_came(service: Service, tidepool: Tidepool, padding: int) -> None:
    event = as_json(blob_event("202613/a.png") | {"more": "x" * padding})

    service.inbox.accept(event)
    record_events(service, tidepool)

    (activity,) = service.ledger.unsent_activities()
    assert activity.kind == "event.rejected"
    assert "there is no month 202613" in activity.text
    assert json.loads(_content(activity.data["blob"]))["event"] == event


def _content(url: str) -> str:
    return str(blob_client(url).download_blob(encoding="utf-8").readall())


def test_a_folder_of_odd_names_is_announced_once(
    service: Service, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    for number in range(20):
        service.inbox.accept(as_json(blob_event(f"202613/{number}.png")))

    (notify,) = record_events(service, tidepool)
    assert isinstance(notify, Notify)
    assert len(service.ledger.unsent_activities()) == 1


def test_a_model_event_is_recorded_once(
    service: Service, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    event = as_json(learning_event("ModelRegistered", "models/m:3", {"ModelName": "m", "ModelVersion": 3}))

    service.inbox.accept(event)
    service.inbox.accept(event)
    (notify,) = record_events(service, tidepool)

    (activity,) = service.ledger.activities("model:development:m")
    assert (activity.kind, activity.id) == ("model.registered", "registered-3")
    assert notify == Notify(cause=activity.cause, subject=activity.subject, activity=activity.id)


def test_the_timer_sends_reconcile(
    service: Service, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    service.inbox.tick()

    (command,) = take_commands(tidepool, storage_account.name)
    assert (command.kind, command.cause) == ("Reconcile", "timer-20261121T021000")


def test_the_timer_takes_up_dead_letters_as_if_they_had_been_delivered(
    service: Service, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    facts = {"deadLetterReason": "MaxDeliveryAttemptsExceeded", "deliveryAttempts": 30}
    good, odd = blob_event("202611/a.png") | facts, blob_event("202613/a.png") | facts
    service.undelivered.dead_letters.create()
    container = container_client(storage_account.name, "tidegate-deadletter")
    for name, events in (("good", [good]), ("odd", [odd]), ("text", "no event")):
        container.upload_blob(f"DIGITS/2026/11/5/10/{name}.json", json.dumps(events))
    assert service.undelivered.count() == UndeliveredCounts(poison_messages=0, dead_letters=3)

    service.handlers[Reconcile](Reconcile(cause="timer-1"))

    assert service.undelivered.count().dead_letters == 0
    commands = take_commands(tidepool, storage_account.name)
    assert sorted(command.kind for command in commands) == ["CheckPartition", "RecordEvent", "RecordEvent"]
    for command in commands:
        if isinstance(command, RecordEvent):  # the account of the feed does not exist
            service.worker.carry_out(encode(command))
    assert [failure.kind for failure in service.ledger.failures()] == ["event.rejected"] * 2


def test_dead_letters_stay_while_they_cannot_be_accepted(
    service: Service, faults: Tidepool, storage_account: StorageAccount
) -> None:
    service.undelivered.dead_letters.create()
    container = container_client(storage_account.name, "tidegate-deadletter")
    container.upload_blob("DIGITS/2026/11/5/10/a.json", json.dumps([blob_event("202611/a.png")]))
    faults.fault(
        "request", "status", match={"host": f"{storage_account.name}.queue.*"}, value=403, times=None
    )

    service.undelivered.take_up()

    assert service.undelivered.dead_letters.names() == ["DIGITS/2026/11/5/10/a.json"]
