"""What people are told about months: activities with derived ids, and their words. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.jobs.outcome import ResubmitJob
from tidegate.domain.jobs.records import Job
from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.records import Claim, Generation, Month, MonthVersion, ScoringState


def subject_of(feed: str, month: str) -> str:
    """The partition of a month's activities in the ledger."""
    return f"{feed}:{month}"


def registered(record: Month, version: MonthVersion, trigger: Trigger) -> Activity:
    name = version_name(record.month, version.number)
    size = f"{version.files} files, {version.bytes:,} bytes"
    return _activity(
        record,
        "registered",
        trigger,
        id=f"{name}-registered",
        title=f"{record.feed} {name} is complete",
        text=f"{size}. Why now: {version.reason}.",
        data={"version": version.number, "files": version.files, "bytes": version.bytes},
    )


def late(record: Month, deadline: datetime, files: int, trigger: Trigger) -> Activity:
    there = f"{files} files are there" if files else "no file is there"
    return _activity(
        record,
        "late",
        trigger,
        id="late",
        title=f"{record.feed} {record.month} is late",
        text=f"It was due on {deadline:%Y-%m-%d %H:%M %Z} and is not complete; {there}.",
        data={"deadline": deadline.isoformat(), "files": files},
    )


def changed(record: Month, hash: str, why: str, trigger: Trigger) -> Activity:
    return _activity(
        record,
        "changed",
        trigger,
        id=f"changed-{hash[:16]}",
        title=f"{record.feed} {record.month} changed after it was complete",
        text=f"{why}. Nothing is scored again by itself: tidegate rerun makes the next version.",
        data={"hash": hash},
    )


def preempted(record: Month, job: Job, again: ResubmitJob, trigger: Trigger) -> Activity:
    return _activity(
        record,
        "preempted",
        trigger,
        id=f"{job.name}-preempted",
        title=f"{job.name} was preempted",
        text=f"{again.reason}. It is submitted again, on {again.compute}.",
        data={"job": job.name, "attempt": job.attempt, "compute": again.compute},
    )


def ended(claim: Claim, cause: str) -> Activity:
    """A generation's final state, in words. Says the same each time."""
    record, generation, name = claim.record, claim.generation, claim.name
    outcome = generation.outcome or {}
    trigger = Trigger(generation.ended_at or generation.claimed_at, cause)
    return _activity(
        record,
        generation.state.value,
        trigger,
        id=f"{name}-{generation.state.value}",
        title=f"{record.feed} {name} is {_TITLES[generation.state]}",
        text="\n".join(_story(generation, outcome)),
        data={
            "feed": record.feed,
            "month": record.month,
            "version": claim.version_name,
            "generation": generation.number,
            "state": generation.state.value,
            "job": generation.job,
            "model": f"{generation.model_name}:{generation.model_version}",
            **{
                key: outcome[key]
                for key in ("files", "rows", "errors", "error_rate", "csv")
                if key in outcome
            },
        },
    )


_TITLES: Mapping[ScoringState, str] = {
    ScoringState.SCORED: "scored",
    ScoringState.INCOMPLETE: "incomplete",
    ScoringState.SUPERSEDED: "superseded",
    ScoringState.FAILED: "not scored: it failed",
    ScoringState.CANCELLED: "not scored: it was cancelled",
}


def _story(generation: Generation, outcome: Mapping[str, Any]) -> list[str]:
    lines = [f"{generation.error}."] if generation.error else []
    if outcome:
        share = f"{outcome['error_rate']:.2%}, at most {outcome['max_error_rate']:.2%}"
        lines += [f"{outcome['files']} files, {outcome['rows']} rows, {outcome['errors']} errors ({share})."]
        lines += [_worst(one) for one in outcome.get("worst_errors", [])]
        lines += [f"CSV: {outcome['csv']}"] if "csv" in outcome else []
    lines += [f"Model {generation.model_name}:{generation.model_version}, job {generation.job or 'none'}."]
    return lines


def _worst(one: Mapping[str, Any]) -> str:
    return f"- {one['count']} x {one['error']}: {', '.join(one['images'])}"


def _activity(record: Month, word: str, trigger: Trigger, **told: Any) -> Activity:
    """`told`: id, title, text and data."""
    return Activity(
        subject=subject_of(record.feed, record.month),
        kind=f"month.{word}",
        at=trigger.at,
        cause=trigger.cause,
        **told,
    )
