"""Costs: node-seconds of steps, estimates from prices, and what has no price."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.support.records import a_job

from tidegate.config.costs import Prices
from tidegate.domain.costs import cost_rows, estimate, month_of, next_month, usage_of
from tidegate.domain.jobs.records import JobEnd, JobKind, NodeUsage
from tidegate.domain.jobs.run_snapshot import RunSnapshot

AT = datetime(2026, 11, 30, 22, 0, tzinfo=UTC)
PRICES = Prices.model_validate(
    {"clusters": {"gpu": {"dedicated": 3, "low_priority": 1}, "cpu": {"dedicated": 2}}}
)


def a_step(hours: float, target: str | None = "gpu", **changes: object) -> RunSnapshot:
    ended = AT + timedelta(hours=hours)
    return RunSnapshot("step", "Completed", started_at=AT, ended_at=ended, target=target, **changes)  # type: ignore[arg-type]


def test_the_time_of_steps_counts_for_each_of_their_nodes_and_not_if_they_were_reused() -> None:
    steps = (
        a_step(1, nodes=2, priority="low_priority"),
        a_step(0.5, priority="low_priority"),
        a_step(9, reused=True),
        a_step(1, None),
        RunSnapshot("never started", "Canceled"),
    )
    job = RunSnapshot("job", "Completed", started_at=AT, ended_at=AT + timedelta(days=9), children=steps)

    usage = {(used.cluster, used.priority): used.node_s for used in usage_of(job, "default")}

    assert usage == {("gpu", "low_priority"): 9000, ("default", None): 3600}


def test_what_has_no_price_is_named_and_not_part_of_the_amount() -> None:
    used = [
        NodeUsage(cluster="gpu", priority="low_priority", node_s=7200),
        NodeUsage(cluster="gpu", node_s=3600),  # two prices, and the priority is not known
        NodeUsage(cluster="cpu", node_s=1800),  # one price
        NodeUsage(cluster="cpu", priority="low_priority", node_s=3600),
    ]

    spent = estimate(a_job(end=JobEnd.COMPLETED, usage=used), PRICES)

    assert (spent.amount, spent.node_hours) == (3.0, 4.5)
    assert spent.no_price == {"gpu": 1.0, "cpu low_priority": 1.0}
    assert estimate(a_job(end=JobEnd.COMPLETED, usage=used), None).no_price.keys() == {
        *("gpu low_priority", "gpu", "cpu", "cpu low_priority"),
    }


def test_costs_are_those_of_partitions_and_models_by_month() -> None:
    used = {"end": JobEnd.COMPLETED, "usage": [NodeUsage(cluster="cpu", node_s=3600)]}
    jobs = [
        a_job(**used, month="202611"),
        a_job(**used, month="202611"),
        a_job(**used, month="202612"),
        a_job(month="202612"),
        a_job(end=JobEnd.FAILED, month="202612"),
        a_job(**used, month="202612", kind=JobKind.EVALUATION, subject="classifier:3"),
    ]

    rows = cost_rows(jobs, PRICES)

    assert [(row.month, row.partition or row.model, row.estimate.amount) for row in rows] == [
        ("202612", "202611", 2.0),
        ("202612", "classifier", 2.0),
        ("202611", "202611", 4.0),
    ]
    assert (rows[0].estimate.jobs, rows[0].estimate.running, rows[0].estimate.unknown) == (3, 1, 1)


@pytest.mark.parametrize(("zone", "month", "first"), [("UTC", "202611", 1), ("Asia/Tokyo", "202612", 1)])
def test_a_month_is_that_of_the_configured_time_zone(zone: str, month: str, first: int) -> None:
    assert month_of(AT, ZoneInfo(zone)) == month
    following = next_month(AT, ZoneInfo(zone))
    assert (following.day, following.hour, following > AT) == (first, 0, True)
    assert month_of(following - timedelta(seconds=1), ZoneInfo(zone)) == month
