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
    ScorePartition,
)
from tidegate.messages.queue_messages import encode
from tidegate.service.steps.delayed_work import DelayedWork
from tidegate.service.steps.pause_gate import PauseGate
from tidegate.service.worker import Worker
from tidepool.cloud import StorageAccount, Tidepool

CHECK = CheckPartition(cause="event-1", feed="digits", partition="202611")
Works = Callable[..., Worker]


@pytest.fixture
def works(service: Service, clock: Clock) -> Works:
    """A worker all of whose commands end in `raises`, or are followed by `follows`."""

    def worker(
        *,
        raises: Exception | None = None,
        follows: Follows = (),
        handle: Callable[[AnyCommand], Follows] | None = None,
    ) -> Worker:
        def end(command: AnyCommand) -> Follows:
            if raises:
                raise raises
            return follows

        handlers: dict[type[Any], Callable[[Any], Follows]] = dict.fromkeys(
            (CheckPartition, ScorePartition, CheckJob, Notify, Reconcile), handle or end
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


def _fail_together(
    worker: Worker, commands: list[AnyCommand], tidepool: Tidepool, account: str
) -> list[AnyCommand]:
    """Carry out commands and their retries, some minutes long, and return what is in the queue at the end."""
    for _ in range(7):
        for command in commands:
            if not isinstance(command, Notify):
                worker.carry_out(encode(command))
        notifications = [command for command in commands if isinstance(command, Notify)]
        commands = [*notifications, *take_commands(tidepool, account)]
    return commands


def test_one_outage_of_many_files_is_one_notification_and_one_chain_of_retries(
    works: Works, service: Service, clock: Clock, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    files: list[AnyCommand] = [
        CHECK.model_copy(update={"cause": f"event-{n}", "due": clock.now + timedelta(seconds=n)})
        for n in range(16)
    ]
    away = works(raises=TransientError("cannot list stimages (403, request 4f1d2c3b-0a1b-4c2d)"))

    queue = _fail_together(away, files, tidepool, storage_account.name)
    (retry,) = [command for command in queue if isinstance(command, CheckPartition)]
    clock.move(minutes=5)
    works().carry_out(encode(retry))

    delayed, recovered = service.ledger.activities("digits:202611")
    assert (delayed.kind, recovered.kind) == ("work.delayed", "work.recovered")
    assert [command.kind for command in queue].count("Notify") == 1
    assert [command.kind for command in take_commands(tidepool, storage_account.name)] == ["Notify"]
    assert service.ledger.delays() == []


def test_different_work_of_a_subject_is_announced_once_and_is_over_once(
    works: Works, service: Service, clock: Clock, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    score = ScorePartition(cause="event-1", feed="digits", partition="202611", version=1)
    away = works(raises=TransientError("the workspace is away"))

    queue = _fail_together(away, [CHECK, score], tidepool, storage_account.name)
    clock.move(minutes=5)
    for command in queue:
        works().carry_out(encode(command))
    clock.move(hours=1)
    _fail_together(away, [CHECK], tidepool, storage_account.name)

    kinds = [activity.kind for activity in service.ledger.activities("digits:202611")]
    assert kinds == ["work.delayed", "work.recovered", "work.delayed"]


def test_a_command_that_was_dropped_while_its_work_was_done_is_done_again(
    works: Works, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    away = works(raises=TransientError("busy"))
    away.carry_out(encode(CHECK.model_copy(update={"tries": 1, "first_tried": Clock().now})))
    (retry,) = take_commands(tidepool, storage_account.name)
    newer = CHECK.model_copy(update={"cause": "event-2", "tries": 1, "first_tried": Clock().now})

    def list_before_the_newer_file(_: AnyCommand) -> Follows:
        away.carry_out(encode(newer))
        return ()

    works(handle=list_before_the_newer_file).carry_out(encode(retry))

    assert take_commands(tidepool, storage_account.name) == [CHECK]


def test_the_timer_sends_work_again_whose_retry_was_lost(
    works: Works, service: Service, clock: Clock, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    started = clock.now
    works(raises=TransientError("busy")).carry_out(
        encode(CHECK.model_copy(update={"tries": 1, "first_tried": started}))
    )
    take_commands(tidepool, storage_account.name)
    delays = DelayedWork(service.ledger, clock)

    assert delays.lost(service.ledger.delays(), "timer-1") == []
    clock.move(minutes=20)
    again = CHECK.model_copy(update={"cause": "timer-1", "tries": 1, "first_tried": started})

    assert delays.lost(service.ledger.delays(), "timer-1") == [again]
    works().carry_out(encode(again))
    assert service.ledger.delays() == []


def test_an_event_does_not_join_the_retries_of_the_timer(
    works: Works, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    away, tried = works(raises=TransientError("busy")), {"tries": 1, "first_tried": Clock().now}
    away.carry_out(encode(CHECK.model_copy(update={**tried, "cause": "timer-1"})))

    away.carry_out(encode(CHECK.model_copy(update=tried)))

    causes = {command.cause for command in take_commands(tidepool, storage_account.name)}
    assert causes == {"timer-1", "event-1"}


def test_a_crash_of_work_that_has_succeeded_since_is_closed(
    works: Works, service: Service, clock: Clock
) -> None:
    works().give_up(encode(CHECK))
    (crash,) = service.replays.failures(replayed=False)

    works().carry_out(encode(CHECK.model_copy(update={"cause": "timer-1"})))

    assert service.replays.failures(replayed=False) == []
    (closed,) = service.replays.failures(replayed=True)
    assert (closed.id, closed.closed_at) == (crash.id, clock.now)

    works().give_up(encode(CHECK))
    assert len(service.replays.failures(replayed=False)) == 1


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
