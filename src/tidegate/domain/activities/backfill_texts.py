"""Notifications about backfills: their ids, titles and texts."""

from collections.abc import Iterator, Sequence

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.subjects import backfill_subject
from tidegate.domain.backfills.records import Backfill, BackfillState, NamedPartition

_NAMED = 20


def started(backfill: Backfill) -> Activity:
    """Return the activity of a request for a backfill."""
    count, skipped = len(backfill.partitions), len(backfill.skipped)
    text = [
        f"{backfill.by} requested it: {backfill.reason}. {count} of {backfill.total} partitions are scored "
        f"again by {backfill.model}, at most {backfill.max_live} at a time.",
        *([f"{skipped} are skipped:", *_named(backfill.skipped)] if skipped else []),
    ]
    trigger = Trigger(backfill.requested_at, backfill.cause)
    return _activity(backfill, "started", trigger, text)


def ended(backfill: Backfill, cause: str) -> Activity:
    """Return the activity of the end of a backfill. The same end always gives the same activity."""
    progress = backfill.progress
    text = [
        f"{progress.done} of {backfill.total} partitions are scored by {backfill.model}, "
        f"{len(progress.failed)} failed, {len(backfill.skipped)} were skipped, "
        f"{progress.waiting} were not begun.",
        *_named(progress.failed),
    ]
    if progress.failed:
        text += [f'To score one of them again: tidegate rerun {backfill.feed} PARTITION --reason "..."']
    if backfill.state is BackfillState.CANCELLED:
        by = next(
            (change.by for change in reversed(backfill.changes) if change.action == "cancel"), "a person"
        )
        text = [f"{by} cancelled it.", *text]
    return _activity(
        backfill, backfill.state.value, Trigger(backfill.ended_at or backfill.requested_at, cause), text
    )


def _named(partitions: Sequence[NamedPartition]) -> Iterator[str]:
    for each in partitions[:_NAMED]:
        yield f"- {each.partition}: {each.why}"
    if len(partitions) > _NAMED:
        yield f"- and {len(partitions) - _NAMED} more"


def _activity(backfill: Backfill, what: str, trigger: Trigger, text: Sequence[str]) -> Activity:
    progress = backfill.progress
    return Activity(
        subject=backfill_subject(backfill.feed, backfill.id),
        id=what,
        kind=f"backfill.{what}",
        at=trigger.at,
        title=f"Backfill {backfill.first}..{backfill.last} of {backfill.feed} is {what}",
        text="\n".join(text),
        data={
            "feed": backfill.feed,
            "backfill": backfill.id,
            "model": backfill.model,
            "by": backfill.by,
            "total": backfill.total,
            "done": progress.done,
            "failed": len(progress.failed),
            "skipped": len(backfill.skipped),
            "not_begun": progress.waiting,
        },
        cause=trigger.cause,
    )
