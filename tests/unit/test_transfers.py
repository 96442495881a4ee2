"""What a copy of many files has come to, from the listings of both ends."""

import pytest

from tidegate.domain.lifecycle.file_copy import Copied, Original, compare

A = Original(name="a", size=10, md5="AAAA", etag="1")
B = Original(name="b", size=5, md5=None, etag="2")


def _copied(original: Original, **changes: object) -> Copied:
    given = {"name": original.name, "size": original.size, "md5": original.md5, "status": "success"}
    return Copied(**{**given, **changes})  # type: ignore[arg-type]


def test_all_there_is_complete() -> None:
    seen = compare([B, A], [_copied(A), _copied(B)])

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
def test_what_is_not_the_same_waits_to_be_copied(copy: Copied) -> None:
    seen = compare([A, B], [copy, _copied(B)])

    assert seen.waiting == (A,)
    assert not seen.complete
    assert seen.copied_bytes == 5


def test_what_is_under_way_is_left_alone() -> None:
    seen = compare([A, B], [_copied(A, status="pending", copied_bytes=4), _copied(B)])

    assert (seen.waiting, seen.pending, seen.copied_bytes) == ((), ("a",), 9)
    assert not seen.complete


def test_failures_are_told_in_azures_words() -> None:
    seen = compare([A], [_copied(A, status="failed", trouble="403 Forbidden")])

    assert seen.failures == ("a: 403 Forbidden",)


def test_a_file_that_was_written_and_not_copied_counts_where_it_is_the_same() -> None:
    assert compare([A], [_copied(A, status=None)]).complete


def test_no_files_are_no_copy() -> None:
    assert not compare([], []).complete


def test_strangers_spoil_it() -> None:
    seen = compare([A], [_copied(A), _copied(B)])

    assert seen.strangers == ("b",)
    assert not seen.complete
