"""What failed for good, over the API, on a real ledger, queue and container of rejected events."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.support.api_requests import Api, content
from tests.support.azure_clients import blob_client
from tests.support.clock import Clock
from tests.support.payloads import as_json, blob_event
from tests.support.service import record_events, take_commands

from tidegate.bootstrap import Service
from tidegate.domain.activities.activity import Activity
from tidegate.messages.commands import CheckPartition, Notify, ScorePartition
from tidegate.messages.queue_messages import encode
from tidepool.cloud import StorageAccount, Tidepool

SCORE = ScorePartition(cause="event-1", feed="digits", partition="202611", version=1)
OF_SITE = as_json(blob_event("202699/2026/11/_SUCCESS"))  # 202699 is a site, and no month


def listed(api: Api, query: str = "") -> list[dict[str, Any]]:
    response = api.get(f"/api/failures{query}")
    assert response.status_code == 200, response.get_body()
    return list(content(response))


def replay(api: Api, failure: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    response = api.post(f"{failure['url']}/replay", {})
    return response.status_code, content(response)


def test_a_command_that_failed_for_good_goes_to_the_queue_again(
    service: Service, api: Api, clock: Clock, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    tired = SCORE.model_copy(update={"tries": 30, "first_tried": clock.now})
    service.worker.give_up(encode(tired))
    take_commands(tidepool, storage_account.name)
    [failure] = listed(api)
    assert (failure["replayable"], failure["subject"], failure["kept"]["command"]["kind"]) == (
        *(True, "digits:202611", "ScorePartition"),
    )

    status, answer = replay(api, failure)

    (command,) = take_commands(tidepool, storage_account.name)
    assert command == SCORE.model_copy(update={"cause": command.cause, "origin": command.origin})
    assert command.cause.startswith("replay-")
    assert command.origin is not None
    assert command.origin.what == "replay"
    assert (status, answer["came_of_it"]) == (202, "ScorePartition is sent")
    assert listed(api) == []
    [replayed] = listed(api, "?all=true")
    assert replayed == content(api.get(failure["url"])) == failure | {"replayed_at": replayed["replayed_at"]}


def test_looking_replays_nothing(
    service: Service, api: Api, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    service.worker.give_up(encode(SCORE))
    [failure] = listed(api)
    take_commands(tidepool, storage_account.name)

    answers = [api.get(path).status_code for path in (failure["url"], f"{failure['url']}/replay")]

    assert answers == [200, 405]
    assert take_commands(tidepool, storage_account.name) == []
    assert listed(api) == [failure]


def test_a_replay_that_fails_is_another_failure_that_people_hear_of(
    service: Service, api: Api, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    service.worker.give_up(encode(SCORE))
    [failure] = listed(api)
    replay(api, failure)
    [again] = [
        command
        for command in take_commands(tidepool, storage_account.name)
        if isinstance(command, ScorePartition)
    ]

    service.worker.give_up(encode(again))

    [other] = listed(api)
    assert other["id"] != failure["id"]
    (told,) = take_commands(tidepool, storage_account.name)
    assert isinstance(told, Notify)


def test_the_same_failure_after_a_replay_is_not_hidden_by_it(service: Service, api: Api) -> None:
    for _ in range(3):
        service.worker.give_up(encode(SCORE))
        service.worker.give_up(encode(SCORE))
        [failure] = listed(api)
        replay(api, failure)

    service.worker.give_up(encode(SCORE))

    assert len(listed(api)) == 1
    assert len(listed(api, "?all=true")) == 4


def test_a_check_that_waited_lists_at_once_when_it_is_replayed(
    service: Service, api: Api, clock: Clock, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    service.worker.give_up(
        encode(CheckPartition(cause="e", feed="digits", partition="202611", due=clock.now))
    )
    [failure] = listed(api)
    take_commands(tidepool, storage_account.name)

    replay(api, failure)

    (command,) = take_commands(tidepool, storage_account.name)
    assert isinstance(command, CheckPartition)
    assert command.due is None


def test_a_rejected_event_goes_through_the_inbox_again_when_the_configuration_fits_it(
    service: Service, api: Api, clock: Clock, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    service.inbox.accept(OF_SITE)
    record_events(service, tidepool)
    [failure] = listed(api)

    refused, problem = replay(api, failure)
    assert (refused, listed(api)) == (409, [failure])
    assert "there is no month 202699" in problem["detail"]
    assert take_commands(tidepool, storage_account.name) == []

    mend_path(service, clock, "202699/{yyyy}/{MM}/")
    status, answer = replay(api, failure)

    assert (status, answer["came_of_it"]) == (202, "CheckPartition is sent")
    (command,) = take_commands(tidepool, storage_account.name)
    assert isinstance(command, CheckPartition)
    assert (command.feed, command.partition) == ("digits", "202611")
    assert listed(api) == []


def mend_path(service: Service, clock: Clock, path: str) -> None:
    file = service.settings.config_file
    file.write_text(file.read_text().replace("{yyyy}{MM}/", path))
    clock.move(minutes=1)  # the file is not looked at all the time


def test_an_event_that_concerns_us_no_more_is_replayed_to_nothing(
    service: Service, api: Api, clock: Clock, tidepool: Tidepool
) -> None:
    service.inbox.accept(OF_SITE)
    record_events(service, tidepool)
    mend_path(service, clock, "new/{yyyy}/{MM}/")

    status, answer = replay(api, listed(api)[0])

    assert (status, answer["came_of_it"]) == (202, "nothing, as path is outside the feed")
    assert listed(api) == []


@pytest.mark.parametrize(
    "payload", ["no JSON", as_json({"eventType": "x"}), as_json(blob_event("202613/a.png"))]
)
def test_an_event_that_nobody_can_read_is_refused_and_stays(
    service: Service, api: Api, tidepool: Tidepool, payload: str
) -> None:
    service.inbox.accept(payload)
    record_events(service, tidepool)
    [failure] = listed(api)

    status, problem = replay(api, failure)

    assert (status, problem["title"]) == (409, "Conflict")
    assert "The event is rejected again" in problem["detail"]
    assert listed(api) == [failure]


def test_a_rejected_event_whose_blob_is_gone_cannot_be_replayed(
    service: Service, api: Api, tidepool: Tidepool
) -> None:
    service.inbox.accept(OF_SITE)
    record_events(service, tidepool)
    [failure] = listed(api)
    blob_client(failure["kept"]["blob"]).delete_blob()

    status, problem = replay(api, failure)

    assert status == 404
    assert "tidegate-rejected/" in problem["detail"]
    assert listed(api) == [failure]


def test_a_message_that_is_no_command_is_refused_and_stays(service: Service, api: Api) -> None:
    service.worker.give_up('{"kind": "Dance"}')
    [failure] = listed(api)

    status, problem = replay(api, failure)

    assert (status, problem["title"]) == (409, "Conflict")
    assert "no command of the kind 'Dance'" in problem["detail"]
    assert listed(api) == [failure]


def test_a_message_that_this_version_understands_is_sent(
    service: Service, api: Api, clock: Clock, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    service.ledger.add_failure(a_failure(clock, message=encode(SCORE)))

    status, _ = replay(api, listed(api)[0])

    assert status == 202
    (command,) = take_commands(tidepool, storage_account.name)
    assert isinstance(command, ScorePartition)


def test_what_was_not_kept_is_listed_and_cannot_be_replayed(service: Service, api: Api, clock: Clock) -> None:
    service.ledger.add_failure(a_failure(clock, why="no data"))
    [failure] = listed(api)

    status, problem = replay(api, failure)

    assert (failure["replayable"], status) == (False, 409)
    assert "Nothing was kept" in problem["detail"]


def a_failure(clock: Clock, **data: str) -> Activity:
    return Activity(
        subject="model:development:m",
        id="one",
        kind="work.failed",
        at=clock.now,
        title="It failed",
        text="Because.",
        data=data,
        cause="test",
    )


@pytest.mark.parametrize("fault", [("status", 503), ("timeout", 600)])
def test_while_the_queue_is_away_or_hangs_a_replay_says_so_and_the_failure_stays(
    service: Service,
    api: Api,
    faults: Tidepool,
    storage_account: StorageAccount,
    fault: tuple[str, float],
) -> None:
    service.worker.give_up(encode(SCORE))
    [failure] = listed(api)
    match = {"host": f"{storage_account.name}.queue.*"}
    faults.fault("request", fault[0], match=match, value=fault[1], times=None)

    answer = api.post(f"/api/failures/{failure['id']}/replay", {})

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert content(answer)["title"] == "Azure is not available"
    assert listed(api) == [failure]


def test_two_people_who_replay_at_once_both_succeed(
    service: Service, api: Api, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    service.worker.give_up(encode(SCORE))
    [failure] = listed(api)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: replay(api, failure)[0], range(4)))

    assert answers == [202] * 4
    assert listed(api) == []


@pytest.mark.parametrize(("id", "status"), [("0123456789ab", 404), ("..", 422), ("0123456789AB", 422)])
def test_what_never_failed_is_refused(api: Api, id: str, status: int) -> None:
    response = api.post(f"/api/failures/{id}/replay", {})

    assert response.status_code == status
    assert json.loads(response.get_body())["detail"]
