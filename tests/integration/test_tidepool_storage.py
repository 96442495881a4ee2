"""Azurite behind Azure's host names: unmodified SDKs work, and what succeeds raises Azure's own event."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from azure.core import MatchConditions
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
)
from azure.data.tables import TableClient, UpdateMode
from azure.identity import DefaultAzureCredential
from azure.storage.blob import (
    BlobBlock,
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    ContentSettings,
    generate_blob_sas,
    generate_container_sas,
)
from azure.storage.queue import QueueClient
from tests.support.azure_clients import blob_service, queue_client, table_service

from tidepool.cloud import StorageAccount, Tidepool

CREATED, DELETED = "Microsoft.Storage.BlobCreated", "Microsoft.Storage.BlobDeleted"
Events = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def service(storage_account: StorageAccount) -> BlobServiceClient:
    return blob_service(storage_account.name)


@pytest.fixture
def container(service: BlobServiceClient) -> ContainerClient:
    return service.create_container("images")


@pytest.fixture
def events(tidepool: Tidepool, storage_account: StorageAccount) -> Events:
    def raised() -> list[dict[str, Any]]:
        tidepool.settle(10)
        return [event for event in tidepool.events if event.get("topic") == storage_account.id]

    return raised


def test_put_blob_raises_the_event_that_azure_raises(
    container: ContainerClient, storage_account: StorageAccount, events: Events
) -> None:
    answer = container.upload_blob(
        "202611/a 1.png", b"12345", content_settings=ContentSettings("image/png")
    ).get_blob_properties()

    (event,) = events()
    data = event.pop("data")
    assert data.pop("requestId")[:-6] == event.pop("id")[:-6]
    assert datetime.fromisoformat(event.pop("eventTime")) > datetime.now(UTC) - timedelta(seconds=20)
    assert event == {
        "topic": storage_account.id,
        "subject": "/blobServices/default/containers/images/blobs/202611/a 1.png",
        "eventType": CREATED,
        "dataVersion": "",
        "metadataVersion": "1",
    }
    assert len(data.pop("sequencer")) == 48
    assert uuid.UUID(data.pop("storageDiagnostics")["batchId"])
    assert uuid.UUID(data.pop("clientRequestId"))
    assert data == {
        "api": "PutBlob",
        "eTag": answer.etag.strip('"'),
        "contentType": "image/png",
        "contentLength": 5,
        "blobType": "BlockBlob",
        "url": f"https://{storage_account.name}.blob.core.windows.net/images/202611/a%201.png",
    }


def test_put_block_list_tells_the_whole_length(container: ContainerClient, events: Events) -> None:
    blob = container.get_blob_client("big.bin")
    blob.stage_block("MQ==", b"a" * 300)
    blob.stage_block("Mg==", b"b" * 200)

    blob.commit_block_list(
        [BlobBlock("MQ=="), BlobBlock("Mg==")], content_settings=ContentSettings("text/plain")
    )

    (event,) = events()
    properties = {key: event["data"][key] for key in ("api", "contentLength", "contentType", "blobType")}
    assert properties == {
        "api": "PutBlockList",
        "contentLength": 500,
        "contentType": "text/plain",
        "blobType": "BlockBlob",
    }


def test_a_copy_raises_copy_blob_with_the_length_of_its_source(
    container: ContainerClient, events: Events
) -> None:
    source = container.upload_blob("source.txt", b"1234567")

    container.get_blob_client("copy.txt").start_copy_from_url(source.url)

    assert [(event["data"]["api"], event["data"]["contentLength"]) for event in events()] == [
        ("PutBlob", 7),
        ("CopyBlob", 7),
    ]


def test_deleting_raises_blob_deleted_without_etag_and_length(
    container: ContainerClient, events: Events
) -> None:
    container.upload_blob("gone.txt", b"1", content_settings=ContentSettings("text/plain"))

    container.delete_blob("gone.txt")

    event = events()[-1]
    assert (event["eventType"], event["data"]["api"], event["data"]["contentType"]) == (
        DELETED,
        "DeleteBlob",
        "text/plain",
    )
    assert not {"eTag", "contentLength"} & set(event["data"])


def test_a_batch_of_deletions_raises_an_event_for_each_blob_that_was_there(
    container: ContainerClient, events: Events
) -> None:
    for name in ("one.txt", "two.txt"):
        container.upload_blob(name, b"1")

    container.delete_blobs("one.txt", "missing.txt", "two.txt", raise_on_any_failure=False)

    deleted = [event["subject"].rpartition("/")[2] for event in events() if event["eventType"] == DELETED]
    assert deleted == ["one.txt", "two.txt"]


def test_what_changes_no_blob_raises_nothing(container: ContainerClient, events: Events) -> None:
    blob = container.upload_blob("a.txt", b"1")
    before = len(events())

    blob.set_blob_metadata({"k": "v"})
    blob.stage_block("MQ==", b"a")
    with blob.acquire_lease(15):
        pass
    blob.download_blob().readall()
    with pytest.raises(ResourceExistsError):
        blob.upload_blob(b"2")

    assert len(events()) == before


def test_sequencers_order_the_writes_of_a_blob(container: ContainerClient, events: Events) -> None:
    for number in range(5):
        container.upload_blob("same.txt", str(number), overwrite=True)

    sequencers = [event["data"]["sequencer"] for event in events()]
    assert sequencers == sorted(set(sequencers))


def test_odd_names_arrive_as_they_were_written(container: ContainerClient, events: Events) -> None:
    names = ["ü/ß 日本.png", "a%2Fb.png", "a+b&c=d.png", "x" * 1000]

    for name in names:
        container.upload_blob(name, b"1")

    assert [event["subject"].partition("/blobs/")[2] for event in events()] == names
    assert sorted(blob.name for blob in container.list_blobs()) == sorted(names)


def test_conditions_and_leases_are_azures(container: ContainerClient) -> None:
    blob = container.upload_blob("a.txt", b"1")
    etag = blob.get_blob_properties().etag
    blob.upload_blob(b"2", overwrite=True)

    with pytest.raises(ResourceModifiedError):
        blob.upload_blob(b"3", overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified)
    lease = blob.acquire_lease(15)
    with pytest.raises(HttpResponseError, match="LeaseIdMissing"):
        blob.upload_blob(b"4", overwrite=True)
    blob.upload_blob(b"5", overwrite=True, lease=lease)

    assert blob.download_blob().readall() == b"5"


def test_large_blobs_travel_in_pieces(container: ContainerClient, events: Events) -> None:
    content = bytes(range(256)) * 4096 * 9  # 9 MiB: streamed, not read whole

    container.upload_blob("large.bin", content)

    assert container.download_blob("large.bin").readall() == content
    assert events()[-1]["data"]["contentLength"] == len(content)


def test_metadata_in_latin_1_is_refused(container: ContainerClient) -> None:
    token = DefaultAzureCredential().get_token("https://storage.azure.com/.default").token
    headers = {
        "Authorization": f"Bearer {token}",
        "x-ms-version": "2021-12-02",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-meta-city": "Z\xfcrich",
    }

    answer = requests.put(f"{container.url}/a.txt", data=b"1", headers=headers, timeout=10)

    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, "InvalidHeaderValue")


def test_sas_of_key_and_of_user_delegation(
    service: BlobServiceClient, container: ContainerClient, storage_account: StorageAccount
) -> None:
    container.upload_blob("a.txt", b"signed")
    expiry = datetime.now(UTC) + timedelta(hours=1)
    by_key = generate_container_sas(
        storage_account.name, "images", account_key=storage_account.key, permission="rl", expiry=expiry
    )
    delegation = service.get_user_delegation_key(datetime.now(UTC) - timedelta(minutes=5), expiry)
    by_user = generate_blob_sas(
        storage_account.name, "images", "a.txt", user_delegation_key=delegation, permission="r", expiry=expiry
    )

    for sas in (by_key, by_user):
        account = blob_service(storage_account.name, sas)
        assert account.get_blob_client("images", "a.txt").download_blob().readall() == b"signed"


def test_blobs_are_copied_between_accounts_by_sas(
    tidepool: Tidepool,
    container: ContainerClient,
    storage_account: StorageAccount,
) -> None:
    source = container.upload_blob("models/a b.bin", b"weights")
    sas = generate_container_sas(
        storage_account.name,
        "images",
        account_key=storage_account.key,
        permission=ContainerSasPermissions(read=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    other = tidepool.create_storage_account()
    target = blob_service(other.name).create_container("target")

    copy = target.get_blob_client("a b.bin").start_copy_from_url(f"{source.url}?{sas}")

    assert copy["copy_status"] == "success"
    assert target.download_blob("a b.bin").readall() == b"weights"
    tidepool.settle(10)
    (event,) = [event for event in tidepool.events if event.get("topic") == other.id]
    assert (event["data"]["api"], event["data"]["contentLength"]) == ("CopyBlob", 7)


def test_a_wrong_key_is_refused(storage_account: StorageAccount, tidepool: Tidepool) -> None:
    wrong = blob_service(storage_account.name, "d3Jv" * 21 + "bmc=")

    with pytest.raises(ClientAuthenticationError) as refused:
        wrong.create_container("images")

    assert (refused.value.status_code, refused.value.error_code) == (403, "AuthenticationFailed")


@pytest.fixture
def table(storage_account: StorageAccount) -> TableClient:
    return table_service(storage_account.name).create_table("ledger")


def test_entities_are_written_under_their_etag(table: TableClient) -> None:
    table.create_entity({"PartitionKey": "p", "RowKey": "r", "n": 1})
    entity = table.get_entity("p", "r")
    table.update_entity({**entity, "n": 2}, mode=UpdateMode.REPLACE)

    with pytest.raises(HttpResponseError) as refused:
        table.update_entity(
            {**entity, "n": 3}, etag=entity.metadata["etag"], match_condition=MatchConditions.IfNotModified
        )

    assert refused.value.status_code == 412
    assert [entity["n"] for entity in table.query_entities("PartitionKey eq 'p' and n gt 1")] == [2]


def test_table_transactions_are_all_or_nothing(table: TableClient) -> None:
    first, second = ({"PartitionKey": "p", "RowKey": row} for row in "ab")
    table.submit_transaction([("create", first), ("upsert", second)])

    with pytest.raises(HttpResponseError):
        table.submit_transaction([("create", {"PartitionKey": "p", "RowKey": "c"}), ("create", first)])

    assert [entity["RowKey"] for entity in table.list_entities()] == ["a", "b"]


@pytest.fixture
def queue(storage_account: StorageAccount) -> Iterator[QueueClient]:
    client = queue_client(storage_account.name, "work")
    client.create_queue()
    yield client
    client.delete_queue()


def test_a_delayed_message_comes_when_the_time_is_moved(tidepool: Tidepool, queue: QueueClient) -> None:
    queue.send_message("later", visibility_timeout=600)
    queue.send_message("much later", visibility_timeout=6000)
    assert not list(queue.receive_messages())

    tidepool.advance(599)
    assert not list(queue.receive_messages())
    tidepool.advance(2)

    assert [message.content for message in queue.receive_messages()] == ["later"]


def test_a_message_that_was_not_finished_comes_back_when_the_time_is_moved(
    tidepool: Tidepool, queue: QueueClient
) -> None:
    queue.send_message("work")
    (first,) = queue.receive_messages(visibility_timeout=30)

    tidepool.advance(31)

    (second,) = queue.receive_messages()
    assert (second.content, second.dequeue_count) == ("work", 2)
    with pytest.raises(HttpResponseError, match=r"MessageNotFound|PopReceiptMismatch"):
        queue.delete_message(first)


def test_deleted_messages_stay_deleted(tidepool: Tidepool, queue: QueueClient) -> None:
    sent = queue.send_message("never", visibility_timeout=60)
    queue.delete_message(sent.id, sent.pop_receipt)
    queue.send_message("cleared", visibility_timeout=60)
    queue.clear_messages()

    tidepool.advance(120)

    assert not list(queue.receive_messages())
