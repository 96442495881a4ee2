"""The rule for each key: whether the candidate's member goes on, or the champion's, or none."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

Then = Literal["keep_champion", "take", "drop"]
Choice = Literal["candidate", "champion", "none"]
Comparison = Literal["better", "worse", "undecided", "lost", "new", "none"]

THENS = get_args(Then)
_ROUNDING = 1e-9


@dataclass(frozen=True)
class MemberRule:
    """What a candidate's member must show: a metric, of which lower values are better.

    `tolerance` is a share of the champion's value: with 0.05 a member may be 5 percent worse. With fewer than
    `min_n` rows a key is not decided. `then` says what goes on if the member did not pass.
    """

    metric: str = "mae"
    tolerance: float = 0.0
    min_n: int = 1
    then: Then = "keep_champion"


@dataclass(frozen=True)
class MemberResult:
    """What one set measured for a key: whether its member forecasts all rows, and its error or NaN.

    `why` says why there is no usable forecast.
    """

    usable: bool
    value: float = math.nan
    why: str = ""


@dataclass(frozen=True)
class MemberDecision:
    """What goes on for a key, how the members compared, and the reason."""

    choice: Choice
    comparison: Comparison
    reason: str


def decide_member(
    rule: MemberRule, candidate: MemberResult, champion: MemberResult | None, rows: int
) -> MemberDecision:
    """Decide one key. `rows` is the number of rows that both members forecast."""
    if not candidate.usable:
        return _without_candidate(rule, candidate, champion)
    if champion is None or not champion.usable:
        return MemberDecision("candidate", "new", "the champion has no forecast for this key")
    comparison, finding = _compare(rule, candidate.value, champion.value, rows)
    if comparison == "better" or rule.then == "take":
        return MemberDecision("candidate", comparison, finding)
    if rule.then == "drop":
        return MemberDecision("none", comparison, f"dropped by the rule: {finding}")
    return MemberDecision("champion", comparison, f"the champion's member is kept: {finding}")


def _without_candidate(
    rule: MemberRule, candidate: MemberResult, champion: MemberResult | None
) -> MemberDecision:
    why = candidate.why or "the candidate has no member for this key"
    if champion is None or not champion.usable:
        return MemberDecision("none", "none", why)
    if rule.then == "keep_champion":
        return MemberDecision("champion", "lost", f"the champion's member is kept: {why}")
    return MemberDecision("none", "lost", why)


def _compare(rule: MemberRule, candidate: float, champion: float, rows: int) -> tuple[Comparison, str]:
    if rows < rule.min_n:
        return "undecided", f"the holdout has {rows} rows of this key, and min_n is {rule.min_n}"
    if not (math.isfinite(candidate) and math.isfinite(champion)):
        return "undecided", f"{rule.metric} is not defined for this key"
    compared = f"{rule.metric} {candidate:.6g}, champion {champion:.6g}, tolerance {rule.tolerance:.2%}"
    allowed = champion * (1 + rule.tolerance)
    return ("better" if candidate <= allowed + _ROUNDING * abs(champion) else "worse"), compared
