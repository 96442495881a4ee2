"""One verdict and 10,000 verdicts, from evidence.json to the rules' lines, compared with parsing the JSON."""

import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.table import Row
from tidegate.config.gate import Gate
from tidegate.domain.lifecycle.evaluation import decide_verdict
from tidegate.domain.lifecycle.evidence import read_evidence
from tidegate.domain.lifecycle.records import ModelState, ModelVersion
from tidegate.domain.lifecycle.verdict_records import Evaluation

MANY = 10_000
ROUNDS = 200
SLICES = 20
NOW = datetime(2026, 11, 21, 2, 10, tzinfo=UTC)
RULE = {"min": 0.7, "champion_tolerance": 0.005, "non_inferiority": 0.02}
GATE = Gate.model_validate(
    {
        "metrics": {"accuracy": RULE, "f1_macro": RULE},
        "slices": {"by": "camera", "min_n": 50, "metrics": {"accuracy": RULE}},
    }
)


def measure(_: Path) -> list[Row]:
    content = json.dumps(_evidence()).encode()
    record = _record()

    def ours() -> None:
        verdict = decide_verdict(GATE, record, read_evidence(content), {}, NOW)
        assert verdict.passed

    def parsing() -> None:
        json.loads(content)

    one = tuple(
        1000 * statistics.median(_seconds(work, 1) for _ in range(ROUNDS)) for work in (ours, parsing)
    )
    many = tuple(_seconds(work, MANY) for work in (ours, parsing))
    lines = len(decide_verdict(GATE, record, read_evidence(content), {}, NOW).rules)
    return [
        Row.ratio(f"one verdict of {lines} lines", "ms", (one[0], one[1]), "json.loads of it", ""),
        Row.ratio(f"{MANY:,} verdicts", "s", (many[0], many[1]), "json.loads of them", ""),
    ]


def _seconds(work: Callable[[], None], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        work()
    return time.perf_counter() - started


def _record() -> ModelVersion:
    evaluation = Evaluation(job="judge-m-3-e1-a1", data="holdout:4", champion="2", submitted_at=NOW)
    return ModelVersion(
        model="m", version="3", state=ModelState.EVALUATING, registered_at=NOW, evaluation=evaluation
    )


def _evidence() -> dict[str, Any]:
    metric = {
        "candidate": {"value": 0.93, "low": 0.92, "high": 0.94},
        "champion": {"value": 0.92, "low": 0.91, "high": 0.93},
        "difference": {"value": 0.01, "low": -0.001, "high": 0.02},
    }
    group = {"n": 500, "metrics": {"accuracy": metric, "f1_macro": metric}}
    return {
        "candidate": "m:3",
        "champion": "m:2",
        "data": "holdout:4",
        **group,
        "slices": {"by": "camera", "values": {f"camera-{number}": group for number in range(SLICES)}},
    }
