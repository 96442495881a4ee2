"""Rows of the ledger keep their JSON shape, and rows of older releases load."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from tidegate.domain.lifecycle.records import Lineage, ModelSource, ModelVersion, Promotion
from tidegate.domain.lifecycle.rollout_records import HealthFigures
from tidegate.domain.partitions.records import ScoringOutcome


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
