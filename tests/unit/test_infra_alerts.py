"""What the templates would install for alerts: the queries of infra/queries, and a workbook of them."""

import json
from pathlib import Path
from typing import Any

import pytest

INFRA = Path(__file__).parents[2] / "infra"


def resources(snapshot: str, type: str) -> list[dict[str, Any]]:
    document = json.loads((INFRA / snapshot).read_text(encoding="utf-8"))
    return [entry for entry in document["predictedResources"] if entry["type"].lower() == type.lower()]


RULES = {
    rule["name"]: rule["properties"]
    for rule in resources("optional/alerts.snapshot.json", "Microsoft.Insights/scheduledQueryRules")
}


def query(name: str) -> str:
    return (INFRA / f"queries/{name}.kql").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "file", "condition"),
    [
        ("tidegate-timer", "dead_man", ("Count", "LessThan", 1)),
        ("tidegate-failures", "failures", ("Count", "GreaterThan", 0)),
        ("tidegate-dead-letters", "dead_letters", ("Count", "GreaterThan", 0)),
        ("tidegate-oldest", "unfinished", ("Maximum", "GreaterThan", 48 * 3600)),
    ],
)
def test_an_alert_runs_its_query(name: str, file: str, condition: tuple[str, str, int]) -> None:
    [criterion] = RULES[name]["criteria"]["allOf"]

    assert criterion["query"] == query(file)
    assert (criterion["timeAggregation"], criterion["operator"], criterion["threshold"]) == condition
    assert RULES[name]["windowSize"] == "PT15M"
    assert RULES[name]["actions"]["actionGroups"]


def test_the_age_of_work_is_compared_for_each_kind() -> None:
    [criterion] = RULES["tidegate-oldest"]["criteria"]["allOf"]

    assert criterion["metricMeasureColumn"] == "oldest_s"
    assert [dimension["name"] for dimension in criterion["dimensions"]] == ["work"]


def test_the_workbook_shows_every_query() -> None:
    [workbook] = resources("optional/alerts.snapshot.json", "Microsoft.Insights/workbooks")
    items = json.loads(workbook["properties"]["serializedData"])["items"]

    shown = {item["content"]["query"] for item in items}
    assert shown == {file.read_text(encoding="utf-8") for file in (INFRA / "queries").glob("*.kql")}


def test_without_an_address_there_are_no_alerts() -> None:
    assert resources("local.snapshot.json", "Microsoft.Insights/scheduledQueryRules") == []
