"""Preemption: the signs by which a run shows that it lost its low-priority nodes, each with its source.

Azure documents no error code and no message. It documents only that such a job ends as Canceled or Failed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.domain.jobs.error_messages import own_statement
from tidegate.domain.jobs.records import Preemption
from tidegate.domain.jobs.run_snapshot import RunSnapshot

_MOST_MATCHED = 200
_STATUSES = frozenset({"Canceled", "Failed"})

# Every usual spelling: preempt, pre-empt (with any hyphen), pre_empt and pre empt.
_PREEMPT = r"pre[-_\s\u2010-\u2015]?empt"
_NODES = r"\b(?:nodes?|vms?|virtual machines?|instances?|clusters?|jobs?|runs?|computes?)\b[^.\n]{0,60}"

_REPORTS = (
    "https://github.com/microsoft/MLOpsPython/issues/346",
    "https://github.com/MicrosoftDocs/azure-docs/issues/66288",
    "https://github.com/Azure/MachineLearningNotebooks/issues/1242",
)
_LOW_PRIORITY = (
    "https://learn.microsoft.com/azure/machine-learning/how-to-manage-optimize-cost#use-low-pri-vms"
)
_BATCH = "https://learn.microsoft.com/azure/machine-learning/how-to-use-low-priority-batch"
_SPOT = "https://learn.microsoft.com/azure/virtual-machines/spot-vms#eviction-policy"


@dataclass(frozen=True)
class PreemptionSign:
    """A sign that a run was preempted: a pattern that its code or its message has. Patterns ignore case.

    `seen` says whether users reported exactly this text. The other signs are derived from the words of
    Azure's documentation, which is their `source`.
    """

    name: str
    code: str | None = None
    message: str | None = None
    statuses: frozenset[str] = _STATUSES
    source: str = _LOW_PRIORITY
    seen: bool = False


# Messages are matched without the log that they quote: a job that only prints such words has failed.
PREEMPTION_SIGNS = (
    PreemptionSign(
        "PreemptionError", message=rf"\b{_PREEMPT}ion[\s_]?error\b", source=_REPORTS[0], seen=True
    ),
    PreemptionSign(
        "nodes were preempted",
        message=rf"{_NODES}\b(?:got|gets?|was|were|is|are|been|being)\s+{_PREEMPT}(?:ed|ing)?\b",
        source=_REPORTS[1],
        seen=True,
    ),
    PreemptionSign(
        "preemption warning",
        message=rf"\breceived\s+(?:a\s+)?{_PREEMPT}ion\s+(?:warning|notice|signal)",
        source=_REPORTS[2],
        seen=True,
    ),
    PreemptionSign("code of a preemption", code=_PREEMPT),
    PreemptionSign(
        "code of an eviction", code=r"(?:node|vm|spot|priority).*evict|evict.*(?:node|vm|spot)", source=_SPOT
    ),
    PreemptionSign(
        "nodes were evicted",
        message=rf"{_NODES}\b(?:got|gets?|was|were|is|are|been|being)\s+evicted\b",
        source=_SPOT,
    ),
    PreemptionSign(
        "cancelled by a preemption",
        message=rf"\b{_PREEMPT}(?:ed|ion)\b",
        statuses=frozenset({"Canceled"}),
        source=_BATCH,
    ),
)


def find_preemption(runs: Iterable[RunSnapshot]) -> Preemption | None:
    """Return the first sign of preemption that one of the runs shows, or None."""
    found = (_match(run, sign) for run in runs for sign in PREEMPTION_SIGNS if run.status in sign.statuses)
    return next((preemption for preemption in found if preemption), None)


def _match(run: RunSnapshot, sign: PreemptionSign) -> Preemption | None:
    if sign.code and re.search(sign.code, run.code, re.IGNORECASE):
        return _preemption(run, sign, "code", run.code)
    statement = own_statement(run.message)
    if sign.message and (match := re.search(sign.message, statement, re.IGNORECASE)):
        return _preemption(run, sign, "message", _line_with(statement, match.start()))
    return None


def _preemption(run: RunSnapshot, sign: PreemptionSign, field: str, matched: str) -> Preemption:
    return Preemption(
        sign=sign.name,
        run=run.name,
        status=run.status,
        field=field,
        matched=matched[:_MOST_MATCHED],
        source=sign.source,
    )


def _line_with(text: str, position: int) -> str:
    """Return the line of a text that has this position."""
    start = text.rfind("\n", 0, position) + 1
    return text[start:].partition("\n")[0].strip()
