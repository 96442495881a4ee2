"""An upgrade: the queue and the ledger as the previous release left them.

The previous release wrote `tests/data/previous_release.json`: a message of every command, and rows of every
kind. Rows and messages had no format version at that time. Version 7 of the model is in the middle of its
promotion.
"""

import json
from typing import Any, get_args

import pytest
from azure.data.tables import TableClient
from tests.support.azure_clients import table_service
from tests.support.previous_release import MESSAGES, STORED, store_ledger
from tests.support.promotions import MODEL, Promotions

from tidegate.bootstrap import Service
from tidegate.cloud.ledger import TABLES
from tidegate.cloud.table_rows import ROW_FORMAT
from tidegate.domain.lifecycle.records import ModelState, ModelVersion
from tidegate.errors import TransientError
from tidegate.messages.commands import (
    MESSAGE_FORMAT,
    AdvanceBackfill,
    AnyCommand,
    ArchiveHistory,
    PromoteModel,
    RecordEvent,
    RegisterMembers,
)
from tidegate.messages.queue_messages import decode, encode
from tidegate.service.manual_actions.replay import ReplayService
from tidepool.cloud import StorageAccount


def table(account: str, name: str) -> TableClient:
    return table_service(account).get_table_client(name)


def test_the_stored_messages_are_one_of_every_command() -> None:
    younger = {AdvanceBackfill, ArchiveHistory, RecordEvent, RegisterMembers}
    kinds = {type(decode(message)) for message in MESSAGES}

    assert kinds == set(get_args(AnyCommand)) - younger
    assert not any("format_version" in message for message in MESSAGES)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: json.loads(message)["kind"])
def test_a_message_of_the_previous_release_is_read_whole(message: str) -> None:
    written = json.loads(encode(decode(message)))

    added = {"format_version": MESSAGE_FORMAT, "origin": None, "delay_announced": False}
    assert written == json.loads(message) | added


def test_the_stored_rows_are_of_every_table() -> None:
    younger = {
        "Backfills",
        "Channels",
        "Delays",
        "Effects",
        "Feeds",
        "HistoryMoves",
        "NewestActivities",
        "OpenActivities",
        "Pauses",
        "Waiting",
    }
    assert {row["table"] for row in STORED["ledger"]} == set(TABLES) - {f"tidegate{name}" for name in younger}
    assert not any("format_version" in row["entity"] for row in STORED["ledger"])


def test_rows_of_the_previous_release_are_read_and_stored_whole(
    service: Service, storage_account: StorageAccount
) -> None:
    store_ledger(service, storage_account.name)
    ledger = service.ledger

    records = [
        *ledger.partitions("digits"),
        *ledger.jobs(open_only=False),
        *ledger.models(),
        *ledger.model_versions(open_only=False),
        *ledger.activities("digits:202611"),
        *ledger.activities("queue"),
    ]
    for record in records:
        ledger.save(record)

    assert len(records) == len(STORED["ledger"])
    for row in STORED["ledger"]:
        before = row["entity"]
        after = table(storage_account.name, row["table"]).get_entity(before["PartitionKey"], before["RowKey"])
        added = {"format_version": 1} | NEW_COLUMNS.get(row["table"], {})  # none is large
        assert without_defaults(after) == without_defaults(before | added)


NEW_COLUMNS = {"tidegatePartitions": {"attention": False}, "tidegateJobs": {"month": ""}}


def without_defaults(entity: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its body as JSON; defaults that only one of two releases stores are left out."""
    body = _without_empty_fields(json.loads(entity["body0"]))
    if rollout := body.get("rollout"):
        rollout.setdefault("kind", "online")  # the only kind that the previous release had
    return {**entity, "body0": body}


def _without_empty_fields(value: Any) -> Any:
    if isinstance(value, dict):
        inner = {name: _without_empty_fields(field) for name, field in value.items()}
        return {name: field for name, field in inner.items() if field}
    return [_without_empty_fields(entry) for entry in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("subject", "kind"), [("digits:202611", "ScorePartition"), ("queue", "CheckPartition")]
)
def test_a_failure_of_the_previous_release_can_be_replayed(
    service: Service, storage_account: StorageAccount, subject: str, kind: str
) -> None:
    store_ledger(service, storage_account.name)
    service.ledger.add_open_of_earlier_releases()  # as the timer does
    replays: ReplayService = service.replays
    [failure] = [failure for failure in replays.failures(replayed=False) if failure.subject == subject]

    _, effect = replays.replay(failure.short_id)

    assert effect == f"{kind} is sent"


def test_a_promotion_that_the_previous_release_began_goes_on(promotions: Promotions) -> None:
    promotions.register("7")
    store_ledger(promotions.service, promotions.account)
    record = promotions.record("7")
    assert record.state is ModelState.PROMOTING
    assert record.verdict is not None
    assert record.verdict.files is not None
    assert promotions.has_files("7", record.verdict.files), "the stored verdict is about other files"
    [message] = [message for message in MESSAGES if isinstance(decode(message), PromoteModel)]

    promotions.run(decode(message))

    assert promotions.champions == ("7", "6", None)
    assert promotions.states == {"6": "retired", "7": "champion"}
    assert list(promotions.in_production()) == ["7"]
    assert promotions.activity_titles() == [f"model.promoted: {MODEL}:7 is champion"]


def test_a_row_of_a_newer_release_is_neither_read_nor_overwritten(
    service: Service, storage_account: StorageAccount, clock: Any
) -> None:
    version = ModelVersion(model=MODEL, version="8", registered_at=clock())
    service.ledger.save(version)
    rows = table(storage_account.name, "tidegateModelVersions")
    newer = {**rows.get_entity(MODEL, "8"), "format_version": ROW_FORMAT + 1}
    rows.update_entity(newer)

    with pytest.raises(TransientError, match="deploy the release that wrote the row"):
        service.ledger.model_version(MODEL, "8")
    with pytest.raises(TransientError, match=f"has format {ROW_FORMAT + 1}"):
        service.ledger.model_versions(MODEL)
