"""Notifications about work that does not end: their ids, titles and texts."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.next_steps import rerun_command
from tidegate.domain.activities.subjects import model_subject, partition_subject
from tidegate.domain.jobs.records import Job, JobKind, Limit, StuckRun
from tidegate.domain.jobs.time_limits import duration_text, stuck_reason

_SECTIONS = {
    JobKind.SCORING: ("score",),
    JobKind.EVALUATION: ("evaluate",),
    JobKind.RETRAINING: ("drift", "set"),
    JobKind.COMPARISON: ("set",),
    JobKind.REGISTRATION: ("set",),
}
_WORK = {
    JobKind.SCORING: "scorings of",
    JobKind.EVALUATION: "evaluations of",
    JobKind.RETRAINING: "retrainings of",
    JobKind.COMPARISON: "comparisons of",
    JobKind.REGISTRATION: "registrations of the members of",
}


def job_stuck(job: Job, stuck: StuckRun, cluster: Sequence[str], link: str, trigger: Trigger) -> Activity:
    """Return the activity of a job that has passed a time limit.

    `cluster` has sentences about its cluster. `link` leads to the job in Azure ML studio.
    """
    scoring = job.kind is JobKind.SCORING
    partition = job.work.partition("-")[0]
    return Activity(
        subject=partition_subject(job.owner, partition) if scoring else model_subject(job.owner),
        id=f"{job.name}-stuck-{stuck.limit.value}-{stuck.run}",
        kind="partition.stuck" if scoring else "model.stuck",
        at=trigger.at,
        title=f"{job.name} is stuck: {_summary(job, stuck)}",
        text="\n".join([*_facts(job, stuck), *cluster, *_next_step(job, stuck), f"The job: {link}"]),
        data={
            **({"feed": job.owner, "partition": partition} if scoring else {"model": job.owner}),
            "job": job.name,
            "workspace": job.workspace,
            "attempt": job.attempt,
            "cluster": job.cluster,
            "cluster_state": list(cluster),
            "link": link,
            **stuck.model_dump(mode="json"),
        },
        cause=trigger.cause,
    )


def _summary(job: Job, stuck: StuckRun) -> str:
    match stuck.limit:
        case Limit.START if stuck.run == job.name:
            return f"it is {stuck.state} and does not start"
        case Limit.START:
            return f"{stuck.run} is {stuck.state} and does not start"
        case Limit.RUN:
            return "it runs far longer than usual"
        case Limit.SILENT:
            return f"{stuck.run} writes nothing to its log files"


def _facts(job: Job, stuck: StuckRun) -> Iterator[str]:
    key = " or ".join(f"{section}.limits.{stuck.limit.value}" for section in _SECTIONS[job.kind])
    since = f"since {stuck.since:%Y-%m-%d %H:%M:%S %Z}"
    limit = f"The limit is {_duration(stuck.allowed_s)} ({key})"
    yield f"{stuck_reason(stuck)}, {since}. {limit}."
    work = _WORK[job.kind]
    if stuck.usual_s is None:
        yield f"The usual time is not known: none of the {work} {job.owner} has completed yet."
    else:
        yield f"95 % of the {work} {job.owner} completed within {_duration(stuck.usual_s)}."


def _next_step(job: Job, stuck: StuckRun) -> Iterator[str]:
    if stuck.resubmit_on:
        yield (
            f"The service cancels the job now and submits it again on {stuck.resubmit_on}. "
            "There is nothing to do unless the next attempt is stuck, too."
        )
        return
    yield "The service leaves the job as it is, and does not announce this again."
    if stuck.limit is Limit.START:
        yield "Look at the quota and at the other jobs of the cluster. Once it has nodes, the job starts."
    else:
        yield "Look at the logs of the job."
    yield _how_to_start_again(job)


def _how_to_start_again(job: Job) -> str:
    cancel = "To start it again, cancel the job in Azure ML studio, then"
    match job.kind:
        case JobKind.SCORING:
            return f"{cancel} run: {rerun_command(job.owner, job.work.partition('-')[0])}"
        case JobKind.EVALUATION:
            return f'{cancel} run: tidegate judge {job.owner} {job.work} --reason "..."'
        case JobKind.RETRAINING | JobKind.COMPARISON:
            return f'{cancel} run: tidegate retrain {job.owner} --reason "..."'
        case JobKind.REGISTRATION:
            return f"{cancel} replay the failed command: tidegate failures"


def _duration(seconds: float) -> str:
    return duration_text(timedelta(seconds=seconds))
