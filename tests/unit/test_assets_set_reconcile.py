"""The reconciliation of a scored set: rows by file, and keys."""

import json
from typing import Any

import pytest
from set_reconcile import FileRows, KeyWithoutForecast, SetReconciliation

from tidegate.domain.partitions.result import Reconciliation


def scored(**changes: Any) -> SetReconciliation:
    fields: dict[str, Any] = {
        "files": [FileRows("a.parquet", 20, 20), FileRows("b.csv", 23, 23)],
        "statuses": {"ok": 40, "fallback": 3},
        "keys": 10,
        "without_forecast": [],
        "reasons": [],
        "max_error_rate": 0.1,
    }
    return SetReconciliation(**{**fields, **changes})


def lost(count: int) -> list[KeyWithoutForecast]:
    return [
        KeyWithoutForecast(f"store={number}", "the set has no member for this key") for number in range(count)
    ]


def test_a_fallback_is_a_forecast() -> None:
    assert (scored().verdict, scored().errors, scored().rows) == ("ok", 0, 43)


@pytest.mark.parametrize(("published", "names"), [(22, (["b.csv"], [])), (24, ([], ["b.csv"]))])
def test_a_file_with_a_row_too_few_or_too_many_is_named(
    published: int, names: tuple[list[str], list[str]]
) -> None:
    outcome = scored(files=[FileRows("a.parquet", 20, 20), FileRows("b.csv", 23, published)])

    assert outcome.verdict == "incomplete"
    assert (outcome.missing, outcome.doubled) == names


@pytest.mark.parametrize(
    ("changes", "rate", "verdict"),
    [
        ({"without_forecast": lost(1)}, 0.1, "ok"),
        ({"without_forecast": lost(2)}, 0.2, "too_many_errors"),
        ({"statuses": {"ok": 39, "failed": 4}}, 4 / 43, "ok"),
        ({"statuses": {"ok": 38, "no_member": 5}}, 5 / 43, "too_many_errors"),
        ({"files": [FileRows("a", 43, 43), FileRows("b", 0, 0, "no table")]}, 0.5, "too_many_errors"),
        ({"files": [], "statuses": {}, "keys": 0}, 0.0, "ok"),  # an empty partition
        ({"statuses": {}, "without_forecast": lost(10)}, 1.0, "too_many_errors"),
    ],
)
def test_files_rows_and_keys_without_a_forecast_count(
    changes: dict[str, Any], rate: float, verdict: str
) -> None:
    outcome = scored(**changes)

    assert (outcome.error_rate, outcome.verdict) == (pytest.approx(rate), verdict)


def test_the_service_reads_the_summary() -> None:
    outcome = scored(
        statuses={"ok": 41, "failed": 2},
        without_forecast=lost(1_200),
        keys=2_000,
        reasons=[("the member raised ValueError", 2, ["store=1"])],
        files=[FileRows("a.parquet", 43, 43), FileRows("c.csv", 0, 0, "it is no table")],
    )
    subject = {"feed": "sales", "partition": "202611", "version": "202611-1", "generation": "1"}

    read = Reconciliation.model_validate_json(json.dumps(subject | outcome.summary()))

    assert (read.files, read.rows, read.errors, read.verdict) == (2, 43, 2, "too_many_errors")
    assert [error.error for error in read.worst_errors] == ["it is no table", "the member raised ValueError"]
    assert len(outcome.summary()["keys_without_names"]) == 1_000
    assert outcome.metrics()["keys_without_forecast"] == 1_200
