"""Queue triggers and outputs, with the real queues: messages, retries, poison, crashes."""

import base64
import os
import signal
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient
from tests.support.azure_clients import queue_client
from tests.support.roles import QUEUE_DATA_CONTRIBUTOR, without_role
from tests.support.sample_site import SAMPLE, SETTINGS, Notes, ask, described, wait_until

from tidepool.cloud import Site, StorageAccount, Tidepool

# Queues


def queue(account: StorageAccount, name: str) -> QueueClient:
    client = queue_client(account.name, name)
    try:
        client.create_queue()
    except ResourceExistsError:
        pass
    return client


def base64_text(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def texts(client: QueueClient) -> list[str]:
    return [base64.b64decode(message.content).decode() for message in client.receive_messages()]


def test_the_host_needs_a_role_for_the_queues_of_its_app(
    tidepool: Tidepool, storage_account: StorageAccount, site: Site, notes: Notes
) -> None:
    with without_role(tidepool, "tidegate", QUEUE_DATA_CONTRIBUTOR):
        refused = ask(site, "POST", "/api/enqueue", content="one")
    allowed = ask(site, "POST", "/api/enqueue", content="two")
    tidepool.settle()

    assert (refused.status_code, allowed.status_code) == (500, 202)
    assert [note["body"] for note in notes("work")] == ["two"]


def test_a_message_runs_its_function_and_what_it_puts_out_is_sent(
    tidepool: Tidepool, storage_account: StorageAccount, site: Site, notes: Notes
) -> None:
    sent = queue(storage_account, "work").send_message(base64_text("one"))

    tidepool.settle()

    assert notes("work") == [{"function": "work", "body": "one", "dequeue_count": 1, "id": sent.id}]
    assert texts(queue(storage_account, "done")) == ["done one"]
    assert not queue(storage_account, "work").peek_messages()


def test_a_list_put_out_becomes_as_many_messages(tidepool: Tidepool, site: Site, notes: Notes) -> None:
    ask(site, "POST", "/api/enqueue", content=",".join(str(number) for number in range(20)))

    tidepool.settle()

    assert sorted(int(note["body"]) for note in notes("work")) == list(range(20))


def test_a_failing_message_waits_its_visibility_timeout_and_ends_in_the_poison_queue(
    tidepool: Tidepool, storage_account: StorageAccount, site: Site, notes: Notes
) -> None:
    queue(storage_account, "work").send_message(base64_text("fail"))

    counts = []
    for seconds in (0, 20, 15, 60):
        tidepool.advance(seconds)
        tidepool.settle()
        counts.append([note["dequeue_count"] for note in notes("work")])

    assert counts == [[1], [1], [1, 2], [1, 2]]
    assert texts(queue(storage_account, "work-poison")) == ["fail"]
    assert not queue(storage_account, "work").peek_messages()


def test_what_is_not_base64_is_poison_at_once(
    tidepool: Tidepool, storage_account: StorageAccount, site: Site, notes: Notes
) -> None:
    queue(storage_account, "work").send_message("{not base64}")

    tidepool.settle()

    assert notes("work") == []
    [message] = queue(storage_account, "work-poison").receive_messages()
    assert message.content == "{not base64}"


def test_a_failing_poison_message_is_tried_every_ten_minutes_for_a_week(
    tidepool: Tidepool, storage_account: StorageAccount, site: Site, notes: Notes
) -> None:
    poison = queue(storage_account, "broken-poison")
    poison.send_message(base64_text("fail"))

    counts = []
    for seconds in (0, 590, 10, 600, 7 * 24 * 3600, 600):
        tidepool.advance(seconds)
        tidepool.settle()
        counts.append([note["dequeue_count"] for note in notes("broken")])

    assert counts == [[1], [1], [1, 2], [1, 2, 3], [1, 2, 3], [1, 2, 3]]
    assert poison.get_queue_properties().approximate_message_count == 0
    with pytest.raises(ResourceNotFoundError):
        queue_client(storage_account.name, "broken-poison-poison").get_queue_properties()


def test_a_delayed_message_comes_when_the_time_is_moved(
    tidepool: Tidepool, storage_account: StorageAccount, site: Site, notes: Notes
) -> None:
    queue(storage_account, "work").send_message(base64_text("later"), visibility_timeout=3600)

    tidepool.settle()
    assert notes("work") == []
    tidepool.advance(3600)
    tidepool.settle()

    assert [note["body"] for note in notes("work")] == ["later"]


def test_a_killed_worker_is_replaced_and_its_message_comes_back(
    tidepool: Tidepool, storage_account: StorageAccount, site: Site, notes: Notes
) -> None:
    queue(storage_account, "work").send_message(base64_text("hang once"))
    wait_until(lambda: len(notes("work")) == 1)

    os.kill(described(tidepool, site)["pid"], signal.SIGKILL)
    wait_until(lambda: described(tidepool, site)["restarts"] == 1)
    tidepool.settle()
    seen_at_once = len(notes("work"))
    tidepool.advance(31)
    tidepool.settle()

    assert seen_at_once == 1
    assert [note["dequeue_count"] for note in notes("work")] == [1, 2]
    assert ask(site, "GET", "/api/hello/world").text == "hello, world"


def test_the_messages_of_a_killed_instance_come_back_when_their_leases_end(
    tidepool: Tidepool, storage_account: StorageAccount, tmp_path: Path, notes: Notes
) -> None:
    settings = {**SETTINGS, "NOTES": str(tmp_path / "notes"), "TIDEPOOL_QUEUE_LEASE_S": "120"}
    with tidepool.functions_app(SAMPLE, settings, {"storage": storage_account.id}) as site:
        queue(storage_account, "work").send_message(base64_text("hang once"))
        wait_until(lambda: len(notes("work")) == 1)
        site.kill()

        counts = []
        for seconds in (0, 100, 20):
            tidepool.advance(seconds)
            tidepool.settle()
            counts.append([note["dequeue_count"] for note in notes("work")])

    assert counts == [[1], [1], [1, 2]]
