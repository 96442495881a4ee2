"""The result of a scoring job: whether `reconciliation.json` counts as the partition's result."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tidegate.domain.partitions.names import result_order, version_name
from tidegate.domain.partitions.records import Claim, ImageNote, ScoringOutcome, ScoringState, WorstError

CSV = "predictions.csv"
RECONCILIATION = "reconciliation.json"
_NAMES_KEPT = 20


class Reconciliation(BaseModel):
    """The outcome that the publishing step wrote, in the format of src/assets/image_scoring/README.md."""

    model_config = ConfigDict(extra="ignore")

    partition: str
    version: str
    generation: str
    verdict: Literal["ok", "incomplete", "too_many_errors"]
    files: int
    rows: int
    errors: int
    error_rate: float
    max_error_rate: float
    unit: Literal["files", "rows"] = "files"
    missing: int = 0
    doubled: int = 0
    missing_names: list[str] = []
    doubled_names: list[str] = []
    worst_errors: list[WorstError] = []
    notes: list[ImageNote] = []
    decoder: str | None = None
    labels: dict[str, int] = {}
    mean_score: float | None = None

    def outcome(self, csv: str) -> ScoringOutcome:
        """Return what the ledger keeps: the counts, the names of 20 files, and the URL of the CSV."""
        names = {
            "missing_names": self.missing_names[:_NAMES_KEPT],
            "doubled_names": self.doubled_names[:_NAMES_KEPT],
        }
        counts = self.model_dump(exclude={"partition", "version", "generation", "unit", *names})
        return ScoringOutcome(**counts, **names, csv=csv)


@dataclass(frozen=True)
class Result:
    """The state that a generation ends in, and the reason if it is not `scored`."""

    state: ScoringState
    why: str | None = None

    @property
    def counts(self) -> bool:
        """Return whether the generation may become the partition's current result."""
        return self.state is ScoringState.SCORED


def decide_result(published: Reconciliation, claim: Claim, changed: Sequence[str]) -> Result:
    """Decide how a generation ends, from what its job published.

    `changed` are the files of the manifest that have other content now. A newer version supersedes the
    generation only if it was registered after the generation was claimed: otherwise a person chose the older
    version on purpose.
    """
    version, latest = claim.version, claim.record.latest
    if latest and latest.number > version.number and latest.snapshot_at >= claim.generation.claimed_at:
        newer = version_name(claim.record.partition, latest.number)
        return Result(ScoringState.SUPERSEDED, f"version {newer} was registered during the scoring")
    if changed:
        return Result(ScoringState.SUPERSEDED, f"files changed during the scoring: {_first_names(changed)}")
    if published.version != claim.version_name or published.files != version.files:
        why = (
            f"the job published {published.files} files of {published.version}; "
            f"{claim.version_name} has {version.files} files"
        )
        return Result(ScoringState.FAILED, why)
    if published.verdict == "incomplete":
        return Result(ScoringState.INCOMPLETE, _gaps(published))
    if published.verdict == "too_many_errors":
        broken, allowed = f"{published.error_rate:.2%}", f"{published.max_error_rate:.2%}"
        of = "files" if published.unit == "files" else "rows, or of the files,"
        return Result(ScoringState.FAILED, f"{broken} of the {of} are broken; max_error_rate is {allowed}")
    return Result(ScoringState.SCORED)


def current_result(claim: Claim) -> str:
    """Return the partition's result if this generation counts, too: the highest version and generation."""
    return max((name for name in (claim.record.result, claim.name) if name), key=result_order)


def _gaps(published: Reconciliation) -> str:
    gaps = []
    if published.missing:
        lack = "have no prediction" if published.unit == "files" else "lack predictions for some or all rows"
        gaps.append(f"{published.missing} files {lack}: {_first_names(published.missing_names)}")
    if published.doubled:
        gaps.append(f"{published.doubled} files have several: {_first_names(published.doubled_names)}")
    return "; ".join(gaps)


def _first_names(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
