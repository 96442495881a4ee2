"""Notifications about partitions: their ids, titles and texts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.subjects import partition_subject
from tidegate.domain.jobs.outcome import ResubmitJob
from tidegate.domain.jobs.records import Job
from tidegate.domain.partitions.catch_up import BEFORE_INSTALLATION
from tidegate.domain.partitions.manifest import ListedBlob
from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.records import (
    Claim,
    Generation,
    Partition,
    PartitionVersion,
    ScoringOutcome,
    ScoringState,
)
from tidegate.messages.partition_id import period_of


@dataclass(frozen=True)
class ListedFiles:
    """What a listing has: the number of files that count, and sentences about files in no partition."""

    files: int
    outside: Sequence[str] = ()


def registered(
    record: Partition, version: PartitionVersion, trigger: Trigger, *, held_back: bool = False
) -> Activity:
    name = version_name(record.partition, version.number)
    period, size = period_of(record.partition), f"{version.files} files, {version.bytes:,} bytes"
    rerun = f'tidegate rerun {record.feed} {record.partition} --reason "..."'
    scored = f"It is {BEFORE_INSTALLATION}. To score it: {rerun}"
    starts = "Scoring starts now, or when it is its turn (catch_up.max_live)."
    return Activity(
        subject=partition_subject(record.feed, record.partition),
        id=f"{name}-registered",
        kind="partition.registered",
        at=trigger.at,
        title=f"{record.feed} {name} is complete",
        text="\n".join(
            [
                f"The {period} has {size}. Reason: {version.reason}.",
                *_omissions(version),
                scored if held_back else starts,
            ]
        ),
        data={
            "version": version.number,
            "files": version.files,
            "bytes": version.bytes,
            "left_out": version.left_out.files,
            "unusable": version.unusable.count,
        },
        cause=trigger.cause,
    )


def late(
    record: Partition, deadline: datetime, listed: ListedFiles, missing: str, trigger: Trigger
) -> Activity:
    """Return the activity of a missed deadline, with what has arrived and what is left out."""
    files, outside = listed.files, listed.outside
    left_out = record.left_out
    none = "no file that counts has arrived" if left_out.files else "no file has arrived"
    arrived = f"{files} files have arrived" if files else none
    return Activity(
        subject=partition_subject(record.feed, record.partition),
        id="late",
        kind="partition.late",
        at=trigger.at,
        title=f"{record.feed} {record.partition} is late",
        text=(
            f"This {period_of(record.partition)} was due on {deadline:%Y-%m-%d %H:%M %Z} and is incomplete. "
            f"So far {arrived}. It waits for {missing}.\n"
            + "".join(f"{sentence}\n" for sentence in [*left_out.sentences(), *outside])
            + "Ask the sender for what is missing. Scoring starts by itself once it is there."
        ),
        data={
            "deadline": deadline.isoformat(),
            "files": files,
            "missing": missing,
            "left_out": left_out.files,
        },
        cause=trigger.cause,
    )


def files_missing(record: Partition, list_file: ListedBlob, trigger: Trigger) -> Activity:
    """Return the activity that names the listed files that have not arrived, once for each list file."""
    missing = record.left_out.missing
    return Activity(
        subject=partition_subject(record.feed, record.partition),
        id=f"files-missing-{list_file.etag}",
        kind="partition.files_missing",
        at=trigger.at,
        title=f"{record.feed} {record.partition} waits for {missing.count} listed files",
        text=(
            f"{list_file.name} arrived on {list_file.modified:%Y-%m-%d %H:%M %Z}. "
            + "".join(f"{sentence}\n" for sentence in record.left_out.sentences())
            + "Scoring starts by itself once they are there. If the list is wrong, upload a correct one."
        ),
        data={"list": list_file.name, "missing": missing.count, "names": missing.names},
        cause=trigger.cause,
    )


def not_scored(record: Partition, deadline: datetime, trigger: Trigger) -> Activity:
    """Return the activity of a partition that was complete in time and has no result at its deadline."""
    version, since = record.versions[-1], record.versions[0].snapshot_at
    name = version_name(record.partition, version.number)
    scoring = version.generations[-1] if version.generations else None
    if scoring is None:
        progress, step = "No job was submitted yet", "It starts by itself. Look whether the feed is paused."
    elif scoring.state.final:
        progress = f"Its last scoring is {_TITLES[scoring.state]}"
        step = f'Correct the cause, then run: tidegate rerun {record.feed} {record.partition} --reason "..."'
    else:
        job = f"job {scoring.job}" if scoring.job else "its job is not submitted yet"
        progress = f"Its scoring runs since {scoring.claimed_at:%Y-%m-%d %H:%M %Z} ({job})"
        step = "The result is published as soon as the job has completed. Look at the job if this takes long."
    return Activity(
        subject=partition_subject(record.feed, record.partition),
        id="late-result",
        kind="partition.late",
        at=trigger.at,
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
        cause=trigger.cause,
    )


def changed(record: Partition, hash: str, why: str, trigger: Trigger) -> Activity:
    return Activity(
        subject=partition_subject(record.feed, record.partition),
        id=f"changed-{hash[:16]}",
        kind="partition.changed",
        at=trigger.at,
        title=f"{record.feed} {record.partition} changed after it was complete",
        text=(
            f"{why}.\nThe changed files are not scored by themselves. To score them as the next version: "
            f'tidegate rerun {record.feed} {record.partition} --reason "..."'
        ),
        data={"hash": hash},
        cause=trigger.cause,
    )


def preempted(record: Partition, job: Job, resubmission: ResubmitJob, trigger: Trigger) -> Activity:
    return Activity(
        subject=partition_subject(record.feed, record.partition),
        id=f"{job.name}-preempted",
        kind="partition.preempted",
        at=trigger.at,
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
        cause=trigger.cause,
    )


def generation_ended(claim: Claim, cause: str) -> Activity:
    """Return the activity of a generation's final state. The same state always gives the same activity."""
    record, generation, name = claim.record, claim.generation, claim.name
    outcome, state = generation.outcome or ScoringOutcome(), generation.state
    figures = outcome.model_dump(mode="json", include={"files", "rows", "errors", "error_rate", "csv"})
    return Activity(
        subject=partition_subject(record.feed, record.partition),
        id=f"{name}-{state.value}",
        kind=f"partition.{state.value}",
        at=generation.ended_at or generation.claimed_at,
        title=f"{record.feed} {name} is {_TITLES[state]}",
        text="\n".join([*_outcome_lines(generation), *_omissions(claim.version), *_next_step(claim)]),
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
        cause=cause,
    )


def _omissions(version: PartitionVersion) -> Iterator[str]:
    """Yield sentences about the files that are left out, and about those that no job can read."""
    yield from version.left_out.sentences()
    if version.unusable.count:
        error_row = "cannot be read by a job and becomes a row with its error"
        many = "files cannot be read by a job and become rows with their errors"
        yield version.unusable.sentence(f"file {error_row}", many)


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
            rerun = f'tidegate rerun {record.feed} {record.partition} --reason "..."'
            yield f"An earlier result of the {period} still counts. To score the {period} again: {rerun}"
