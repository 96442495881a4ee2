"""The time limits of jobs: the decision whether a live job, or one of its steps, is stuck."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.config.types import JobClusters, JobLimits, WhenStuck
from tidegate.domain.jobs.records import Job, JobEnd, Limit, StuckRun
from tidegate.domain.jobs.run_snapshot import RunSnapshot

_WAITING = frozenset({"NotStarted", "Provisioning", "Preparing", "Starting", "Queued"})
_TIMES_USUAL = 3
_LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True)
class WithinLimits:
    """Nothing new is stuck. Check again at this time."""

    check_at: datetime


@dataclass(frozen=True)
class _Clock:
    """A limit that counts for a job or a step since a time."""

    limit: Limit
    run: RunSnapshot
    since: datetime
    allowed: timedelta

    @property
    def ends(self) -> datetime:
        return self.since + self.allowed


def first_check(job: Job, limits: JobLimits) -> datetime:
    """Return the earliest time at which a job can have passed one of its limits."""
    return job.submitted_at + min(limits.start.after, limits.run.after, limits.silent.after)


def usual_time(jobs: Sequence[Job]) -> timedelta | None:
    """Return the time in which 95 % of the completed jobs ran, or None if no job has completed."""
    times = sorted(
        job.ended_at - job.started_at
        for job in jobs
        if job.end is JobEnd.COMPLETED and job.started_at and job.ended_at
    )
    return times[math.ceil(0.95 * len(times)) - 1] if times else None


def steps_with_logs(run: RunSnapshot, limits: JobLimits, now: datetime) -> list[RunSnapshot]:
    """Return the running steps whose log files must be looked at: those that run longer than the limit."""
    running = [step for step in run.children if step.status == "Running" and step.started_at]
    return [step for step in running if now - _started(step) >= limits.silent.after]


def decide_limits(
    job: Job,
    run: RunSnapshot,
    limits: JobLimits,
    usual: timedelta | None,
    now: datetime,
) -> StuckRun | WithinLimits:
    """Decide whether a live job has passed a time limit that was not announced yet.

    A step that is silent while its job runs no longer than usual is healthy.
    """
    known = {(stuck.limit, stuck.run) for stuck in job.stuck}
    clocks = list(_clocks(job, run, limits, usual))
    passed = [clock for clock in clocks if clock.ends <= now]
    # If something waits or is silent too long, it is known why the job runs long.
    passed = [clock for clock in passed if clock.limit is not Limit.RUN] or passed
    for clock in passed:
        if (clock.limit, clock.run.name) not in known:
            return StuckRun(
                limit=clock.limit,
                run=clock.run.name,
                state=clock.run.status,
                since=clock.since,
                allowed_s=clock.allowed.total_seconds(),
                usual_s=usual.total_seconds() if usual is not None else None,
                noticed_at=now,
            )
    ahead = [clock.ends for clock in clocks if clock.ends > now]
    return WithinLimits(min([*ahead, now + _LONGEST_PAUSE]) if passed else min(ahead, default=now))


def next_cluster(
    job: Job, stuck: StuckRun, clusters: JobClusters, run: RunSnapshot, resubmitted: int
) -> str | None:
    """Return the cluster on which a stuck job is submitted again, or None if it is only announced.

    `resubmitted` says how often the same work was submitted again because it was stuck. A job that waits for
    nodes would only wait again on the same cluster. A step that waits for another cluster than the one that
    changes with the attempt would wait for it again, too.
    """
    limits = clusters.limits
    policy = {Limit.START: limits.start.then, Limit.RUN: limits.run.then, Limit.SILENT: limits.silent.then}
    if policy[stuck.limit] is WhenStuck.ALERT or resubmitted >= limits.resubmits or job.cancel_requested:
        return None
    if stuck.limit is not Limit.START:
        return clusters.fallback or job.cluster
    step = next((step for step in run.children if step.name == stuck.run), None)
    elsewhere = step is not None and step.target and step.target.lower() != job.cluster.lower()
    return None if elsewhere or job.cluster == clusters.fallback else clusters.fallback


def stuck_reason(stuck: StuckRun) -> str:
    """Return the reason why something counts as stuck, for people: `score_images was Queued for 3:00:00`."""
    passed = duration_text(stuck.noticed_at - stuck.since)
    if stuck.limit is Limit.SILENT:
        return f"{stuck.run} wrote nothing to its log files for {passed}"
    return f"{stuck.run} was {stuck.state} for {passed}"


def duration_text(duration: timedelta) -> str:
    """Return a duration in whole seconds: `2 days, 3:00:00`."""
    return str(timedelta(seconds=round(duration.total_seconds())))


def _clocks(
    job: Job,
    run: RunSnapshot,
    limits: JobLimits,
    usual: timedelta | None,
) -> Iterator[_Clock]:
    """Yield each limit that counts for the job or for one of its steps now."""
    if run.status in _WAITING:
        yield _Clock(Limit.START, run, job.submitted_at, limits.start.after)
        return
    started = run.started_at or job.submitted_at
    for step in run.children:
        if step.status in _WAITING and (since := _waiting_since(step, run)):
            yield _Clock(Limit.START, step, since, limits.start.after)
        elif step.status == "Running":
            output = max(_started(step), step.last_output or _started(step))
            silent_until = output + limits.silent.after
            healthy_until = started + (usual or timedelta())
            yield _Clock(Limit.SILENT, step, output, max(silent_until, healthy_until) - output)
    allowed = limits.run.first if usual is None else max(limits.run.after, _TIMES_USUAL * usual)
    yield _Clock(Limit.RUN, run, started, allowed)


def _waiting_since(step: RunSnapshot, job: RunSnapshot) -> datetime | None:
    """Return since when a step waits for nodes, or None if it may wait for another step.

    A step that ran before and waits again lost its nodes. It waits since its last change.
    """
    others = [other for other in job.children if other is not step]
    if step.status == "NotStarted" and any(not other.final for other in others):
        return None
    if step.started_at:
        return step.modified_at or step.started_at
    ends = [other.ended_at for other in others if other.ended_at] if step.status == "NotStarted" else []
    times = [time for time in (step.created_at, job.started_at, *ends) if time]
    return max(times, default=None)


def _started(step: RunSnapshot) -> datetime:
    time = step.started_at or step.created_at
    assert time is not None, f"{step.name} is {step.status} without a time"
    return time
