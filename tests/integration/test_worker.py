"""The worker with its real queue and ledger, and handlers that end in every way there is."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.support.clock import Clock
from tests.support.service import delays, take_commands, take_messages

from tidegate.bootstrap import Service
from tidegate.errors import ConfigError, ConflictError, NotFoundError, PermanentError, TransientError
from tidegate.messages.commands import (
    MESSAGE_FORMAT,
    AnyCommand,
    CheckJob,
    CheckPartition,
    Follows,
    Next,
    Notify,
    Reconcile,
    encode,
)
from tidegate.service.steps.pause_gate import PauseGate
from tidegate.service.worker import Worker
from tidepool.cloud import StorageAccount, Tidepool

CHECK = CheckPartition(cause="event-1", feed="digits", partition="202611")
Works = Callable[..., Worker]


@pytest.fixture
def works(service: Service, clock: Clock) -> Works:
    """A worker all of whose commands end in `raises`, or are followed by `follows`."""

    def worker(*, raises: Exception | None = None, follows: Follows = ()) -> Worker:
        def handle(command: AnyCommand) -> Follows:
            if raises:
                raise raises
            return follows

        handlers: dict[type[Any], Callable[[Any], Follows]] = dict.fromkeys(
            (CheckPartition, CheckJob, Notify, Reconcile), handle
        )
        gate = PauseGate(service, service.pauses.current)
        return Worker(handlers=handlers, queue=service.queue, ledger=service.ledger, now=clock, gate=gate)

    return worker


def test_what_follows_is_sent_with_its_delay(
    works: Works, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    job = CheckJob(cause="event-1", workspace="development", job="score-digits-202611-1-g1-a1")

    works(follows=[Next(job, timedelta(minutes=5)), Next(job, timedelta(hours=9))]).carry_out(encode(CHECK))

    assert delays(tidepool, storage_account.name) == [300, 3600]
    assert take_commands(tidepool, storage_account.name) == [job, job]


def test_a_message_is_kept_where_what_follows_cannot_be_sent(
    works: Works, faults: Tidepool, storage_account: StorageAccount
) -> None:
    faults.fault("request", "status", match={"host": f"{storage_account.name}.queue.*"}, value=429)

    with pytest.raises(TransientError):
        works(follows=[Next(CHECK)]).carry_out(encode(CHECK))


@pytest.mark.parametrize("error", [TransientError("busy"), NotFoundError("no pipeline"), ConfigError("bad")])
def test_a_passing_fault_brings_the_same_command_back_later_and_later(
    works: Works, clock: Clock, tidepool: Tidepool, storage_account: StorageAccount, error: Exception
) -> None:
    worker, command = works(raises=error), CHECK
    for _ in range(4):
        worker.carry_out(encode(command))
        (command,) = take_commands(tidepool, storage_account.name)
        clock.move(minutes=10)

    assert command == CHECK.model_copy(update={"tries": 4, "first_tried": Clock().now})
    for delay, longest in zip(delays(tidepool, storage_account.name), (5, 10, 20, 40), strict=True):
        assert 0.8 * longest - 1 <= delay <= longest


def test_a_conflict_is_looked_at_again_at_once(
    works: Works, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    works(raises=ConflictError("quicker")).carry_out(encode(CHECK))

    assert delays(tidepool, storage_account.name) == [0]


def test_waiting_is_never_longer_than_an_hour(
    works: Works, clock: Clock, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    tired = CHECK.model_copy(
        update={"tries": 90, "first_tried": clock.now - timedelta(hours=23), "delay_announced": True}
    )

    works(raises=TransientError("busy")).carry_out(encode(tired))

    (delay,) = delays(tidepool, storage_account.name)
    assert 0.8 * 3600 <= delay <= 3600


def test_a_fault_of_some_minutes_is_announced_once(
    works: Works, service: Service, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    worker = works(raises=NotFoundError("no pipeline"))

    worker.carry_out(encode(CHECK.model_copy(update={"tries": 4})))
    notify, retry = sorted(take_commands(tidepool, storage_account.name), key=lambda command: command.tries)
    worker.carry_out(encode(retry))

    (activity,) = service.ledger.activities("digits:202611")
    assert (activity.kind, activity.text) == ("work.delayed", "no pipeline")
    assert notify == Notify(cause="event-1", subject=activity.subject, activity=activity.id)
    assert [command.kind for command in take_commands(tidepool, storage_account.name)] == ["CheckPartition"]


@pytest.fixture
def tables_away(faults: Tidepool, storage_account: StorageAccount) -> Iterator[None]:
    """Cut every connection to the tables of the service's account, until the test clears the faults."""
    tables = {"host": f"{storage_account.name}.table.*"}
    faults.fault("request", "timeout", value=0, times=None, match=tables)
    yield
    faults.clear_faults()


