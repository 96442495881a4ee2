"""Files that no job can read: found in the listing, each with its reason."""

from datetime import UTC, datetime

import pytest

from tidegate.domain.partitions.file_problems import with_problems
from tidegate.domain.partitions.manifest import ListedBlob, Manifest

NOW = datetime(2026, 12, 3, tzinfo=UTC)


def file(name: str, *, size: int = 1, archived: bool = False) -> ListedBlob:
    return ListedBlob(name, size, None, "0x1", NOW, archived)


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        (file("a//b.png"), "an empty folder name"),
        (file("/b.png"), "an empty folder name"),
        (file("a/../b.png"), "a folder . or .."),
        (file("x" * 256), "longer than 255 bytes"),
        (file("ガ" * 86), "longer than 255 bytes"),
        (file("/".join(["ガ" * 80] * 15)), "longer than 3584 bytes"),
        (file("a.png", archived=True), "archive tier"),
        (file("a.png", size=0), "the file is empty"),
        (file("f1"), "the folder has f1/x/y.png"),
        (file("f1/x"), "the folder has f1/x/y.png"),
    ],
)
def test_a_file_that_no_job_can_read_has_a_reason(listed: ListedBlob, reason: str) -> None:
    [checked] = with_problems([listed], [listed.name, "f1/x/y.png"])

    assert reason in checked.problem


@pytest.mark.parametrize(
    "name", ["a.png", ".hidden", "a/.b/..c", "%2e%2e/a.png", "x" * 255, "ガ" * 85, "f1/x/y.png"]
)
def test_other_files_have_none(name: str) -> None:
    [checked] = with_problems([file(name)], [name, "f1/x/y.png"])

    assert checked.problem == ""


def test_errors_are_written_to_the_manifest_and_are_no_part_of_the_identity() -> None:
    [listed] = with_problems([file("ガ.png", archived=True)], ["ガ.png"])
    manifest, readable = Manifest.of([listed]), Manifest.of([file("ガ.png")])

    assert Manifest.from_text(manifest.text) == manifest
    assert manifest.hash == readable.hash
    assert manifest.text_hash != readable.text_hash
    assert "ガ.png" in manifest.text
