"""When a set is trained, on which partitions, and what a comparison of its forecasts means."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tidegate.config.model_sets import SetTraining
from tidegate.domain.lifecycle.records import Model
from tidegate.domain.lifecycle.retraining import compare_job, retrain_job, retrained_by
from tidegate.domain.lifecycle.training_records import SignalRecord
from tidegate.domain.model_sets.comparison import read_comparison
from tidegate.domain.model_sets.history import asset_name, complete_versions, history_lines
from tidegate.domain.model_sets.schedule import due_training
from tidegate.domain.partitions.records import Partition, PartitionVersion

ZONE = ZoneInfo("Asia/Tokyo")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("training", "now", "period"),
    [
        ({"every": "day", "at": "04:00"}, "2026-11-28T03:59", None),
        ({"every": "day", "at": "04:00"}, "2026-11-28T04:00", "20261128"),
        ({"every": "week", "day": 6, "at": "04:00"}, "2026-11-28T04:00", "2026W48"),
        ({"every": "week", "day": 7, "at": "04:00"}, "2026-11-28T04:00", None),
        ({"every": "week", "day": 4}, "2026-11-28T04:00", None),
        ({"every": "month", "day": 28}, "2026-11-28T23:59", "202611"),
        ({"every": "month", "day": 27}, "2026-11-28T00:00", None),
        ({"every": "week", "day": 5}, "2027-01-01T00:00", "2026W53"),
        ({}, "2026-11-28T04:00", None),
    ],
)
def test_a_schedule_is_due_for_a_day_and_once(training: dict[str, Any], now: str, period: str | None) -> None:
    section, model = SetTraining.model_validate(training), Model(model="sales")

    assert due_training(model, section, at(now), ZONE) == period

    done = SignalRecord(id="1", source="renew", about=str(period), at=at(now), breached=False, why="")
    assert due_training(Model(model="sales", signals=[done]), section, at(now), ZONE) is None


def a_partition(name: str, *registered: bool) -> Partition:
    versions = [
        PartitionVersion(
            number=number,
            manifest_hash="",
            manifest_path="",
            files=1,
            bytes=1,
            reason="",
            snapshot_at=at("2026-11-28"),
            registered=done,
        )
        for number, done in enumerate(registered, 1)
    ]
    return Partition(feed="sales", partition=name, versions=versions)


def test_the_history_has_the_latest_registered_version_of_each_of_the_newest_partitions() -> None:
    partitions = [
        a_partition("202612"),
        a_partition("202611", True, True, False),
        a_partition("202610", False),
        a_partition("202609", True),
        a_partition("202608", True),
    ]

    assert [asset_name(past) for past in complete_versions(partitions, 2)] == [
        "sales:202609-1",
        "sales:202611-2",
    ]


def test_names_of_a_history_begin_at_the_root_of_the_container() -> None:
    manifest = '{"name":"a/ä.parquet","size":1,"content":"md5:x","error":"archived"}\n\n'.encode()

    [line] = history_lines(manifest, "sales/202611/", "202611")

    assert json.loads(line) == {
        "name": "sales/202611/a/ä.parquet",
        "partition": "202611",
        "size": 1,
        "content": "md5:x",
        "error": "archived",
    }


def test_a_comparison_counts_the_keys_by_reason() -> None:
    keys = [{"key": {"store": f"{n}"}, "why": "new" if n else "worse", "reason": "r"} for n in range(150)]

    outcome = read_comparison(json.dumps({"keys": keys, "compared": 200}).encode())

    assert outcome.text == "150 keys are trained again (149 new, 1 worse); 200 were compared"
    assert len(outcome.decisions) == 100
    nothing = read_comparison(b'{"keys": [], "compared": 200}')
    assert nothing.text == "none of the 200 compared keys needs a training"


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"keys": [1], "compared": 1}', b"\xff"])
def test_a_comparison_that_cannot_be_read_says_so(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"comparison\.json cannot be read"):
        read_comparison(content)


@pytest.mark.parametrize("job", [retrain_job, compare_job])
def test_the_name_of_a_job_says_what_it_is_for(job: Any) -> None:
    assert retrained_by(job("my.sales", "partition-sales-202611-1", 2), ["x", "my.sales"]) == (
        "my.sales",
        "partition-sales-202611-1",
    )