def test_a_command_comes_back_for_a_day_while_the_tables_are_away(
    works: Works, tables_away: None, clock: Clock, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    worker = works(raises=TransientError("busy"))
    command: AnyCommand = CHECK.model_copy(update={"tries": 4, "first_tried": clock.now})

    for tries in (5, 6):
        worker.carry_out(encode(command))
        (command,) = take_commands(tidepool, storage_account.name)
        assert (command.tries, command.delay_announced) == (tries, False)
    clock.move(hours=24)
    worker.carry_out(encode(command))

    assert take_commands(tidepool, storage_account.name) == [command]


def test_the_delay_is_announced_once_the_tables_are_back(
    works: Works, service: Service, tables_away: None, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    worker = works(raises=TransientError("busy"))
    worker.carry_out(encode(CHECK.model_copy(update={"tries": 4})))
    (command,) = take_commands(tidepool, storage_account.name)

    tidepool.clear_faults()
    worker.carry_out(encode(command))

    assert [activity.kind for activity in service.ledger.activities("digits:202611")] == ["work.delayed"]
    assert len(take_commands(tidepool, storage_account.name)) == 2


@pytest.mark.parametrize("message", [encode(CHECK), "no JSON", "e30="], ids=["a command", "text", "base64"])
def test_a_failure_waits_in_the_queue_until_the_tables_are_back(
    works: Works, service: Service, tables_away: None, tidepool: Tidepool, message: str
) -> None:
    account = service.settings.storage_account
    worker = works(raises=PermanentError("the model has no signature"))

    worker.carry_out(message)
    waiting = take_messages(tidepool, account)
    tidepool.clear_faults()
    worker.carry_out(waiting[0])

    assert len(waiting) == 1
    (failure,) = service.ledger.failures()
    assert failure.replayable
    (notify,) = take_commands(tidepool, account)
    assert isinstance(notify, Notify)


def test_after_a_day_it_is_given_up_recorded_and_announced(
    works: Works, service: Service, clock: Clock, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    old = CHECK.model_copy(update={"tries": 30, "first_tried": clock.now - timedelta(hours=24)})

    works(raises=TransientError("still busy")).carry_out(encode(old))

    (activity,) = service.ledger.activities("digits:202611")
    assert activity.kind == "work.failed"
    assert "30 tries in 24 h: still busy" in activity.text
    (command,) = take_commands(tidepool, storage_account.name)
    assert isinstance(command, Notify)


def test_a_permanent_fault_is_recorded_announced_and_can_be_replayed(
    works: Works, service: Service, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    worker = works(raises=PermanentError("the model has no signature"))

    worker.carry_out(encode(CHECK))
    worker.carry_out(encode(CHECK))

    (activity,) = service.ledger.activities("digits:202611")
    assert (activity.kind, activity.text) == ("work.failed", "the model has no signature")
    assert CheckPartition.model_validate(activity.data["command"]) == CHECK
    first, again = take_commands(tidepool, storage_account.name)
    assert first == again == Notify(cause="event-1", subject=activity.subject, activity=activity.id)


def test_the_same_fault_with_another_request_id_is_announced_once_a_day(
    works: Works, service: Service, clock: Clock
) -> None:
    for request in ("4f1d2c3b-0a1b-4c2d", "9e8d7c6b-5a4f-4e3d"):
        works(raises=PermanentError(f"refused (request {request})")).carry_out(encode(CHECK))
    clock.move(days=1)
    works(raises=PermanentError("refused (request 11111111-2222)")).carry_out(encode(CHECK))

    assert len(service.ledger.activities("digits:202611")) == 2


def test_a_failing_channel_is_not_told_of_its_failure(
    works: Works, service: Service, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    notify = Notify(cause="event-1", subject="digits:202611", activity="scored")

    works(raises=PermanentError("the channel refused")).carry_out(encode(notify))

    (activity,) = service.ledger.activities("digits:202611")
    assert activity.done
    assert take_commands(tidepool, storage_account.name) == []


def test_what_the_timer_sent_is_left_to_the_timer_after_some_tries(
    works: Works, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    command = CHECK.model_copy(update={"cause": "timer-1", "tries": 6})

    works(raises=TransientError("busy")).carry_out(encode(command))

    assert take_commands(tidepool, storage_account.name) == []


def test_a_bug_goes_back_to_the_host(works: Works) -> None:
    with pytest.raises(ZeroDivisionError):
        works(raises=ZeroDivisionError()).carry_out(encode(CHECK))


@pytest.mark.parametrize("message", [encode(CHECK), "{}", "no JSON", '{"kind": "Dance"}', "\x00"])
def test_a_poisonous_message_is_recorded_and_announced(
    works: Works, service: Service, tidepool: Tidepool, storage_account: StorageAccount, message: str
) -> None:
    works().give_up(message)

    (activity,) = service.ledger.unsent_activities()
    assert activity.kind == "work.failed"
    (notify,) = take_commands(tidepool, storage_account.name)
    assert notify == Notify(cause=activity.cause, subject=activity.subject, activity=activity.id)


UNREADABLE = {
    "unknown kind": ({"kind": "Dance", "feed": "digits"}, "no command of the kind 'Dance'"),
    "newer format": (
        {**json.loads(encode(CHECK)), "format_version": MESSAGE_FORMAT + 1},
        f"has format {MESSAGE_FORMAT + 1}. This release reads formats up to {MESSAGE_FORMAT}",
    ),
    "missing field": (
        {"kind": "CheckPartition", "cause": "event-1", "partition": "202611"},
        "at CheckPartition.feed",
    ),
    "not an object": ([1], "is not a command"),
}


@pytest.mark.parametrize(("fields", "why"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_message_of_another_release_is_kept_whole_and_completed_at_once(
    works: Works, service: Service, fields: Any, why: str
) -> None:
    message = json.dumps(fields)

    works().carry_out(message)

    (activity,) = service.ledger.failures()
    assert (activity.data, activity.replayable) == ({"message": message}, True)
    assert why in activity.text


def test_the_timer_of_another_release_is_recorded_once(
    works: Works, service: Service, clock: Clock, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    for tick in range(3):
        works().carry_out(json.dumps({"kind": "Dance", "feed": "digits", "cause": f"timer-{tick}"}))
        clock.move(days=1)
    works().carry_out(json.dumps({"kind": "Dance", "feed": "leaves", "cause": "timer-1"}))

    assert len(service.ledger.failures()) == 2
    assert len(set(take_commands(tidepool, storage_account.name))) == 2


def test_a_message_with_an_unknown_field_is_carried_out(
    works: Works, service: Service, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    message = json.dumps({**json.loads(encode(CHECK)), "priority": "high"})

    works(follows=[Next(CHECK)]).carry_out(message)

    assert take_commands(tidepool, storage_account.name) == [CHECK]
    assert service.ledger.failures() == []
