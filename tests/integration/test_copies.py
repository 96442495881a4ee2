"""Files of a model go from account to account, on real storage."""

from collections.abc import Callable

import pytest
from azure.identity import DefaultAzureCredential
from azure.storage.blob import ContainerClient, ContentSettings
from tests.support.azure_clients import blob_service

from tidegate.cloud.copies import BlobCopyClient
from tidegate.domain.lifecycle.file_copy import Folder, OriginalFile
from tidegate.errors import ConflictError, NotFoundError
from tidepool.cloud import StorageAccount, Tidepool

FILES = {"MLmodel": b"flavors", "data/model pkl#1.bin": b"weights", "empty": b""}


@pytest.fixture
def container(tidepool: Tidepool) -> Callable[[], ContainerClient]:
    def make() -> ContainerClient:
        return blob_service(tidepool.create_storage_account().name).create_container("models")

    return make


@pytest.fixture
def source(container: Callable[[], ContainerClient]) -> ContainerClient:
    made = container()
    for name, content in FILES.items():
        made.upload_blob(f"trained/7/{name}", content)
    made.upload_blob("trained/70/other", b"of version 70")
    return made


@pytest.fixture
def target(container: Callable[[], ContainerClient]) -> ContainerClient:
    return container()


@pytest.fixture
def copies(tidepool: Tidepool) -> BlobCopyClient:
    return BlobCopyClient(credential=DefaultAzureCredential())


def _folder(container: ContainerClient, path: str) -> Folder:
    return Folder(str(container.account_name), container.container_name, path)


def test_files_arrive_with_name_size_and_md5(
    copies: BlobCopyClient, source: ContainerClient, target: ContainerClient
) -> None:
    here, there = _folder(source, "trained/7/"), _folder(target, "tidegate/models/m/7/7")
    before = copies.compare(copies.list_files(here), there)

    copies.begin(here, there, before.waiting)
    after = copies.compare(copies.list_files(here), there)

    assert [file.name for file in before.waiting] == sorted(FILES)
    assert (before.copied_bytes, before.complete) == (0, False)
    assert (after.copied_bytes, after.complete, after.without_md5) == (after.bytes, True, 0)
    assert {name: target.download_blob(f"tidegate/models/m/7/7/{name}").readall() for name in FILES} == FILES


def test_nothing_of_a_file_passes_through_the_process(
    tidepool: Tidepool, copies: BlobCopyClient, source: ContainerClient, target: ContainerClient
) -> None:
    here, there = _folder(source, "trained/7"), _folder(target, "7")

    copies.begin(here, there, copies.compare(copies.list_files(here), there).waiting)

    ours = tidepool.find_requests(host=str(target.account_name))
    assert [request["status"] for request in ours if request["method"] == "PUT"][1:] == [202] * len(FILES)
    read = tidepool.find_requests(host=str(source.account_name))
    assert [one["query"] for one in read if one["method"] == "GET" and "comp=list" not in one["query"]] == []


def test_what_is_there_is_not_copied_again_and_what_differs_is(
    copies: BlobCopyClient, source: ContainerClient, target: ContainerClient
) -> None:
    here, there = _folder(source, "trained/7"), _folder(target, "7")
    copies.begin(here, there, copies.compare(copies.list_files(here), there).waiting)

    target.upload_blob("7/MLmodel", b"FLAVORS", overwrite=True)
    target.delete_blob("7/empty")
    target.upload_blob("7/stranger", b"?")
    seen = copies.compare(copies.list_files(here), there)

    assert [file.name for file in seen.waiting] == ["MLmodel", "empty"]
    assert seen.foreign == ("stranger",)
    assert not seen.complete


def test_a_file_that_changed_since_it_was_listed_is_not_copied(
    copies: BlobCopyClient, source: ContainerClient, target: ContainerClient
) -> None:
    here, there = _folder(source, "trained/7"), _folder(target, "7")
    listed = copies.compare(copies.list_files(here), there).waiting
    source.upload_blob("trained/7/MLmodel", b"another", overwrite=True)

    with pytest.raises(ConflictError):
        copies.begin(here, there, listed)

    assert "7/MLmodel" not in [blob.name for blob in target.list_blobs()]


def test_a_model_of_one_file_and_one_without_md5(
    copies: BlobCopyClient, source: ContainerClient, target: ContainerClient
) -> None:
    blob = source.upload_blob("single.onnx", b"onnx", content_settings=ContentSettings(content_md5=None))
    blob.stage_block("MDAwMQ==", b"in blocks")
    blob.commit_block_list(["MDAwMQ=="])
    here, there = _folder(source, "single.onnx"), _folder(target, "m/7/single.onnx")

    copies.begin(here, there, copies.compare(copies.list_files(here), there).waiting)
    seen = copies.compare(copies.list_files(here), there)

    assert seen.complete
    assert (seen.without_md5, seen.bytes) == (1, 9)
    assert target.download_blob("m/7/single.onnx").readall() == b"in blocks"


def test_a_model_without_files_is_never_complete(
    copies: BlobCopyClient, source: ContainerClient, target: ContainerClient
) -> None:
    seen = copies.compare(copies.list_files(_folder(source, "trained/8")), _folder(target, "8"))

    assert seen.originals == ()
    assert not seen.complete


def test_a_source_that_is_gone_is_not_there(
    copies: BlobCopyClient, storage_account: StorageAccount, target: ContainerClient
) -> None:
    nowhere = Folder(storage_account.name, "nowhere", "7")

    with pytest.raises(NotFoundError, match="models/7/a"):
        copies.begin(nowhere, _folder(target, "7"), [OriginalFile(name="a", size=1, md5=None, etag="0x1")])
