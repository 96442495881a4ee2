"""What people are told about rollouts: activities with derived ids, and their words. Pure."""

from datetime import timedelta

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.verdict_texts import subject_of_model
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.records import ModelVersion, RolloutRecord, RolloutStep


def changes(
    version: ModelVersion, before: RolloutRecord | None, after: RolloutRecord, trigger: Trigger
) -> Activity | None:
    """What is worth telling of a rollout that came from one state to another."""
    if before is None and not after.final:
        return _started(version, after, trigger)
    if after.why and (before is None or after.why != before.why):
        return _failed(version, after, trigger, "end" if before and before.why else "")
    if before and (before.phase, after.phase) == ("traffic", "baking"):
        return _step(version, after, trigger)
    return _done(version, after, trigger) if after.phase == "done" else None


def _started(version: ModelVersion, after: RolloutRecord, trigger: Trigger) -> Activity:
    beside = f"beside {after.before}" if after.before else "the first there"
    way = "All traffic goes back to it at once" if after.restoring else "Traffic moves in steps"
    title = f"{_name(version)} goes to {after.endpoint}"
    return _activity(version, after, trigger, "started", title, f"As {after.deployment}, {beside}. {way}.")


def _step(version: ModelVersion, after: RolloutRecord, trigger: Trigger) -> Activity:
    step = after.steps[-1]
    share, how = (step.mirror, " mirrored") if step.mirror else (step.percent, "")
    lines = [f"Baked until {after.due:%Y-%m-%d %H:%M:%S %Z}." if after.due else "It bakes."]
    lines += [f"Smoke test: {after.smoke}."] if after.smoke and len(after.steps) == 1 else []
    lines += [_health(one) for one in after.steps[:-1]]
    title = f"{_name(version)} has {share} % of the traffic{how} at {after.endpoint}"
    return _activity(version, after, trigger, "step", title, "\n".join(lines), f"{len(after.steps)}")


def _failed(version: ModelVersion, after: RolloutRecord, trigger: Trigger, part: str) -> Activity:
    back = f"Traffic goes back to {after.before}." if after.before else "Nothing was there before."
    kept = "" if after.final else f"\n{back}"
    lines = [f"{after.why}.{kept}", *(_health(one) for one in after.steps)]
    title = f"The rollout of {_name(version)} to {after.endpoint} failed"
    return _activity(version, after, trigger, "failed", title, "\n".join(lines), part)


def _done(version: ModelVersion, after: RolloutRecord, trigger: Trigger) -> Activity:
    took = timedelta(seconds=round((trigger.at - after.began_at).total_seconds()))
    lines = [f"It took {took}.", *(_health(one) for one in after.steps)]
    title = f"{_name(version)} has all traffic of {after.endpoint}"
    return _activity(version, after, trigger, "done", title, "\n".join(lines))


def _health(step: RolloutStep) -> str:
    share = f"{step.mirror} % mirrored" if step.mirror else f"{step.percent} %"
    seen = step.health or {}
    if "errors" not in seen:
        return f"- {share}: not measured"
    slow = f", 95 % within {seen['p95_ms']:.0f} ms" if seen.get("p95_ms") is not None else ""
    why = f" ({seen['because']})" if "because" in seen else ""
    return (
        f"- {share}: {seen['errors']} errors in {seen['requests']} requests{slow}, by {seen['source']}{why}"
    )


def _name(version: ModelVersion) -> str:
    return model_reference(version.model, version.version)


def _activity(  # noqa: PLR0913, PLR0917  # the parts of an activity
    version: ModelVersion,
    rollout: RolloutRecord,
    trigger: Trigger,
    word: str,
    title: str,
    text: str,
    part: str = "",
) -> Activity:
    began = f"{rollout.began_at:%Y%m%dT%H%M%S}"
    return Activity(
        subject=subject_of_model(version.model),
        id="-".join(filter(None, [version.version, "rollout", began, word, part])),
        kind=f"rollout.{word}",
        at=trigger.at,
        title=title,
        text=text,
        data={
            "model": version.model,
            "version": version.version,
            **rollout.model_dump(mode="json", include={"endpoint", "deployment", "before", "phase", "why"}),
            "steps": [step.model_dump(mode="json") for step in rollout.steps],
        },
        cause=trigger.cause,
    )
