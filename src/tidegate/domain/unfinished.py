"""What the timer found unfinished, by kind: how many, and the oldest. It becomes log lines for alerts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from tidegate.domain.activities.activity import Activity
from tidegate.domain.delays import Delay
from tidegate.domain.jobs.records import Job
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.records import Model, ModelVersion
from tidegate.domain.partitions.records import Partition


@dataclass(frozen=True)
class Waiting:
    """A piece of unfinished work, and since when it waits."""

    kind: str
    what: str
    since: datetime


@dataclass(frozen=True)
class Unfinished:
    """All unfinished work of one kind: the number, and the age and the name of the oldest."""

    kind: str
    count: int
    oldest_s: int
    oldest: str


# What `kind` of a line `unfinished_work` can be.
KINDS = {
    "arrival": "files of a partition arrive, and it is not complete",
    "scoring": "a generation that is claimed and has not ended",
    "job_scoring": "a scoring job that has not ended",
    "job_evaluation": "an evaluation that has not ended",
    "job_retraining": "a training that has not ended",
    "job_comparison": "a comparison that has not ended",
    "job_registration": "a registration of members that has not ended",
    "model_version": "a model version that is registered, evaluated, waiting or being promoted",
    "retraining": "a training that a signal or a person started",
    "delayed": "work that is retried",
    "failed": "work that failed permanently and has not succeeded since",
    "notification": "an activity that not every channel has received",
}


def unfinished(items: Iterable[Waiting], now: datetime) -> Iterator[Unfinished]:
    """Yield one summary for each kind that has unfinished work."""
    by_kind: dict[str, list[Waiting]] = {}
    for item in items:
        by_kind.setdefault(item.kind, []).append(item)
    for kind, waiting in sorted(by_kind.items()):
        oldest = min(waiting, key=lambda item: (item.since, item.what))
        age_s = max(int((now - oldest.since).total_seconds()), 0)
        yield Unfinished(kind, len(waiting), age_s, oldest.what)


def waiting_partitions(records: Iterable[Partition]) -> Iterator[Waiting]:
    for record in records:
        name = f"{record.feed}:{record.partition}"
        if record.arriving_since and not record.versions:
            yield Waiting("arrival", name, record.arriving_since)
        for claim in record.claims:
            if not claim.generation.state.final:
                yield Waiting("scoring", f"{record.feed}:{claim.name}", claim.generation.claimed_at)


def waiting_jobs(jobs: Iterable[Job]) -> Iterator[Waiting]:
    for job in jobs:
        yield Waiting(f"job_{job.kind}", job.name, job.submitted_at)


def waiting_models(models: Iterable[Model], versions: Sequence[ModelVersion]) -> Iterator[Waiting]:
    for model in models:
        if model.retraining:
            yield Waiting("retraining", model.model, model.retraining.since)
    for version in versions:
        yield Waiting("model_version", model_reference(version.model, version.version), version.registered_at)


def waiting_retries(delays: Iterable[Delay]) -> Iterator[Waiting]:
    for delay in delays:
        yield Waiting("delayed" if delay.chain else "failed", f"{delay.kind}:{delay.subject}", delay.since)


def waiting_notifications(activities: Iterable[Activity]) -> Iterator[Waiting]:
    for activity in activities:
        yield Waiting("notification", activity.short_id, activity.at)
