"""What a scoring job published, and whether it counts. Pure; reads only what `reconciliation.json` says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tidegate.domain.partitions.names import result_order, version_name
from tidegate.domain.partitions.records import Claim, ScoringState

CSV = "predictions.csv"
RECONCILIATION = "reconciliation.json"
_NAMES_KEPT = 20


class WorstError(BaseModel):
    error: str
    count: int
    images: list[str] = []


class Reconciliation(BaseModel):
    """The outcome as the publishing step wrote it: src/assets/monthly_scoring/README.md."""

    model_config = ConfigDict(extra="ignore")

    month: str
    version: str
    generation: str
    verdict: Literal["ok", "incomplete", "too_many_errors"]
    files: int
    rows: int
    errors: int
    error_rate: float
    max_error_rate: float
    missing: int = 0
    doubled: int = 0
    missing_names: list[str] = []
    doubled_names: list[str] = []
    worst_errors: list[WorstError] = []
    labels: dict[str, int] = {}
    mean_score: float | None = None

    def kept(self) -> dict[str, Any]:
        """What the ledger keeps of it: counts, and the first names."""
        named = {"missing_names", "doubled_names"}
        return {
            **self.model_dump(mode="json", exclude=named | {"month", "version", "generation"}),
            **{name: getattr(self, name)[:_NAMES_KEPT] for name in sorted(named)},
        }


@dataclass(frozen=True)
class Result:
    """The state that a generation ends in, and why where it is not `scored`."""

    state: ScoringState
    why: str | None = None

    @property
    def counts(self) -> bool:
        """Whether it may become the month's current result."""
        return self.state is ScoringState.SCORED


def decide_result(published: Reconciliation, claim: Claim, changed: Sequence[str]) -> Result:
    """`changed`: files of the manifest that have another content now.

    A newer version that was there already when it was claimed supersedes nothing: a person chose this one.
    """
    version, latest = claim.version, claim.record.latest
    if latest and latest.number > version.number and latest.snapshot_at >= claim.generation.claimed_at:
        newer = version_name(claim.record.month, latest.number)
        return Result(ScoringState.SUPERSEDED, f"version {newer} was registered meanwhile")
    if changed:
        return Result(ScoringState.SUPERSEDED, f"files changed while they were scored: {_some(changed)}")
    if published.version != claim.version_name or published.files != version.files:
        told = f"{published.files} files of {published.version}"
        return Result(
            ScoringState.FAILED, f"the job published {told}, not the {version.files} of this version"
        )
    if published.verdict == "incomplete":
        return Result(ScoringState.INCOMPLETE, _gaps(published))
    if published.verdict == "too_many_errors":
        broken, allowed = f"{published.error_rate:.2%}", f"{published.max_error_rate:.2%}"
        return Result(ScoringState.FAILED, f"{broken} of the files are broken; at most {allowed} may be")
    return Result(ScoringState.SCORED)


def current_result(claim: Claim) -> str:
    """The month's result once this one is reconciled too: that of the highest version and generation."""
    return max((name for name in (claim.record.result, claim.name) if name), key=result_order)


def _gaps(published: Reconciliation) -> str:
    missing = (
        f"{published.missing} files are missing: {_some(published.missing_names)}"
        if published.missing
        else ""
    )
    doubled = (
        f"{published.doubled} files are doubled: {_some(published.doubled_names)}"
        if published.doubled
        else ""
    )
    return "; ".join(filter(None, [missing, doubled]))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
