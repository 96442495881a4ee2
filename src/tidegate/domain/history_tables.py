"""The tables of the history that other programs read: their columns, and the rows of the ledger's records."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from tidegate.config.costs import Prices
from tidegate.domain.activities.activity import Activity
from tidegate.domain.costs import estimate
from tidegate.domain.effects import Effect
from tidegate.domain.jobs.records import Job
from tidegate.domain.ledger_record import LedgerRecord
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.model_sets.members import METRICS, Member
from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.records import Partition
from tidegate.messages.commands import Origin

Columns = Mapping[str, Literal["text", "int", "float", "bool", "time"]]
FOLDER = "history"


class MovedRow(BaseModel):
    """A row of the ledger that is in the Parquet file of a move."""

    partition: str
    row: str
    etag: str
    listed_as: str | None = Field(
        default=None, description="Its key in the list of the newest activities, if it is one."
    )


class HistoryMove(LedgerRecord):
    """A move of old rows to the lake that is under way. The rows are deleted once the file is `verified`."""

    table: str
    taken_at: datetime
    by: str = Field(description="The cause of the command that moves them.")
    path: str | None = None
    verified: bool = False
    rows: list[MovedRow] = Field(default=[])


def _texts(*names: str) -> Columns:
    return dict.fromkeys(names, "text")


@dataclass(frozen=True)
class HistoryTable:
    """A table in the lake: its columns, and the function that makes the rows of a record."""

    name: str
    columns: Columns
    rows_of: Callable[[Any], Iterator[dict[str, Any]]]


def activity_rows(activity: Activity) -> Iterator[dict[str, Any]]:
    texts = {"data": json.dumps(activity.data, default=str), "sent": json.dumps(activity.sent)}
    yield activity.model_dump() | texts | {"short_id": activity.short_id}


def activity_of_row(row: Mapping[str, Any]) -> Activity:
    """Return the activity of a row in the lake. It was sent, or nobody waits for it any more."""
    lists = {name: json.loads(row[name] or "null") for name in ("data", "sent")}
    return Activity.model_validate({**row, **lists, "done": True})


def effect_of_row(row: Mapping[str, Any]) -> Effect:
    """Return the effect of a row in the lake."""
    names = {"first": "first_event", "last": "last_event"}
    fields = {name: row[names.get(name, name)] for name in Origin.model_fields}
    return Effect.model_validate({**row, "origin": Origin(**fields) if fields["what"] else None})


def effect_rows(effect: Effect) -> Iterator[dict[str, Any]]:
    origin = effect.origin.model_dump() if effect.origin else {}
    names = {"first": "first_event", "last": "last_event"}
    yield effect.model_dump() | {names.get(name, name): value for name, value in origin.items()}


def partition_rows(record: Partition) -> Iterator[dict[str, Any]]:
    """Yield a row for each scoring of each version, and one for a version that was not scored."""
    for version in record.versions:
        row = {
            "feed": record.feed,
            "partition_name": record.partition,
            "version": version.number,
            "data_asset": f"{record.feed}:{version_name(record.partition, version.number)}",
            "files": version.files,
            "bytes": version.bytes,
            "complete_because": version.reason,
            "snapshot_at": version.snapshot_at,
        }
        if not version.generations:
            yield row
        for claim in (claim for claim in record.claims if claim.version is version):
            generation, outcome = claim.generation, claim.generation.outcome
            yield row | {
                "generation": generation.number,
                "state": generation.state.value,
                "is_current": claim.name == record.result,
                "model": generation.model_name,
                "model_version": generation.model_version,
                "job": generation.job,
                "reason": generation.reason,
                "requested_by": generation.by,
                "cause": generation.cause,
                "claimed_at": generation.claimed_at,
                "ended_at": generation.ended_at,
                "result_rows": outcome.rows if outcome else None,
                "errors": outcome.errors if outcome else None,
                "error": generation.error,
            }


def job_rows(prices: Prices | None) -> Callable[[Job], Iterator[dict[str, Any]]]:
    """Return the function that makes the row of a job, with its cost at these prices."""

    def rows(job: Job) -> Iterator[dict[str, Any]]:
        spent = estimate(job, prices)
        known = job.end is not None and job.usage is not None
        yield job.model_dump(mode="python") | {
            "kind": job.kind.value,
            "end_state": job.end.value if job.end else None,
            "owner": job.owner,
            "node_hours": spent.node_hours if known else None,
            "estimated_cost": spent.amount if known and prices and not spent.no_price else None,
            "currency": prices.currency if prices else None,
        }

    return rows


def verdict_rows(record: ModelVersion) -> Iterator[dict[str, Any]]:
    """Yield a row for each verdict on a version: the earlier ones, which are void, and the present one."""
    for past in record.history:
        yield _verdict(record, past) | {"void_since": past.void_since, "void_because": past.why}
    if record.verdict:
        yield _verdict(record, record)


def _verdict(record: ModelVersion, of: Any) -> dict[str, Any]:
    verdict, approval = of.verdict, of.approval
    return {
        "model": record.model,
        "model_version": record.version,
        "state": of.state.value,
        "verdict": verdict.id,
        "passed": verdict.passed,
        "mode": verdict.mode,
        "rules": len(verdict.rules),
        "failed_rules": sum(not rule.passed for rule in verdict.rules),
        "holdout": verdict.data,
        "champion": verdict.champion,
        "job": verdict.job,
        "decided_at": verdict.at,
        "approved": approval.approved if approval else None,
        "approved_by": approval.by if approval else None,
        "approval_reason": approval.reason if approval else None,
        "approved_at": approval.at if approval else None,
    }


ACTIVITIES = HistoryTable(
    "activities",
    {
        **_texts(
            "subject", "id", "short_id", "kind", "title", "text", "data", "cause", "sent", "replayed_by"
        ),
        **dict.fromkeys(("at", "replayed_at", "closed_at", "moved_at"), "time"),
    },
    activity_rows,
)
EFFECTS = HistoryTable(
    "effects",
    {
        **_texts("cause", "command", "subject", "activity", "of", "what", "by", "reason"),
        **_texts("first_event", "last_event"),
        "events": "int",
        "at": "time",
        "moved_at": "time",
    },
    effect_rows,
)
PARTITIONS = HistoryTable(
    "partitions",
    {
        **_texts(
            "feed", "partition_name", "data_asset", "complete_because", "state", "model", "model_version"
        ),
        **_texts("job", "reason", "requested_by", "cause", "error"),
        **dict.fromkeys(("version", "generation", "files", "bytes", "result_rows", "errors"), "int"),
        **dict.fromkeys(("snapshot_at", "claimed_at", "ended_at"), "time"),
        "is_current": "bool",
    },
    partition_rows,
)
VERDICTS = HistoryTable(
    "verdicts",
    {
        **_texts("model", "model_version", "state", "verdict", "mode", "holdout", "champion", "job"),
        **_texts("approved_by", "approval_reason", "void_because"),
        **dict.fromkeys(("rules", "failed_rules"), "int"),
        **dict.fromkeys(("passed", "approved"), "bool"),
        **dict.fromkeys(("decided_at", "approved_at", "void_since"), "time"),
    },
    verdict_rows,
)


@dataclass(frozen=True)
class SetMember:
    """A member of a champion set, with its model and the version in development."""

    model: str
    version: str
    member: Member


def member_rows(of: SetMember) -> Iterator[dict[str, Any]]:
    member = of.member
    champion = {f"champion_{metric}": value for metric, value in member.champion.items()}
    plain = {"model": of.model, "model_version": of.version, "member_key": json.dumps(dict(member.key))}
    names = ("state", "fallback", "trained_in", "trained_until", "reason")
    rows = {name: getattr(member, name) for name in names} | {"training_rows": member.rows}
    yield plain | rows | dict(member.metrics) | champion


MEMBERS = HistoryTable(
    "members",
    {
        **_texts("model", "model_version", "member_key", "state", "fallback", "trained_in", "trained_until"),
        "reason": "text",
        "training_rows": "int",
        **dict.fromkeys(METRICS, "float"),
        **{f"champion_{metric}": "float" for metric in METRICS},
    },
    member_rows,
)


def jobs_table(prices: Prices | None) -> HistoryTable:
    """Return the table of jobs, with costs at these prices."""
    columns: Columns = {
        **_texts(
            "workspace", "name", "kind", "owner", "subject", "cluster", "pipeline", "status", "end_state"
        ),
        **_texts("reason", "month", "cause", "currency"),
        **dict.fromkeys(("submitted_at", "started_at", "ended_at"), "time"),
        "attempt": "int",
        "node_hours": "float",
        "estimated_cost": "float",
    }
    return HistoryTable("jobs", columns, job_rows(prices))
