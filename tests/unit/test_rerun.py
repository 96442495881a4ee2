"""Which version of a month can be scored again, and what a request may say."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from tidegate.domain.partitions.records import Partition, PartitionVersion
from tidegate.errors import RefusedError
from tidegate.service.manual_actions.rerun import RerunRequest, check_version

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def a_version(number: int, *, registered: bool = True) -> PartitionVersion:
    return PartitionVersion(
        number=number,
        manifest_hash=f"hash-{number}",
        manifest_path=f"predictions/digits/202611/manifests/{number}.jsonl",
        files=3,
        bytes=30,
        reason="marker _SUCCESS",
        snapshot_at=NOW,
        registered=registered,
    )


def a_month(*versions: PartitionVersion) -> Partition:
    return Partition(feed="digits", partition="202611", versions=list(versions))


@pytest.mark.parametrize("wanted", [None, 1, 2])
def test_a_version_that_is_registered_can_be_scored(wanted: int | None) -> None:
    check_version(a_month(a_version(1), a_version(2)), wanted)


@pytest.mark.parametrize(
    ("partition", "wanted", "status", "says"),
    [
        (a_month(), None, 409, "not complete yet"),
        (a_month(), 1, 409, "not complete yet"),
        (a_month(a_version(1), a_version(2)), 3, 404, "it has 202611-1, 202611-2"),
        (a_month(a_version(1), a_version(2, registered=False)), None, 409, "202611-2 is being registered"),
    ],
)
def test_another_is_refused_and_it_says_why(
    partition: Partition, wanted: int | None, status: int, says: str
) -> None:
    with pytest.raises(RefusedError, match=says) as refused:
        check_version(partition, wanted)

    assert refused.value.status == status


def test_a_reason_is_kept_without_the_blanks_around_it() -> None:
    assert RerunRequest(reason="  new labels ").reason == "new labels"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": " "},
        {"reason": "x" * 1001},
        {"reason": "x", "version": 0},
        {"reason": "x", "version": "1"},
        {"reason": "x", "version": True},
        {"reason": "x", "model_version": "../1"},
        {"reason": "x", "force": True},
    ],
)
def test_a_body_that_is_not_understood_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RerunRequest.model_validate(body)
