"""Files that are written again with the same size and MD5: is their content the same?"""

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from fnmatch import fnmatch

import pytest
from azure.storage.blob import BlobBlock, ContentSettings, StandardBlobTier
from tests.support.handler_harness import CHECK, FINISH, LOOK, MONTH, HandlerHarness
from tests.support.installation import Installation

from tidegate.domain.partitions.records import ScoringState

FILES = {"a.png": "cat", "b.png": "dog"}


@pytest.fixture
def reads(installation: Installation) -> Callable[[], list[str]]:
    """Return a function that returns the names of the files that the service has read until now."""

    def names() -> list[str]:
        return [
            request["path"].rpartition("/")[2]
            for request in installation.cloud.find_requests(host=f"{installation.images.account_name}.")
            if request["method"] == "GET" and fnmatch(request["path"], f"*/{MONTH}/*.png")
        ]

    return names


def write_with_md5(installation: Installation, name: str, content: str, md5: str) -> None:
    """Write a file in one block, and set the Content-MD5, which Azure does not check."""
    blob, block = installation.images.get_blob_client(f"{MONTH}/{name}"), base64.b64encode(b"1").decode()
    blob.stage_block(block, content.encode())
    settings = ContentSettings(content_md5=bytearray(base64.b64decode(md5)))
    blob.commit_block_list([BlobBlock(block)], content_settings=settings)


def md5_of(content: str) -> str:
    return base64.b64encode(hashlib.md5(content.encode(), usedforsecurity=False).digest()).decode()


def test_a_corrected_file_with_the_old_md5_makes_one_new_version(
    installation: Installation, harness: HandlerHarness, reads: Callable[[], list[str]]
) -> None:
    write_with_md5(installation, "a.png", "cat", md5_of("cat"))
    installation.upload(MONTH, {"b.png": "dog"})
    harness.run(CHECK)
    assert harness.partition.result == f"{MONTH}-1-g1"

    write_with_md5(installation, "a.png", "dog", md5_of("cat"))
    before, harness.clock.now = len(reads()), datetime.now(UTC)
    harness.clock.move(hours=1)
    harness.do(CHECK)
    harness.do(CHECK)

    assert [version.number for version in harness.partition.versions] == [1, 2]
    assert harness.partition.versions[-1].other_md5 == 1
    assert reads()[before:] == ["a.png"]
    harness.run(CHECK)
    assert harness.partition.result == f"{MONTH}-2-g1"
    looks = harness.service.dry_runs.versions.looks
    manifest = looks.manifest(harness.config().feeds["stories"], harness.claim.version)
    assert [content for _, _, content in manifest.entries] == [f"md5:{md5_of('dog')}"] * 2


def test_files_whose_bytes_are_the_same_are_read_once_and_make_no_version(
    installation: Installation, harness: HandlerHarness, reads: Callable[[], list[str]]
) -> None:
    installation.upload(MONTH, FILES)
    harness.run(CHECK)
    before = len(reads())

    installation.images.get_blob_client(f"{MONTH}/a.png").set_blob_metadata({"touched": "1"})
    installation.upload(MONTH, {"b.png": "dog"})
    harness.clock.move(hours=1)
    for _ in range(2):
        harness.run(CHECK)
    installation.images.get_blob_client(f"{MONTH}/a.png").set_standard_blob_tier(StandardBlobTier.COOL)
    harness.run(CHECK)
    harness.service.dry_runs.partition(harness.partition.feed, MONTH)

    assert [version.number for version in harness.partition.versions] == [1]
    assert sorted(reads()[before:]) == ["a.png", "b.png"]
    assert harness.partition.result == f"{MONTH}-1-g1"


@pytest.mark.parametrize("content", ["dog", pytest.param("cat", marks=pytest.mark.long)])
def test_a_file_that_is_written_during_the_scoring_with_the_same_md5_supersedes_its_version(
    installation: Installation, harness: HandlerHarness, content: str
) -> None:
    installation.upload(MONTH, FILES)
    harness.until_submitted()
    write_with_md5(installation, "a.png", content, md5_of("cat"))

    harness.do(LOOK)
    harness.do(FINISH)

    assert harness.claim.generation.state is ScoringState.SUPERSEDED
    harness.clock.now = datetime.now(UTC)
    harness.clock.move(hours=1)
    harness.run(CHECK)
    assert harness.partition.result == {"cat": f"{MONTH}-1-g2", "dog": f"{MONTH}-2-g1"}[content]


def test_more_files_than_are_read_make_one_version(
    installation: Installation, harness: HandlerHarness, reads: Callable[[], list[str]]
) -> None:
    names = [f"{number}.png" for number in range(101)]
    installation.upload(MONTH, dict.fromkeys(names, "cat"))
    harness.do(CHECK)
    before = len(reads())

    for name in names:
        installation.images.get_blob_client(f"{MONTH}/{name}").set_blob_metadata({"touched": "1"})
    harness.clock.now = datetime.now(UTC)
    for _ in range(3):
        harness.clock.move(hours=1)
        harness.do(CHECK)

    assert [version.number for version in harness.partition.versions] == [1, 2]
    assert reads()[before:] == []
