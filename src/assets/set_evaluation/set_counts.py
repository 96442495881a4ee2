"""The counts of keys in the evidence of a model set, which the rules of the gate for sets read."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from member_rule import MemberDecision


def counts_of(
    decisions: Sequence[MemberDecision], states: Sequence[str], has_member: Sequence[bool]
) -> dict[str, Any]:
    """Return the counts of the block `set`.

    `states` are the states of the candidate's keys, and `has_member` says which of them have a member. A key
    that the champion forecasts and the candidate does not counts as worse. `dropped` are keys whose member in
    the candidate does not go on, and neither does one of the champion.
    """
    keys = len(decisions)
    compared = Counter(decision.comparison for decision in decisions)
    chosen = Counter(decision.choice for decision in decisions)
    of_state = Counter(states)
    failed = of_state["failed"]
    both = sum(compared[name] for name in ("better", "worse", "undecided"))
    worse, shared = compared["worse"] + compared["lost"], both + compared["lost"]
    members = chosen["candidate"] + chosen["champion"]
    dropped = sum(
        decision.choice == "none" and had for decision, had in zip(decisions, has_member, strict=True)
    )
    return {
        "keys": keys,
        "members": members,
        "coverage": members / keys if keys else 0.0,
        "failed": failed,
        "too_few_rows": of_state["too_few_rows"],
        "missing": of_state["missing"],
        "share_failed": failed / keys if keys else 0.0,
        "compared": both,
        **{name: compared[name] for name in ("better", "worse", "undecided", "lost", "new")},
        "share_worse": worse / shared if shared else 0.0,
        "took": chosen["candidate"],
        "kept": chosen["champion"],
        "dropped": dropped,
    }
