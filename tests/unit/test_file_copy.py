"""What a copy of many files has come to, from the listings of both ends."""

import hashlib
from dataclasses import replace

import pytest

from tidegate.domain.lifecycle.file_copy import (
    CopiedFile,
    OriginalFile,
    compare_files,
    earlier_fingerprint,
    files_fingerprint,
    have_fingerprint,
)

A = OriginalFile(name="a", size=10, md5="AAAA", etag="1")
B = OriginalFile(name="b", size=5, md5=None, etag="2")


def _copied(original: OriginalFile, **changes: object) -> CopiedFile:
    given = {"name": original.name, "size": original.size, "md5": original.md5, "status": "success"}
    return CopiedFile(**{**given, **changes})  # type: ignore[arg-type]


def test_all_there_is_complete() -> None:
    seen = compare_files([B, A], [_copied(A), _copied(B)])

    assert seen.complete
    assert (seen.bytes, seen.copied_bytes, seen.without_md5) == (15, 15, 1)


@pytest.mark.parametrize(
    "copy",
    [
        _copied(A, size=9),
        _copied(A, md5="BBBB"),
        _copied(A, md5=None),
        _copied(A, status="failed", trouble="403 Forbidden"),
        _copied(A, status="aborted"),
    ],
    ids=["shorter", "other content", "content unknown", "failed", "aborted"],
)
def test_what_is_not_the_same_waits_to_be_copied(copy: CopiedFile) -> None:
    seen = compare_files([A, B], [copy, _copied(B)])

    assert seen.waiting == (A,)
    assert not seen.complete
    assert seen.copied_bytes == 5


def test_what_is_under_way_is_left_alone() -> None:
    seen = compare_files([A, B], [_copied(A, status="pending", copied_bytes=4), _copied(B)])

    assert (seen.waiting, seen.pending, seen.copied_bytes) == ((), ("a",), 9)
    assert not seen.complete


def test_failures_are_told_in_azures_words() -> None:
    seen = compare_files([A], [_copied(A, status="failed", trouble="403 Forbidden")])

    assert seen.failures == ("a: 403 Forbidden",)


def test_a_file_that_was_written_and_not_copied_counts_where_it_is_the_same() -> None:
    assert compare_files([A], [_copied(A, status=None)]).complete


def test_an_ended_copy_without_words_of_azure_is_named_with_its_status() -> None:
    seen = compare_files([A, B], [_copied(A, status="aborted"), _copied(B)])

    assert seen.failures == ("a: aborted",)


def test_no_files_are_no_copy() -> None:
    assert not compare_files([], []).complete


def test_strangers_spoil_it() -> None:
    seen = compare_files([A], [_copied(A), _copied(B)])

    assert seen.foreign == ("b",)
    assert not seen.complete


def test_the_fingerprint_changes_with_md5_or_etag() -> None:
    first = files_fingerprint([A, B])

    assert files_fingerprint([B, A]) == first
    assert files_fingerprint([replace(A, etag="9"), B]) != first
    assert files_fingerprint([replace(A, md5="BBBB"), B]) != first
    assert files_fingerprint([A, replace(B, etag="9")]) != first


def test_fingerprints_that_verdicts_stored_stay_valid() -> None:
    stored = '[["a", 10, "AAAA"], ["b", 5, "etag:2"]]'

    assert have_fingerprint([A, B], hashlib.sha256(stored.encode()).hexdigest())
    assert have_fingerprint([replace(A, etag="9"), B], hashlib.sha256(stored.encode()).hexdigest())
    assert not have_fingerprint([replace(A, etag="9"), B], files_fingerprint([A, B]))
    assert earlier_fingerprint([A, B]) == hashlib.sha256(stored.encode()).hexdigest()
