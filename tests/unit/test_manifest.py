"""Manifests, and the names and paths that are derived."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.config_yaml import a_config, a_feed

from tidegate.domain.assets import datastore_name
from tidegate.domain.partitions.manifest import ListedBlob, Manifest
from tidegate.domain.partitions.names import (
    manifest_path,
    predictions_path,
    result_name,
    result_order,
    version_name,
)

AT = datetime(2026, 12, 1, tzinfo=UTC)
LISTED = st.builds(
    ListedBlob,
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    size=st.integers(0, 2**40),
    md5=st.none() | st.sampled_from(["1B2M2Y8AsgTpgAmY7PhCfg==", "x"]),
    etag=st.sampled_from(["0x1", "0x2"]),
    modified=st.just(AT),
)
FILES = st.lists(LISTED, unique_by=lambda file: file.name)


def file(name: str, *, size: int = 1, md5: str | None = None, etag: str = "0x1") -> ListedBlob:
    return ListedBlob(name, size, md5, etag, AT)


@given(FILES)
def test_a_manifest_comes_back_from_its_text_as_it_was(files: list[ListedBlob]) -> None:
    manifest = Manifest.of(files)

    assert Manifest.from_text(manifest.text) == manifest
    assert b"".join(manifest.blocks()) == manifest.text.encode()
    assert len(manifest.text.split("\n")) == len(files) + 1
    assert manifest.bytes == sum(file.size for file in files)


@given(FILES, st.randoms())
def test_the_hash_does_not_depend_on_the_order(files: list[ListedBlob], random: object) -> None:
    shuffled = list(files)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert Manifest.of(shuffled).hash == Manifest.of(files).hash


@pytest.mark.parametrize(
    "other",
    [file("b.png"), file("a.png", size=2), file("a.png", etag="0x2"), file("a.png", md5="m")],
)
def test_other_content_has_another_hash(other: ListedBlob) -> None:
    assert Manifest.of([file("a.png")]).hash != Manifest.of([other]).hash


def test_the_same_bytes_written_again_have_the_same_hash_where_their_md5_is_known() -> None:
    first, again = file("a.png", md5="m", etag="0x1"), file("a.png", md5="m", etag="0x2")

    assert Manifest.of([first]).hash == Manifest.of([again]).hash


def test_changed_are_the_files_of_the_manifest_with_another_content() -> None:
    manifest = Manifest.of([file("same.png"), file("changed.png"), file("gone.png")])

    assert manifest.changed_in([file("same.png"), file("changed.png", etag="0x2"), file("new.png")]) == [
        "changed.png"
    ]


def test_names_and_paths_are_derived() -> None:
    assert version_name("202611", 2) == "202611-2"
    assert result_name("202611", 2, 3) == "202611-2-g3"
    assert (
        manifest_path("digits", "202611", "ab" * 32)
        == f"predictions/digits/202611/manifests/{'ab' * 16}.jsonl"
    )
    assert predictions_path("digits", "202611", 1, 2) == "predictions/digits/202611/202611-1/g2/"
    storage = a_config(digits=a_feed(account="stimages", container="new-images")).feeds["digits"].storage
    assert datastore_name(storage) == "tidegate_stimages_new_images"


def test_results_are_ordered_as_numbers() -> None:
    names = ["202611-10-g1", "202611-9-g2", "202611-10-g11", "202611-10-g2"]

    assert sorted(names, key=result_order) == ["202611-9-g2", "202611-10-g1", "202611-10-g2", "202611-10-g11"]
    with pytest.raises(ValueError, match="not the name of a result"):
        result_order("202611-1")
