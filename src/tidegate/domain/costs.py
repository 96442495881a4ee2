"""What jobs cost: the node-seconds of their steps, and estimates from the prices in tidegate.yml."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tidegate.config.costs import Prices
from tidegate.domain.jobs.records import Job, JobKind, NodeUsage
from tidegate.domain.jobs.run_snapshot import RunSnapshot
from tidegate.domain.partitions.names import partition_of_result
from tidegate.domain.pauses import feed_target, model_target

_HOUR_S = 3600


def usage_of(run: RunSnapshot, cluster: str) -> list[NodeUsage]:
    """Return the node-seconds of a job that has ended, for each cluster and priority.

    Those of a pipeline are those of its steps. Steps whose results were reused cost nothing. A step that does
    not name its cluster ran on `cluster`.
    """
    seconds: dict[tuple[str, str | None], float] = {}
    for step in run.children or (run,):
        if step.reused or step.started_at is None or step.ended_at is None:
            continue
        key = (step.target or cluster, step.priority)
        spent = max((step.ended_at - step.started_at).total_seconds(), 0) * step.nodes
        seconds[key] = seconds.get(key, 0) + spent
    return [
        NodeUsage.model_validate({"cluster": name, "priority": priority, "node_s": round(spent, 3)})
        for (name, priority), spent in seconds.items()
    ]


def month_of(at: datetime, zone: ZoneInfo) -> str:
    """Return the calendar month of a time in the time zone of tidegate.yml: `202611`."""
    return f"{at.astimezone(zone):%Y%m}"


def next_month(at: datetime, zone: ZoneInfo) -> datetime:
    """Return the beginning of the calendar month after a time, in the time zone of tidegate.yml."""
    local = at.astimezone(zone)
    first = (local.replace(day=1) + timedelta(days=32)).replace(day=1)
    return datetime(first.year, first.month, 1, tzinfo=zone)


def budget_owner(job: Job) -> str:
    """Return the feed or model whose budget pays a job: `feed:digits`, `model:classifier`."""
    return feed_target(job.owner) if job.kind is JobKind.SCORING else model_target(job.owner)


@dataclass(frozen=True)
class Estimate:
    """The estimated cost of jobs.

    `no_price` names the clusters that have no price, with their node-hours. The amount does not contain them,
    and it does not contain the jobs that run and those whose node-seconds are not known.
    """

    amount: float = 0.0
    node_hours: float = 0.0
    jobs: int = 0
    running: int = 0
    unknown: int = 0
    no_price: dict[str, float] = field(default_factory=dict)

    def __add__(self, other: "Estimate") -> "Estimate":
        no_price = dict(self.no_price)
        for name, hours in other.no_price.items():
            no_price[name] = no_price.get(name, 0.0) + hours
        return Estimate(
            self.amount + other.amount,
            self.node_hours + other.node_hours,
            self.jobs + other.jobs,
            self.running + other.running,
            self.unknown + other.unknown,
            no_price,
        )


@dataclass(frozen=True)
class CostRow:
    """What one partition of a feed, or one model, cost in a month."""

    month: str
    kind: str
    feed: str | None
    partition: str | None
    model: str | None
    estimate: Estimate


def estimate(job: Job, prices: Prices | None) -> Estimate:
    """Return the estimated cost of a job."""
    if job.end is None:
        return Estimate(jobs=1, running=1)
    if job.usage is None:
        return Estimate(jobs=1, unknown=1)
    amount, hours, no_price = 0.0, 0.0, dict[str, float]()
    for usage in job.usage:
        spent = usage.node_s / _HOUR_S
        price = prices.of(usage.cluster, usage.priority) if prices else None
        hours += spent
        if price is None:
            name = " ".join(filter(None, (usage.cluster, usage.priority)))
            no_price[name] = no_price.get(name, 0.0) + spent
        else:
            amount += spent * price
    return Estimate(amount, hours, 1, no_price=no_price)


def total(estimates: Iterable[Estimate]) -> Estimate:
    """Return the sum of estimates."""
    return sum(estimates, Estimate())


def cost_rows(jobs: Sequence[Job], prices: Prices | None) -> list[CostRow]:
    """Return what each partition and each model cost in each month, newest month first."""
    sums: dict[tuple[str, str, str, str], Estimate] = {}
    for job in jobs:
        for key in _keys(job):
            sums[key] = sums.get(key, Estimate()) + estimate(job, prices)
    return [
        CostRow(month, "partition", owner, part, None, spent)
        if kind == "partition"
        else CostRow(month, "model", None, None, owner, spent)
        for (month, kind, owner, part), spent in sorted(sums.items(), reverse=True)
    ]


def _keys(job: Job) -> Iterator[tuple[str, str, str, str]]:
    month = job.month or f"{job.submitted_at:%Y%m}"
    if job.kind is JobKind.SCORING:
        yield month, "partition", job.owner, partition_of_result(job.work)
    else:
        yield month, "model", job.owner, ""
