"""What the server draws for the pages: the lineage of a version, and the distribution of errors."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.support.hostile_names import ARABIC, JAPANESE, MARKUP
from tests.support.page_rows import a_partition, a_version
from tests.support.records import a_job

from tidegate.domain.lifecycle.records import ModelSource, Promotion
from tidegate.domain.lifecycle.rollout_records import HealthFigures, RolloutRecord, RolloutStep
from tidegate.domain.lifecycle.verdict_records import Approval
from tidegate.pages.histogram import histogram
from tidegate.pages.lineage_graph import Box, lineage_graph
from tidegate.pages.rollout_charts import rollout_charts

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_lineage_leads_from_the_data_to_the_partitions() -> None:
    version = a_version(
        "classifier",
        "2",
        source=ModelSource(run="train-2", data={"labelled": "photos:3", "new": "digits:202608-1"}),
        approval=Approval(verdict="v", approved=True, by="aiko", by_source="entra", reason="r", at=NOW),
        promotion=Promotion(via="workspace", begun_at=NOW, production_version="7", ended_at=NOW),
    )

    graph = lineage_graph(version, a_job(name="judge-2"), [a_partition("202608"), a_partition("202607")])

    assert [[box.name for box in column] for column in graph.columns] == [
        ["photos:3", "digits:202608-1"],
        ["train-2"],
        ["classifier:2"],
        ["passed on holdout:4"],
        ["by aiko"],
        ["7"],
        ["digits 202608", "digits 202607"],
    ]
    assert len(graph.arrows) == 2 + 4 + 2
    assert [box.href for box in graph.columns[-1]] == [
        "/feeds/digits/partitions/202608",
        "/feeds/digits/partitions/202607",
    ]


def test_lineage_of_a_version_without_a_verdict_ends_there_and_says_what_is_unknown() -> None:
    version = a_version("classifier", "2")
    version.verdict = None

    names = [column[0].name for column in lineage_graph(version, None, []).columns]

    assert names == ["unknown", "unknown", "classifier:2", "none yet"]


def test_lineage_with_many_data_assets_says_how_many_more_there_are() -> None:
    source = ModelSource(data={f"input{number}": f"sales:{number}" for number in range(40)})

    [data, *_] = lineage_graph(a_version("sales", "1", source=source), None, []).columns

    assert [box.name for box in data[-2:]] == ["sales:4", "and 35 more"]


@pytest.mark.parametrize("name", ["short", "two words of a name", "x" * 400, JAPANESE, ARABIC, MARKUP, ""])
def test_lines_of_a_box_fit_into_it(name: str) -> None:
    lines = Box("Version", name).lines

    assert len(lines) <= 2
    assert all(len(line) <= 16 for line in lines)
    assert "".join(lines).rstrip("…") == name[: len("".join(lines).rstrip("…"))]


def test_histogram_has_each_number_once() -> None:
    found = histogram({"members": [0.0, 1.0, 1.0, 50.0, float("nan")], "champion": []})

    assert found
    assert sum(found.counts["members"]) == 4
    assert "champion" not in found.counts
    assert found.steps("members").startswith("M0,120 L0,")


@pytest.mark.parametrize("values", [[], [float("inf")]])
def test_histogram_of_no_numbers_is_none(values: list[float]) -> None:
    assert histogram({"members": values}) is None


@pytest.mark.parametrize("values", [[0.0, 0.0], [5.0], [-1.0, 2.0], [1e-300, 1e300]])
def test_histogram_of_odd_numbers_loses_none(values: list[float]) -> None:
    found = histogram({"members": values})

    assert found
    assert sum(found.counts["members"]) == len(values)


def test_charts_of_a_rollout_leave_out_what_was_not_measured() -> None:
    figures = [HealthFigures(error_rate=0.01, p95_ms=80), None, HealthFigures(error_rate=0.02)]
    steps = [
        RolloutStep(percent=10 * number, began_at=NOW + timedelta(hours=number), health=health)
        for number, health in enumerate(figures)
    ]
    rollout = RolloutRecord(
        endpoint="e", deployment="v3", before="v2", phase="done", steps=steps, began_at=NOW,
        ended_at=NOW + timedelta(hours=4),
    )  # fmt: skip

    traffic, errors, delays = rollout_charts(rollout)

    assert traffic.path == "M0.0,60.0 L60.0,60.0 L60.0,54.0 L120.0,54.0 L120.0,48.0 L240.0,48.0"
    assert errors.path == "M0.0,30.0 L60.0,30.0 M120.0,0.0 L240.0,0.0"
    assert (errors.top, delays.top) == ("2 %", "80 ms")


def test_rollout_that_just_began_has_a_chart() -> None:
    steps = [RolloutStep(percent=10, began_at=NOW)]
    rollout = RolloutRecord(
        endpoint="e", deployment="v3", before=None, phase="traffic", steps=steps, began_at=NOW
    )

    assert [chart.path for chart in rollout_charts(rollout)] == ["M0.0,54.0 L240.0,54.0"]
    assert rollout_charts(None) == []
