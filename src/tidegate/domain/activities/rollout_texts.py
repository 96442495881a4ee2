"""Notifications about rollouts: their ids, titles and texts."""

from dataclasses import dataclass
from datetime import timedelta

from tidegate.config.model_policy import AnyRollout, BatchRollout
from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.version_texts import version_activity
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.lifecycle.rollout_records import RolloutRecord, RolloutStep


@dataclass(frozen=True)
class _News:
    """What is new about a rollout.

    `part` distinguishes several activities of the same kind in one rollout.
    """

    word: str
    title: str
    text: str
    part: str = ""


def rollout_changed(
    version: ModelVersion, before: RolloutRecord | None, after: RolloutRecord, trigger: Trigger
) -> Activity | None:
    """Return the activity of a rollout's change of state, or None if people need not know about it."""
    news = _news(version, before, after, trigger)
    if news is None:
        return None
    began = f"{after.began_at:%Y%m%dT%H%M%S}"
    return version_activity(
        version,
        trigger,
        id="-".join(filter(None, [version.version, "rollout", began, news.word, news.part])),
        kind=f"rollout.{news.word}",
        title=news.title,
        text=news.text,
        data={
            **after.model_dump(mode="json", include={"endpoint", "deployment", "before", "phase", "why"}),
            "steps": [step.model_dump(mode="json") for step in after.steps],
        },
    )


def rollout_stuck(
    version: ModelVersion, record: RolloutRecord, busy: str, policy: AnyRollout, trigger: Trigger
) -> Activity:
    """Return the activity of a rollout whose endpoint is busy for longer than `announce_after`."""
    name, since = model_reference(version.model, version.version), record.busy_since or trigger.at
    if isinstance(policy, BatchRollout):
        usual, look = (
            "",
            f"Look at the smoke test's job, and at the cluster of deployment {record.deployment}.",
        )
    else:
        usual = " Usually this takes 12 to 18 minutes."
        look = (
            f"Look at the quota of {policy.instance_type} and at the logs of deployment {record.deployment}."
        )
    lines = [
        f"{busy} since {since:%Y-%m-%d %H:%M:%S %Z}.{usual}",
        "The rollout cannot continue, and no other version of the model can be promoted.",
        f"At {since + policy.fail_after:%Y-%m-%d %H:%M:%S %Z} (fail_after) this counts as a failed step: the "
        "rollout ends, and the next version takes its place.",
        look,
    ]
    return version_activity(
        version,
        trigger,
        id=f"{version.version}-rollout-{record.began_at:%Y%m%dT%H%M%S}-stuck-{record.phase}-{since:%H%M%S}",
        kind="rollout.stuck",
        title=f"The rollout of {name} to {record.endpoint} is stuck: {busy}",
        text="\n".join(lines),
        data={
            "endpoint": record.endpoint,
            "deployment": record.deployment,
            "phase": record.phase,
            "busy": busy,
            "since": since.isoformat(),
        },
    )


def _news(
    version: ModelVersion, before: RolloutRecord | None, after: RolloutRecord, trigger: Trigger
) -> _News | None:
    name = model_reference(version.model, version.version)
    if after.kind == "batch":
        return _batch_news(name, before, after)
    if before is None and not after.final:
        return _started(name, after)
    if after.why and (before is None or after.why != before.why):
        return _failed(name, after, "end" if before and before.why else "")
    if before and (before.phase, after.phase) == ("traffic", "baking"):
        return _step(name, after)
    return _done(name, after, trigger) if after.phase == "done" else None


def _batch_news(name: str, before: RolloutRecord | None, after: RolloutRecord) -> _News | None:
    """Return what is new at a batch endpoint, whose deployments share no traffic."""
    endpoint, default = f"batch endpoint {after.endpoint}", after.before
    if before is None and not after.final:
        how = "at once" if after.restoring else "after a smoke job"
        replaces = f"instead of {default} " if default else ""
        text = f"Deployment {after.deployment} becomes the default {replaces}{how}. There is nothing to do."
        return _News("started", f"The rollout of {name} to {endpoint} has started", text)
    if after.why and (before is None or after.why != before.why):
        lines = [f"Reason: {after.why}."]
        if not after.final:
            lines += [f"The default deployment is {default or 'none, as before'}."]
        lines += [_next_after_failure(after)]
        part = "end" if before and before.why else ""
        return _News("failed", f"The rollout of {name} to {endpoint} failed", "\n".join(lines), part)
    if after.phase != "done":
        return None
    text = f"Smoke test: {after.smoke}." if after.smoke else "A rollback made it the default again."
    return _News("done", f"{name} is the default deployment of {endpoint}", text)


def _started(name: str, after: RolloutRecord) -> _News:
    replaces = (
        f"The deployment replaces {after.before}"
        if after.before
        else "The endpoint has no other deployment yet"
    )
    how = "receives all traffic at once" if after.restoring else "receives traffic step by step"
    text = (
        f"Deployment {after.deployment}. {replaces} and {how}.\n"
        "If a step fails, the deployment loses its traffic. There is nothing to do."
    )
    return _News("started", f"The rollout of {name} to {after.endpoint} has started", text)


def _step(name: str, after: RolloutRecord) -> _News:
    step = after.steps[-1]
    share = f"{step.mirror} % of the traffic mirrored" if step.mirror else f"{step.percent} % of the traffic"
    lines = [f"Smoke test: {after.smoke}."] if after.smoke and len(after.steps) == 1 else []
    lines += [_health_line(earlier) for earlier in after.steps[:-1]]
    until = f" until {after.due:%Y-%m-%d %H:%M:%S %Z}" if after.due else ""
    lines += [
        f"Its errors and latency are measured{until}. Then the next step follows, or the rollout fails."
    ]
    return _News("step", f"{name} has {share} at {after.endpoint}", "\n".join(lines), f"{len(after.steps)}")


def _failed(name: str, after: RolloutRecord, part: str) -> _News:
    lines = [f"Reason: {after.why}.", *(_health_line(step) for step in after.steps)]
    if not after.final and after.before:
        lines += [f"All traffic goes back to {after.before}."]
    elif not after.final:
        lines += ["There was no deployment before it, so the endpoint answers no requests."]
    lines += [_next_after_failure(after)]
    return _News("failed", f"The rollout of {name} to {after.endpoint} failed", "\n".join(lines), part)


def _next_after_failure(after: RolloutRecord) -> str:
    if after.restoring:
        return "Correct the cause at the endpoint, then run tidegate rollback again."
    return "The version is not rolled out again by itself. Register a corrected version."


def _done(name: str, after: RolloutRecord, trigger: Trigger) -> _News:
    duration = timedelta(seconds=round((trigger.at - after.began_at).total_seconds()))
    lines = [f"The rollout took {duration}.", *(_health_line(step) for step in after.steps)]
    return _News("done", f"{name} has all traffic of {after.endpoint}", "\n".join(lines))


def _health_line(step: RolloutStep) -> str:
    share, health = f"{step.mirror} % mirrored" if step.mirror else f"{step.percent} %", step.health
    if health is None or health.errors is None:
        return f"- {share}: not measured"
    latency = f", 95 % within {health.p95_ms:.0f} ms" if health.p95_ms is not None else ""
    why = f" ({health.because})" if health.because else ""
    return (
        f"- {share}: {health.errors} errors in {health.requests} requests{latency}, by {health.source}{why}"
    )
