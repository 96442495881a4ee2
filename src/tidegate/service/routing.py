"""What an event means under a configuration: a command, something to record, or nothing. Pure."""

import fnmatch
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import ValidationError

from tidegate.config.schema import Config, Feed
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.subjects import endpoint_subject, model_subject, monitor_subject
from tidegate.domain.jobs.plan import served_by
from tidegate.domain.lifecycle.lineage import SOURCE_TAG
from tidegate.domain.lifecycle.names import judged_by
from tidegate.domain.lifecycle.retraining import retrained_by
from tidegate.messages.commands import AnyCommand, CheckJob, CheckMonth, JudgeModel, RetrainModel, WeighDrift
from tidegate.messages.events import (
    BlobChanged,
    DataDrifted,
    Event,
    ModelDeployed,
    ModelRegistered,
    RunChanged,
    Unreadable,
)

# Nothing is to be done about these; for what they may hide (lost ends) the timer looks at every open job.
_UNDER_WAY = {"notstarted", "starting", "provisioning", "preparing", "queued", "running", "finalizing"}
_MONITOR_TAG = "azureml_modelmonitor_threshold_breached"
_LONGEST_SUBJECT = 1024
_LONGEST_SIGNAL = 255
_LONGEST_TEXT = 4096  # a tag has at most 1,000 characters
_SIGNAL = re.compile(r"The signal '([^']+)'")


@dataclass(frozen=True)
class Send:
    command: AnyCommand
    delay: timedelta = timedelta()


@dataclass(frozen=True)
class RecordActivity:
    """Nothing to do about it yet, but people may want to know."""

    activity: Activity


@dataclass(frozen=True)
class Reject:
    """Ours, but not to be understood. What is `about` the same folder is announced once a day."""

    about: str
    reason: str


@dataclass(frozen=True)
class Ignore:
    reason: str


Meaning = Send | RecordActivity | Reject | Ignore


class Routes:
    """A configuration made ready for many events."""

    def __init__(self, config: Config, check_delay: timedelta) -> None:
        self._config = config
        self._containers: dict[tuple[str, str], list[_FeedRoute]] = {}
        for name, feed in config.feeds.items():
            place = (feed.storage.arm_id.lower(), feed.storage.container)
            self._containers.setdefault(place, []).append(_FeedRoute(name, feed, check_delay))
        self._accounts = {account for account, _ in self._containers}
        # If both roles are one workspace, it counts as development.
        roles = reversed(config.workspaces.by_role().items())
        self._workspaces = {workspace.arm_id.lower(): role for role, workspace in roles}

    def meanings(self, event: Event, now: datetime) -> list[Meaning]:
        """What to do about an event received at `now`: one thing, or one a month that a blob touches."""
        ours = event.topic in (self._accounts if isinstance(event, BlobChanged) else self._workspaces)
        match event:
            case Unreadable() if not event.topic or event.topic in self._accounts | self._workspaces.keys():
                return [Reject(f"event {event.id}", event.reason)]
            case _ if not ours:
                return [Ignore("topic is not ours")]
            case BlobChanged():
                return self._of_blob(event, now)
            case RunChanged():
                return [self._of_run(event, now)]
            case ModelRegistered() | ModelDeployed() | DataDrifted():
                return [self._of_model(event, now)]
        return [Ignore("type is not ours")]

    def _of_blob(self, event: BlobChanged, now: datetime) -> list[Meaning]:
        """Where a blob is, and where it was: a rename can take it from one month to another."""
        places = [(event.container, event.path, event.fault)]
        if event.source:
            places.append((*event.source, ""))
        found: list[Meaning] = [
            route.meaning(event, (path, fault), now)
            for container, path, fault in places
            for route in self._containers.get((event.topic, container), ())
        ]
        return (
            [one for one in found if not isinstance(one, Ignore)]
            or found[:1]
            or [Ignore("container is no feed's")]
        )

    def _of_run(self, event: RunChanged, now: datetime) -> Meaning:
        workspace = self._workspaces[event.topic]
        breach = next((text for tag, text in event.tags.items() if tag.lower() == _MONITOR_TAG), None)
        if breach is not None:
            signal = _signal_of(breach)
            drifted = self._weigh(event, "monitor", signal, f"{event.run_id}:{signal}", breach)
            return drifted or RecordActivity(_breach(event, signal, breach, workspace, now))
        if event.status in _UNDER_WAY:
            return Ignore("run is under way")
        if workspace == "development" and (found := self._of_model_job(event)):
            return found
        served = served_by(event.run_id, event.id)
        if not served:
            return Ignore("run is not ours")
        feed = self._config.feeds.get(served.feed)
        if feed and self._config.workspaces.by_role()[feed.workspace].arm_id.lower() == event.topic:
            workspace = feed.workspace
        return Send(CheckJob(cause=event.id, workspace=workspace, job=event.run_id))

    def _of_model(self, event: ModelRegistered | ModelDeployed | DataDrifted, now: datetime) -> Meaning:
        if isinstance(event, ModelRegistered) and self._is_candidate(event):
            return _judge(event, event.name, event.version)
        if isinstance(event, DataDrifted):
            of = f"{event.monitor}:{event.run_id or event.id}"
            drifted = self._weigh(event, "dataset_monitor", event.monitor, of, event.coefficient)
        else:
            drifted = None
        return drifted or RecordActivity(_activity(event, self._workspaces[event.topic], now))

    def _weigh(
        self, event: Event, source: Literal["monitor", "dataset_monitor"], name: str, of: str, said: str
    ) -> Send | None:
        """For the one model that what has this name speaks of; None where that is not clear."""
        models = [
            model
            for model, policy in self._config.models.items()
            if policy.drift and any(fnmatch.fnmatchcase(name, one) for one in policy.drift.monitors)
        ]
        if len(models) != 1:
            return None
        said, of = said[:_LONGEST_TEXT], of[:_LONGEST_SUBJECT]
        return Send(WeighDrift(cause=event.id, model=models[0], source=source, of=of, said=said))

    def _of_model_job(self, event: RunChanged) -> Meaning | None:
        """An evaluation or a retraining of ours."""
        if judged := self._judged_by(event):
            return _judge(event, *judged)
        if trained := retrained_by(event.run_id, self._config.models):
            return Send(RetrainModel(cause=event.id, model=trained[0], signal=trained[1]))
        return None

    def _is_candidate(self, event: ModelRegistered) -> bool:
        """Of a model with a policy, in development, and no copy that we made ourselves."""
        in_development = self._workspaces[event.topic] == "development"
        return in_development and event.name in self._config.models and SOURCE_TAG not in event.tags

    def _judged_by(self, event: RunChanged) -> tuple[str, str] | None:
        """Model and version that a run evaluates: the tags say it, where they came along, else the name."""
        model, version = (event.tags.get(f"tidegate_{word}") for word in ("model", "model_version"))
        if event.run_id.startswith("judge-") and model in self._config.models and version:
            return str(model), version
        return judged_by(event.run_id, self._config.models)


