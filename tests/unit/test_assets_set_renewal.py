"""Which keys of a set are trained again, and why."""

import math

import pytest
from key_renewal import KeyNow, RenewalRule, decide_key, is_breached

RULE = RenewalRule("mae", factor=1.5, breaches=2, of_last=3, min_n=5, min_rows=100)


@pytest.mark.parametrize(
    ("error", "reference", "rows", "breached"),
    [
        (1.5, 1, 28, False),
        (1.6, 1, 28, True),
        (1.6, 1, 4, None),
        (0, 0, 28, False),
        (0.1, 0, 28, True),
        (math.nan, 1, 28, None),
        (1, math.nan, 28, None),
    ],
)
def test_an_error_counts_if_there_are_rows_and_a_reference(
    error: float, reference: float, rows: int, breached: bool | None
) -> None:
    assert is_breached(RULE, error, reference, rows) is breached


@pytest.mark.parametrize(
    ("partitions", "kind"),
    [
        ([True], None),  # one bad partition is not enough
        ([True, False, True], "worse"),
        ([True, False, False, True], None),
        ([True, True], "worse"),
        ([], None),
    ],
)
def test_a_key_is_worse_after_several_of_its_last_partitions(
    partitions: list[bool], kind: str | None
) -> None:
    renewal = decide_key(RULE, KeyNow("candidate", 28), partitions)

    assert (renewal and renewal.kind) == kind


@pytest.mark.parametrize(
    ("now", "kind", "reason"),
    [
        (KeyNow(None, 28), "new", "the set has no member for it, and the partition has 28 rows of it"),
        (KeyNow("missing", 1), "new", "28|1 rows"),
        (KeyNow("failed", 28, failure="ValueError: constant"), "failed", "ValueError: constant"),
        (KeyNow("champion", 28, failure="the forecast is not finite"), "failed", "not finite"),
        (KeyNow("too_few_rows", 30, known_rows=70), "grown", "it has 100 rows now, and needs 100"),
    ],
)
def test_keys_without_a_good_member_are_trained_as_soon_as_they_have_rows(
    now: KeyNow, kind: str, reason: str
) -> None:
    renewal = decide_key(RULE, now, [])

    assert renewal is not None
    assert renewal.kind == kind
    assert any(part in renewal.reason for part in reason.split("|"))


@pytest.mark.parametrize(
    "now",
    [KeyNow("candidate", 0), KeyNow("failed", 0), KeyNow(None, 0), KeyNow("too_few_rows", 29, known_rows=70)],
)
def test_keys_without_enough_rows_are_not_trained(now: KeyNow) -> None:
    assert decide_key(RULE, now, [True, True, True]) is None


@pytest.mark.parametrize("changes", [{"breaches": 4}, {"breaches": 0}, {"factor": 0}])
def test_a_rule_that_can_never_hold_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        RenewalRule(**changes)  # type: ignore[arg-type]
