"""Rows of the ledger keep their JSON shape, and rows of older releases load."""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from pydantic import BaseModel

from tidegate.cloud.table_rows import columns_of, json_of
from tidegate.domain.lifecycle.records import Lineage, ModelSource, ModelVersion, Promotion
from tidegate.domain.lifecycle.rollout_records import HealthFigures
from tidegate.domain.partitions.records import (
    Generation,
    Partition,
    PartitionVersion,
    ScoringOutcome,
    ScoringState,
)


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (ModelSource, {}),
        (ModelSource, {"run": "train-1", "data": {"images": "digits:202609-1"}, "tags": {"team": "vision"}}),
        (Lineage, {}),
        (Lineage, {"source_workspace": "mlw-dev", "approved_by": "ada", "tags": {"team": "vision"}}),
        (HealthFigures, {"source": "metrics", "requests": 3, "too_few": True}),
        (HealthFigures, {"source": "probes", "requests": 3, "errors": 0, "error_rate": 0.0, "p95_ms": None}),
        (ScoringOutcome, {"rows": 3, "errors": 0}),
        (ScoringOutcome, {"verdict": "ok", "worst_errors": [{"error": "x", "count": 1, "images": ["a"]}]}),
    ],
)
def test_a_part_of_a_row_is_stored_as_it_was_read(kind: type[BaseModel], stored: dict[str, Any]) -> None:
    assert json.loads(kind.model_validate(stored).model_dump_json()) == stored


def test_fields_of_another_release_do_not_keep_a_row_from_loading() -> None:
    row = {
        "model": "m",
        "version": "3",
        "registered_at": "2026-11-21T02:10:00Z",
        "source": {"team": "vision"},
    }

    assert ModelVersion.model_validate(row).source == ModelSource()


def test_a_promotion_without_lineage_is_stored_with_an_empty_one() -> None:
    promotion = Promotion.model_validate({"via": "workspace", "begun_at": "2026-11-21T02:10:00Z"})

    assert json.loads(promotion.model_dump_json())["lineage"] == {}


def test_a_row_holds_the_5000_generations_of_a_partition() -> None:
    random, at = Random(1), datetime(2026, 11, 21, tzinfo=UTC)
    partition = Partition(
        feed="digits",
        partition="202611",
        versions=[
            PartitionVersion(
                number=1,
                manifest_hash="hash",
                manifest_path="manifests/1.jsonl",
                files=10,
                bytes=10,
                reason="marker _SUCCESS",
                snapshot_at=at,
                generations=[a_generation(number, at, random) for number in range(1, 5001)],
            )
        ],
    )

    row = columns_of(partition)

    packed = [value for value in row.values() if isinstance(value, bytes)]
    assert sum(map(len, packed)) < 2**20 - 2**12  # Azure's limit of a row, less the keys and the format
    assert len(packed) == len(row) - 1
    assert Partition.model_validate_json(json_of(row)) == partition


def a_generation(number: int, start: datetime, random: Random) -> Generation:
    """Return a generation that has little in common with others: a key, times, a person, names of files."""
    claimed = start + timedelta(microseconds=random.randrange(10**13))
    files = [f"camera-{random.randrange(10):02}/image-{random.randrange(10**6):06}.png" for _ in range(5)]
    return Generation(
        number=number,
        state=ScoringState.INCOMPLETE,
        model_name="digit-classifier",
        model_version=str(random.randrange(50)),
        compute="gpu-lowpri",
        job=f"score-digits-202611-1-g{number}-a1",
        reason=f"camera {random.randrange(1000)} was turned, says p{random.randrange(100)}@example.com",
        by=f"p{random.randrange(100)}@example.com",
        cause=f"request-{random.getrandbits(128):032x}",
        idempotency_key=f"{random.getrandbits(128):032x}",
        claimed_at=claimed,
        ended_at=claimed + timedelta(microseconds=random.randrange(10**10)),
        outcome=ScoringOutcome(
            verdict="incomplete",
            files=10_000,
            missing=5,
            missing_names=files,
            labels={label: random.randrange(2000) for label in "0123456789"},
            mean_score=random.random(),
        ),
        error=f"5 files have no row: {', '.join(files)}",
    )