class CurrentRoutes:
    """The routes of the configuration as it is now; what goes wrong with reading that goes through."""

    def __init__(self, config: Callable[[], Config], check_delay: timedelta) -> None:
        self._config = config
        self._check_delay = check_delay
        self._known: tuple[Config, Routes] | None = None

    def __call__(self) -> Routes:
        config, known = self._config(), self._known
        if known is None or known[0] is not config:
            known = self._known = (config, Routes(config, self._check_delay))
        return known[1]


class _FeedRoute:
    """One feed's part: which months its blobs belong to, and when to look at them."""

    def __init__(self, name: str, feed: Feed, check_delay: timedelta) -> None:
        self._name = name
        self._feed = feed
        pattern = re.escape(feed.path).replace(r"\{yyyy\}", "([0-9]{4})").replace(r"\{MM\}", "([0-9]{2})")
        self._path = re.compile(f"{pattern}(.*)", re.DOTALL)
        self._only = re.compile(fnmatch.translate(feed.only))  # as fnmatchcase, compiled once
        self._markers = {way.marker for way in feed.complete_when if way.marker}
        self._lists = {way.listed_in for way in feed.complete_when if way.listed_in}
        quiet = min((way.quiet_for for way in feed.complete_when if way.quiet_for), default=timedelta())
        self._delay = max(quiet, check_delay)

    def meaning(self, event: BlobChanged, name: tuple[str, str], now: datetime) -> Meaning:
        """`name` is the blob's, where it is or was, and what is wrong with it."""
        path, fault = name
        found = self._path.fullmatch(path + "/" if event.directory else path)
        if not found:
            return Ignore("path is outside the feed")
        year, number, file = found.groups()
        month, folder = year + number, path.rpartition("/")[0]
        if not "01" <= number <= "12":
            return Reject(f"{self._name} {folder}", f"{month} is no month")
        if fault:
            return Reject(f"{self._name} {folder[:100]}", fault)
        if month < self._feed.starts:
            return Ignore("month is before the feed starts")
        return self._of_file(event, month, file, now)

    def _of_file(self, event: BlobChanged, month: str, file: str, now: datetime) -> Meaning:
        signal = file in self._markers or file in self._lists
        if not (signal or event.directory or self._lists or self._only.match(file)):  # a list names any file
            return Ignore("file is not one of the feed's")
        if event.unwritten and file not in self._markers:
            return Ignore("file is not written yet")
        if signal and not event.deleted:
            return Send(CheckMonth(cause=event.id, feed=self._name, month=month))
        due = now + self._delay
        return Send(CheckMonth(cause=event.id, feed=self._name, month=month, due=due), self._delay)


def _judge(event: Event, model: str, version: str) -> Meaning:
    try:
        return Send(JudgeModel(cause=event.id, model=model, version=version))
    except ValidationError:
        return Reject(f"model {model}", f"{version[:100]!r} is no version of a model")


def _activity(
    event: ModelRegistered | ModelDeployed | DataDrifted, workspace: str, now: datetime
) -> Activity:
    match event:
        case ModelRegistered():
            subject, id = model_subject(event.name, workspace), f"registered-{event.version}"
            kind, title = (
                "model.registered",
                f"Model {event.name}:{event.version} was registered in {workspace}",
            )
        case ModelDeployed():
            subject, id = endpoint_subject(workspace, event.endpoint), event.id
            kind, title = "model.deployed", f"{event.models} went to {event.endpoint} in {workspace}"
        case DataDrifted():
            subject, id = monitor_subject(workspace, event.monitor), event.run_id or event.id
            kind, title = "drift.detected", f"Monitor {event.monitor} saw drift of {event.coefficient}"
    return Activity(subject=subject, id=id, kind=kind, at=now, title=title, text=title, cause=event.id)


def _signal_of(breach: str) -> str:
    found = _SIGNAL.search(breach)
    return found[1][:_LONGEST_SIGNAL] if found else "of a monitor"


def _breach(event: RunChanged, signal: str, breach: str, workspace: str, now: datetime) -> Activity:
    """A monitor's threshold was breached; the same run says so several times."""
    return Activity(
        subject=monitor_subject(workspace, signal),
        id=event.run_id,
        kind="drift.detected",
        at=now,
        title=f"Signal {signal} breached its threshold in {workspace}",
        text=breach[:_LONGEST_TEXT],
        data={"run": event.run_id},
        cause=event.id,
    )
