"""Notifications about the scorings of partitions: their ids, titles and texts."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.next_steps import rerun_command
from tidegate.domain.activities.partition_texts import omissions, partition_activity
from tidegate.domain.jobs.outcome import ResubmitJob
from tidegate.domain.jobs.records import Job
from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.records import Claim, Generation, Partition, ScoringOutcome, ScoringState
from tidegate.messages.partition_id import period_of


def not_scored(record: Partition, deadline: datetime, trigger: Trigger) -> Activity:
    """Return the activity of a partition that was complete in time and has no result at its deadline."""
    version, since = record.versions[-1], record.versions[0].snapshot_at
    name = version_name(record.partition, version.number)
    scoring = version.generations[-1] if version.generations else None
    if scoring is None:
        progress, step = "No job was submitted yet", "It starts by itself. Look whether the feed is paused."
    elif scoring.state.final:
        progress = f"Its last scoring is {_TITLES[scoring.state]}"
        step = f"Correct the cause, then run: {rerun_command(record.feed, record.partition)}"
    else:
        job = f"job {scoring.job}" if scoring.job else "its job is not submitted yet"
        progress = f"Its scoring runs since {scoring.claimed_at:%Y-%m-%d %H:%M %Z} ({job})"
        step = "The result is published as soon as the job has completed. Look at the job if this takes long."
    return partition_activity(
        record,
        trigger,
        id="late-result",
        kind="late",
        title=f"{record.feed} {record.partition} was not scored by the deadline",
        text=(
            f"This {period_of(record.partition)} was due on {deadline:%Y-%m-%d %H:%M %Z}. Version {name} has "
            f"been complete since {since:%Y-%m-%d %H:%M %Z}, and there is no result. "
            f"{progress}.\n{step}"
        ),
        data={
            "deadline": deadline.isoformat(),
            "files": version.files,
            "version": version.number,
            "state": scoring.state.value if scoring else "registered",
            "job": scoring.job if scoring else None,
        },
    )


def preempted(record: Partition, job: Job, resubmission: ResubmitJob, trigger: Trigger) -> Activity:
    return partition_activity(
        record,
        trigger,
        id=f"{job.name}-preempted",
        kind="preempted",
        title=f"{job.name} was preempted",
        text=(
            f"{resubmission.reason}.\nThe job is submitted again, on {resubmission.compute}. "
            "There is nothing to do."
        ),
        data={
            "job": job.name,
            "attempt": job.attempt,
            "compute": resubmission.compute,
            **resubmission.details,
        },
    )


def generation_ended(claim: Claim, cause: str) -> Activity:
    """Return the activity of a generation's final state. The same state always gives the same activity."""
    record, generation, name = claim.record, claim.generation, claim.name
    outcome, state = generation.outcome or ScoringOutcome(), generation.state
    figures = outcome.model_dump(mode="json", include={"files", "rows", "errors", "error_rate", "csv"})
    return partition_activity(
        record,
        Trigger(generation.ended_at or generation.claimed_at, cause),
        id=f"{name}-{state.value}",
        kind=state.value,
        title=f"{record.feed} {name} is {_TITLES[state]}",
        text="\n".join([*_outcome_lines(generation), *omissions(claim.version), *_next_step(claim)]),
        data={
            "feed": record.feed,
            "partition": record.partition,
            "version": claim.version_name,
            "generation": generation.number,
            "state": state.value,
            "job": generation.job,
            "model": f"{generation.model_name}:{generation.model_version}",
            "left_out": claim.version.left_out.files,
            **figures,
        },
    )


_TITLES: Mapping[ScoringState, str] = {
    ScoringState.SCORED: "scored",
    ScoringState.INCOMPLETE: "incomplete",
    ScoringState.SUPERSEDED: "superseded",
    ScoringState.FAILED: "not scored: it failed",
    ScoringState.CANCELLED: "not scored: it was cancelled",
}


def _outcome_lines(generation: Generation) -> Iterator[str]:
    outcome = generation.outcome
    if generation.error:
        yield f"{generation.error}."
    if outcome:
        share = f"{outcome.error_rate:.2%}, at most {outcome.max_error_rate:.2%}"
        yield f"{outcome.files} files, {outcome.rows} rows, {outcome.errors} errors ({share})."
        for worst in outcome.worst_errors:
            yield f"- {worst.count} x {worst.error}: {', '.join(worst.images)}"
        for note in outcome.notes:
            yield f"- note about {note.count} scored images: {note.note}: {', '.join(note.images)}"
        if outcome.csv:
            yield f"CSV: {outcome.csv}"
    yield f"Model {generation.model_name}:{generation.model_version}, job {generation.job or 'none'}."


def _next_step(claim: Claim) -> Iterator[str]:
    match claim.generation.state:
        case ScoringState.SUPERSEDED:
            yield (
                "These predictions do not count. The files are checked again. Once they are quiet, they are "
                "scored, unless late_files of the feed allows no further version: then another notification "
                "says so."
            )
        case ScoringState.INCOMPLETE | ScoringState.FAILED | ScoringState.CANCELLED:
            record, period = claim.record, period_of(claim.record.partition)
            again = f"To score the {period} again: {rerun_command(record.feed, record.partition)}"
            yield f"An earlier result of the {period} still counts. {again}"
