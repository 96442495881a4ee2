"""The things that wait for a person, from the records of the ledger."""

from collections.abc import Callable, Iterator, Sequence

from tidegate.config.model_policy import Policy
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.links import (
    failure_url,
    feed_url,
    job_url,
    model_url,
    partition_url,
    version_url,
)
from tidegate.domain.jobs.records import Job
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.records import ModelState, ModelVersion
from tidegate.domain.overview import Need, NeedItem
from tidegate.domain.partitions.standing import PartitionStanding
from tidegate.domain.pauses import EVERYTHING, Pause


def approvals(
    versions: Sequence[ModelVersion], policy_of: Callable[[str], Policy | None]
) -> Iterator[NeedItem]:
    """Yield the versions that passed the gate and wait for a person's approval."""
    for version in versions:
        policy = policy_of(version.model)
        required = policy and policy.promote and policy.promote.approval == "required"
        if required and version.state is ModelState.PASSED and version.approval is None:
            verdict = version.verdict
            yield NeedItem(
                Need.APPROVAL,
                model_reference(version.model, version.version),
                _approval_text(version),
                verdict.at if verdict else version.registered_at,
                version_url(version.model, version.version),
            )


def stuck_jobs(jobs: Sequence[Job]) -> Iterator[NeedItem]:
    """Yield the jobs that have passed a time limit and have not ended."""
    for job in jobs:
        if job.stuck:
            last = job.stuck[-1]
            text = f"{job.kind} of {job.subject}: {last.run} is {last.state}, over the limit `{last.limit}`."
            yield NeedItem(Need.STUCK, job.name, text, last.since, job_url(job.workspace, job.name))


def stuck_rollouts(versions: Sequence[ModelVersion]) -> Iterator[NeedItem]:
    """Yield the rollouts that wait for Azure longer than people expect."""
    for version in versions:
        rollout = version.rollout
        if rollout and rollout.stuck_announced and not rollout.final:
            yield NeedItem(
                Need.STUCK,
                model_reference(version.model, version.version),
                f"The rollout waits for a change of the endpoint {rollout.endpoint}.",
                rollout.busy_since,
                version_url(version.model, version.version),
            )


def failed_partitions(rows: Sequence[PartitionStanding]) -> Iterator[NeedItem]:
    for row in rows:
        if row.failed:
            text = f"{row.message or f'The newest scoring is {row.state}'}."
            text += f" The published result is {row.result} still." if row.result else ""
            yield NeedItem(Need.FAILED, f"{row.feed} {row.partition}", text, row.since, _url(row))


def late_partitions(rows: Sequence[PartitionStanding]) -> Iterator[NeedItem]:
    """Yield the partitions whose deadline has passed without a result, unless they have failed."""
    for row in rows:
        if row.late and not row.failed:
            text = f"The deadline has passed. The partition is {row.state.replace('_', ' ')}."
            yield NeedItem(Need.LATE, f"{row.feed} {row.partition}", text, row.since, _url(row))


def open_failures(failures: Sequence[Activity]) -> Iterator[NeedItem]:
    """Yield the failed work and rejected events that nobody has replayed and that are not over."""
    for failure in failures:
        if failure.ended_at is None:
            url = failure_url(failure.short_id)
            yield NeedItem(Need.FAILURE, failure.title, failure.text, failure.at, url)


def undelivered(dead_letters: int, poison_messages: int) -> Iterator[NeedItem]:
    """Yield an item for dead letters and one for poison messages, if there are any."""
    if dead_letters:
        text = "Event Grid gave up these deliveries. The timer gives them to the service again."
        yield NeedItem(Need.UNDELIVERED, f"{dead_letters} dead letters", text, None, "/api/dead-letters")
    if poison_messages:
        text = "These messages ended the worker. The service records them as failures."
        yield NeedItem(
            Need.UNDELIVERED, f"{poison_messages} poison messages", text, None, "/api/dead-letters"
        )


def paused(pauses: Sequence[Pause]) -> Iterator[NeedItem]:
    for pause in sorted(pauses, key=lambda pause: pause.since):
        kind, _, name = pause.target.partition(":")
        what = "everything" if pause.target == EVERYTHING else f"{kind} {name}"
        url = feed_url(name) if kind == "feed" else model_url(name) if kind == "model" else "/api/pauses"
        yield NeedItem(Need.PAUSED, what, f"{pause.by}: {pause.reason}", pause.since, url)


def _url(row: PartitionStanding) -> str:
    return partition_url(row.feed, row.partition)


def _approval_text(version: ModelVersion) -> str:
    verdict = version.verdict
    if verdict is None:
        return "It passed the gate."
    compared = f", compared with the champion {verdict.champion}" if verdict.champion else ""
    passed = sum(rule.passed for rule in verdict.rules)
    return f"{passed} of {len(verdict.rules)} rules passed{compared}."
