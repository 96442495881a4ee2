"""The decision which keys of a set are trained again, from their errors over time.

One bad partition is not enough (hysteresis): the error of a key must be above the rule's bound in `breaches`
of the last `of_last` partitions that its present member forecast.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["new", "failed", "grown", "worse"]


@dataclass(frozen=True)
class RenewalRule:
    """When a key counts as worse: `metric` above `factor` times what its member showed when it was judged.

    Partitions with fewer than `min_n` compared rows of a key do not count. A key with too few rows is trained
    again once it has `min_rows`, or never if this is 0.
    """

    metric: str = "mae"
    factor: float = 1.5
    breaches: int = 2
    of_last: int = 3
    min_n: int = 1
    min_rows: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.breaches <= self.of_last:
            raise ValueError(f"breaches is {self.breaches}, and must be from 1 to of_last, {self.of_last}")
        if self.factor <= 0:
            raise ValueError(f"factor is {self.factor}, and must be more than 0")


@dataclass(frozen=True)
class KeyNow:
    """What is known of a key in the newest partition.

    `state` is that of the index, or None if the index lacks the key. `rows` are those with actual values in
    this partition, and `known_rows` those that its member was trained with. `failure` says why the scoring
    gave no forecast.
    """

    state: str | None
    rows: int
    known_rows: int = 0
    failure: str = ""


@dataclass(frozen=True)
class Renewal:
    """A key to train again, and why."""

    kind: Kind
    reason: str


def is_breached(rule: RenewalRule, error: float, reference: float, rows: int) -> bool | None:
    """Return whether an error is above the bound, or None if the partition does not count for this key."""
    if rows < rule.min_n or not (math.isfinite(error) and math.isfinite(reference)):
        return None
    return error > rule.factor * reference


def decide_key(rule: RenewalRule, now: KeyNow, breached: Sequence[bool]) -> Renewal | None:
    """Decide one key. `breached` has the partitions of its present member that count, oldest first."""
    if not now.rows:
        return None  # there is nothing to train on
    if now.state is None or now.state == "missing":
        return Renewal("new", f"the set has no member for it, and the partition has {now.rows} rows of it")
    if now.state == "too_few_rows":
        return _grown(rule, now.known_rows + now.rows)
    if now.state == "failed":
        return Renewal("failed", f"its last training failed: {now.failure or 'the index gives no reason'}")
    if now.failure:
        return Renewal("failed", f"the scoring gave no forecast: {now.failure}")
    return _worse(rule, breached[-rule.of_last :])


def _grown(rule: RenewalRule, rows: int) -> Renewal | None:
    enough = rule.min_rows and rows >= rule.min_rows
    return Renewal("grown", f"it has {rows} rows now, and needs {rule.min_rows}") if enough else None


def _worse(rule: RenewalRule, window: Sequence[bool]) -> Renewal | None:
    if sum(window) < rule.breaches:
        return None
    bound = f"{rule.metric} was above {rule.factor:g} times that of its training"
    return Renewal("worse", f"{bound} in {sum(window)} of the last {len(window)} partitions")
