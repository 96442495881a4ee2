"""Bad configuration and poisonous messages: nothing is lost, and people hear of it."""

import json

import pytest
from azure.storage.queue import QueueClient

from tests.support.azure_clients import queue_client
from tests.support.installation import Installation, Running
from tidegate.messages.commands import MESSAGE_FORMAT, CheckPartition
from tidegate.messages.queue_messages import encode


@pytest.mark.long  # the stories of months have this case, too
def test_a_month_that_arrives_while_the_configuration_is_bad_is_scored_when_it_is_mended(
    installation: Installation,
) -> None:
    good = installation.config_file.read_text()
    installation.config_file.write_text(good.replace("starts", "begins"))
    with installation.start() as running:
        installation.upload("209901", {"a.png": "cat"})
        running.settle()
        health = running.request("GET", "/api/health")
        assert (health.status_code, "begins" in health.text) == (503, True)

        installation.config_file.write_text(good)
        installation.cloud.advance(60)  # Event Grid's next tries
        running.settle()

        assert running.scorings("209901") == {"209901-1-g1": "scored"}


def test_messages_of_another_release_are_told_once_and_the_good_one_behind_them_is_done(
    installation: Installation, running: Running
) -> None:
    unannounced = {"topic": installation.feeds.id}
    installation.cloud.fault("event", "drop", match=unannounced, times=None)
    installation.upload("209901", {"a.png": "cat"})
    check = json.loads(encode(CheckPartition(cause="test", feed="stories", partition="209901")))
    messages = [
        {"kind": "Dance", "cause": "event-1", "steps": 3},
        check | {"format_version": MESSAGE_FORMAT + 1},
        check | {"priority": "high"},
    ]
    running.service.queue.create()
    with queue_client(installation.account.name, "tidegate-work") as queue:
        for message in messages:
            queue.send_message(json.dumps(message), time_to_live=-1)

    running.settle()
    running.reconcile()

    assert running.scorings("209901") == {"209901-1-g1": "scored"}
    failures = running.get("/api/failures")
    kept = [json.loads(failure["kept"]["message"]) for failure in failures]
    assert sorted(kept, key=str) == sorted(messages[:2], key=str)
    assert [failure["replayable"] for failure in failures] == [True, True]
    told = installation.notifications()
    titles = [message["title"].lower() for message in told]
    assert sum("message" in title and "queue" in title for title in titles) == 2
    [unknown] = [message for message in told if "no command of the kind 'Dance'" in json.dumps(message)]
    pages = [f"{running.site.url}{failure['url'].removeprefix('/api')}" for failure in failures]
    assert any(page in json.dumps(unknown) for page in pages)
    activities = running.service.ledger.activities("queue")
    assert [activity.done for activity in activities] == [True, True]
    assert waiting_messages(queue_client(installation.account.name, "tidegate-work")) == []
    assert waiting_messages(queue_client(installation.account.name, "tidegate-work-poison")) == []


def waiting_messages(queue: QueueClient) -> list[str]:
    """Return the messages that a queue has now. Delayed ones are not among them."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return [message.content for message in queue.peek_messages(32)]
    except ResourceNotFoundError:
        return []
