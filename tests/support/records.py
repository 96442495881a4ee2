"""Records of the ledger, with defaults."""

from datetime import UTC, datetime
from typing import Any

from tidegate.domain.jobs.records import Job, JobKind
from tidegate.domain.partitions.records import Claim, Generation, Partition, PartitionVersion

NOW = datetime(2026, 12, 3, 12, 0, tzinfo=UTC)


def a_claim(feed: str = "digits", *, number: int = 1, version: int = 1, **generation: Any) -> Claim:
    """Return a generation of the feed's month 202611; `generation` are changes of its fields."""
    scoring = Generation(
        number=number,
        **{
            "model_name": "classifier",
            "model_version": "7",
            "compute": "gpu-lowpri",
            "reason": "marker _SUCCESS",
            "claimed_at": NOW,
            **generation,
        },
    )
    snapshot = PartitionVersion(
        number=version,
        manifest_hash="ab" * 32,
        manifest_path="predictions/digits/202611/manifests/ab.jsonl",
        files=3,
        bytes=30,
        reason="marker _SUCCESS",
        snapshot_at=NOW,
        registered=True,
        generations=[scoring],
    )
    return Claim(Partition(feed=feed, partition="202611", versions=[snapshot]), snapshot, scoring)


def a_job(**changes: Any) -> Job:
    """Return the ledger's row of the first attempt to score 202611-1; `changes` are changes of its fields."""
    fields = {
        "name": "score-digits-202611-1-g1-a1",
        "kind": JobKind.SCORING,
        "subject": "digits:202611-1-g1",
        "attempt": 1,
        "cluster": "gpu-lowpri",
        **changes,
    }
    return Job(workspace="development", pipeline="image_scoring:ab", submitted_at=NOW, **fields)
