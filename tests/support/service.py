"""The service in this process, on a storage account of Tidepool."""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support import config_yaml
from tests.support.azure_clients import queue_client
from tests.support.clock import Clock
from tidegate.bootstrap import Service, build
from tidegate.messages.commands import AnyCommand, RecordEvent
from tidegate.messages.queue_messages import decode, encode, message_text
from tidegate.settings import Settings
from tidepool.cloud import Tidepool

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient


def a_service(
    folder: Path,
    account: str,
    clock: Clock,
    *,
    models: dict[str, Any] | None = None,
    **feeds: dict[str, Any],
) -> Service:
    """Return a service with its ledger and queue in `account`. The default feed is in account `stimages`."""
    values = config_yaml.values(**feeds)
    file = config_yaml.write(folder, values | ({"models": models} if models else {}))
    return start_service(account, file, clock)


def start_service(
    account: str, config_file: Path, now: Callable[[], datetime] | None = None, **settings: Any
) -> Service:
    """Return the service as it is after a start; without `now` its clock is the machine's.

    `settings` are further fields of Settings.
    """
    values = Settings(storage_account=account, config_file=config_file, environ=dict(os.environ), **settings)
    return build(values, now=now) if now else build(values)


def take_commands(tidepool: Tidepool, account: str, queue: str = "tidegate-work") -> list[AnyCommand]:
    """Remove all commands from the queue, delayed ones too, and return them in no particular order."""
    return [decode(message_text(message)) for message in take_messages(tidepool, account, queue)]


def record_events(service: Service, tidepool: Tidepool) -> list[AnyCommand]:
    """Record the events that wait in the queue, and return all other commands and those that follow."""
    account = service.settings.storage_account
    commands = take_commands(tidepool, account)
    for command in commands:
        if isinstance(command, RecordEvent):
            service.worker.carry_out(encode(command))
    return [
        *(command for command in commands if not isinstance(command, RecordEvent)),
        *take_commands(tidepool, account),
    ]


def take_messages(tidepool: Tidepool, account: str, queue: str = "tidegate-work") -> list[str]:
    """Remove all messages from the queue, delayed ones too, and return them as the host delivers them."""
    from azure.core.exceptions import ResourceNotFoundError

    client = _queue(account, queue)
    tidepool.advance(timedelta(hours=1).total_seconds())
    try:
        messages = list(client.receive_messages(messages_per_page=32))
    except ResourceNotFoundError:
        return []
    for message in messages:
        client.delete_message(message)
    return [message.content for message in messages]


@cache
def _queue(account: str, queue: str) -> "QueueClient":
    """Return the client of a queue, the same one each time, so that its connection is used again."""
    return queue_client(account, queue)


def delays(tidepool: Tidepool, account: str) -> list[int]:
    """Return for how many seconds each message sent to the account's queues was hidden, oldest first."""
    sent = [
        request
        for request in tidepool.find_requests(host=f"{account}.queue.")
        if request["method"] == "POST" and request["status"] == 201
    ]
    queries = [dict(part.partition("=")[::2] for part in request["query"].split("&")) for request in sent]
    return [int(query["visibilitytimeout"]) for query in queries]
