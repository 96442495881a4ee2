"""Copies between storage accounts on the server's side, with what a user delegation key allows."""

from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import (
    BlobClient,
    ContainerClient,
    ContainerSasPermissions,
    UserDelegationKey,
    generate_container_sas,
)
from tests.support.azure_clients import blob_service

from tidepool.cloud import StorageAccount, Tidepool

NAME = "LocalUpload/model 1/weights.bin"
WEIGHTS = b"weights" * 100_000


@pytest.fixture
def source(storage_account: StorageAccount) -> ContainerClient:
    container = blob_service(storage_account.name).create_container("models")
    container.upload_blob(NAME, WEIGHTS)
    return container


@pytest.fixture
def target(tidepool: Tidepool) -> BlobClient:
    account = tidepool.create_storage_account()
    return blob_service(account.name).create_container("production").get_blob_client(NAME)


def signed(source: ContainerClient, *, minutes: float = 60, read: bool = True, name: str = NAME) -> str:
    """The URL of a blob with a SAS for the container, signed with a user delegation key."""
    now = datetime.now(UTC)
    expiry = now + timedelta(minutes=minutes)
    service = blob_service(str(source.account_name))
    key: UserDelegationKey = service.get_user_delegation_key(
        now - timedelta(hours=2), now + timedelta(hours=1)
    )
    sas = generate_container_sas(
        str(source.account_name),
        source.container_name,
        user_delegation_key=key,
        permission=ContainerSasPermissions(read=read, list=not read),
        start=now - timedelta(hours=1),
        expiry=expiry,
    )
    return f"{source.get_blob_client(name).url}?{sas}"


def test_a_blob_is_copied_to_another_account(source: ContainerClient, target: BlobClient) -> None:
    started = target.start_copy_from_url(signed(source))

    properties, original = target.get_blob_properties(), source.get_blob_client(NAME).get_blob_properties()
    assert (properties.copy.id, properties.copy.status) == (started["copy_id"], "success")
    assert properties.copy.progress == f"{len(WEIGHTS)}/{len(WEIGHTS)}"
    assert properties.copy.source == source.get_blob_client(NAME).url
    assert properties.content_settings.content_md5 == original.content_settings.content_md5
    assert target.download_blob().readall() == WEIGHTS


REFUSED = {
    "expired": lambda source: signed(source, minutes=-5),
    "without the right to read": lambda source: signed(source, read=False),
    "altered": lambda source: signed(source).replace("sp=r", "sp=rw"),
    "without a SAS": lambda source: signed(source).partition("?")[0],
}


@pytest.mark.parametrize("how", REFUSED)
def test_a_copy_needs_a_sas_that_lets_it_read(how: str, source: ContainerClient, target: BlobClient) -> None:
    url = REFUSED[how](source)

    with pytest.raises(HttpResponseError) as refused:
        target.start_copy_from_url(url)

    assert refused.value.status_code == 403
    assert str(refused.value.error_code).endswith("CANNOT_VERIFY_COPY_SOURCE")
    assert not target.exists()


def test_what_is_not_there_cannot_be_copied(source: ContainerClient, target: BlobClient) -> None:
    with pytest.raises(HttpResponseError) as refused:
        target.start_copy_from_url(signed(source, name="nothing"))

    assert refused.value.status_code == 404


def test_a_copy_can_take_its_time_and_fail(
    faults: Tidepool, source: ContainerClient, target: BlobClient
) -> None:
    faults.fault("copy", "pending", value=300, match={"account": str(target.account_name)})
    faults.fault("copy", "fail", match={"account": str(target.account_name)})

    assert target.start_copy_from_url(signed(source))["copy_status"] == "pending"
    meanwhile = target.get_blob_properties().copy
    faults.advance(300)
    afterwards = target.get_blob_properties().copy
    again = target.start_copy_from_url(signed(source))

    assert (meanwhile.status, meanwhile.progress) == ("pending", f"{len(WEIGHTS) // 2}/{len(WEIGHTS)}")
    assert meanwhile.completion_time is None
    assert (afterwards.status, "InternalServerError" in afterwards.status_description) == ("failed", True)
    assert again["copy_status"] == target.get_blob_properties().copy.status == "success"
