"""The meanings of events: what the service does about an event. It sends, records, rejects or ignores."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.subjects import endpoint_subject, model_subject, monitor_subject
from tidegate.messages.commands import AnyCommand, CheckPartition, Origin
from tidegate.messages.events import DataDrifted, Event, ModelDeployed, ModelRegistered, RunChanged


@dataclass(frozen=True)
class Send:
    """A command that the event leads to."""

    command: AnyCommand
    delay: timedelta = timedelta()


@dataclass(frozen=True)
class RecordActivity:
    """An activity to record. The event leads to no command."""

    activity: Activity


@dataclass(frozen=True)
class Reject:
    """A fault in an event that is meant for the service.

    The fault is announced once a day for each `about`.
    """

    about: str
    reason: str


@dataclass(frozen=True)
class Ignore:
    """The reason why an event is not for the service."""

    reason: str


Meaning = Send | RecordActivity | Reject | Ignore


def with_origin(meaning: Meaning, event: Event) -> Meaning:
    """Return a meaning whose command says which event it comes from."""
    if not isinstance(meaning, Send):
        return meaning
    origin = Origin(what=event.type)
    if isinstance(meaning.command, CheckPartition):
        origin = Origin(what=event.type, first=event.id, last=event.id)
    return replace(meaning, command=meaning.command.model_copy(update={"origin": origin}))


def record_event(
    event: ModelRegistered | ModelDeployed | DataDrifted, workspace: str, now: datetime
) -> RecordActivity:
    """Return the activity that tells people of an event."""
    match event:
        case ModelRegistered():
            subject, id = model_subject(event.name, workspace), f"registered-{event.version}"
            kind = "model.registered"
            title = f"Model {event.name}:{event.version} was registered in {workspace}"
        case ModelDeployed():
            subject, id = endpoint_subject(workspace, event.endpoint), event.id
            kind = "model.deployed"
            title = f"{event.models} was deployed to endpoint {event.endpoint} in {workspace}"
        case DataDrifted():
            subject, id = monitor_subject(workspace, event.monitor), event.run_id or event.id
            kind = "drift.detected"
            title = f"Monitor {event.monitor} measured a drift of {event.coefficient}"
    activity = Activity(subject=subject, id=id, kind=kind, at=now, title=title, text=title, cause=event.id)
    return RecordActivity(activity)


def record_breach(event: RunChanged, signal: str, text: str, workspace: str, now: datetime) -> RecordActivity:
    """Return the activity that tells people of a breached threshold. Repeated events give the same id."""
    activity = Activity(
        subject=monitor_subject(workspace, signal),
        id=event.run_id,
        kind="drift.detected",
        at=now,
        title=f"Signal {signal} breached its threshold in {workspace}",
        text=text,
        data={"run": event.run_id},
        cause=event.id,
    )
    return RecordActivity(activity)
