"""Routing: decide what an event means under the current configuration."""

import fnmatch
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import ValidationError

from tidegate.config.schema import Config
from tidegate.domain.jobs.plan import served_by
from tidegate.domain.lifecycle.lineage import SOURCE_TAG
from tidegate.domain.lifecycle.names import judged_by
from tidegate.domain.lifecycle.retraining import retrained_by
from tidegate.domain.model_sets.facts import ASSEMBLED_TAG, MEMBER_TAGS
from tidegate.messages.commands import CheckJob, JudgeModel, RetrainModel, WeighDrift
from tidegate.messages.events import (
    BlobChanged,
    DataDrifted,
    Event,
    ModelDeployed,
    ModelRegistered,
    RunChanged,
    Unreadable,
)
from tidegate.service.feed_matching import FeedMatcher
from tidegate.service.meanings import Ignore, Meaning, Reject, Send, record_breach, record_event

# A run in one of these states leads to nothing. If the event of its end is lost, the timer finds the job.
_RUNNING = {"notstarted", "starting", "provisioning", "preparing", "queued", "running", "finalizing"}
_MONITOR_TAG = "azureml_modelmonitor_threshold_breached"
_SIGNAL = re.compile(r"The signal '([^']+)'")
_UNNAMED_SIGNAL = "of a monitor"
_MAX_SIGNAL = 255
_MAX_SUBJECT = 1024
_MAX_TEXT = 4096  # a tag has at most 1,000 characters


class Routes:
    """The routes of one configuration, prepared for many events."""

    def __init__(self, config: Config, check_delay: timedelta) -> None:
        self._config = config
        self._feeds: dict[tuple[str, str], list[FeedMatcher]] = {}  # by storage account and container
        for name, feed in config.feeds.items():
            container = (feed.storage.arm_id.lower(), feed.storage.container)
            self._feeds.setdefault(container, []).append(FeedMatcher(name, feed, check_delay))
        self._accounts = {account for account, _ in self._feeds}
        # If both roles are one workspace, it counts as development.
        roles = reversed(config.workspaces.by_role().items())
        self._workspaces = {workspace.arm_id.lower(): role for role, workspace in roles}

    def meanings(self, event: Event, now: datetime) -> list[Meaning]:
        """Return the meanings of an event that is received at `now`: what the service does about it.

        This is one meaning, or one for each partition if a blob was renamed from one partition to another.
        """
        known = event.topic in (self._accounts if isinstance(event, BlobChanged) else self._workspaces)
        match event:
            case Unreadable() if not event.topic or event.topic in self._accounts | self._workspaces.keys():
                return [Reject(f"event {event.id}", event.reason)]
            case _ if not known:
                return [Ignore("topic is not in tidegate.yml")]
            case BlobChanged():
                return self._blob_meanings(event, now)
            case RunChanged():
                return [self._run_meaning(event, now)]
            case ModelRegistered() | ModelDeployed() | DataDrifted():
                return [self._model_meaning(event, now)]
        return [Ignore("the service has no use for this type")]

    def _blob_meanings(self, event: BlobChanged, now: datetime) -> list[Meaning]:
        """Return what a changed blob means under its name and, after a renaming, under its former name."""
        meanings = [feed.meaning(event, event.path, now) for feed in self._feeds_of(event, event.container)]
        if event.source:
            container, path = event.source
            meanings += [feed.meaning(event, path, now) for feed in self._feeds_of(event, container)]
        relevant: list[Meaning] = [meaning for meaning in meanings if not isinstance(meaning, Ignore)]
        return relevant or meanings[:1] or [Ignore("container belongs to no feed")]

    def _feeds_of(self, event: BlobChanged, container: str) -> Sequence[FeedMatcher]:
        return self._feeds.get((event.topic, container), ())

    def _run_meaning(self, event: RunChanged, now: datetime) -> Meaning:
        breach = next((text for tag, text in event.tags.items() if tag.lower() == _MONITOR_TAG), None)
        if breach is not None:
            return self._breach_meaning(event, breach, now)
        if event.status in _RUNNING:
            return Ignore("run has not ended")
        workspace = self._workspaces[event.topic]
        if workspace == "development" and (meaning := self._model_job_meaning(event)):
            return meaning
        served = served_by(event.run_id, event.id)
        if not served:
            return Ignore("run is not a job of the service")
        feed = self._config.feeds.get(served.feed)
        if feed and self._config.workspaces.by_role()[feed.workspace].arm_id.lower() == event.topic:
            workspace = feed.workspace
        return Send(CheckJob(cause=event.id, workspace=workspace, job=event.run_id))

    def _breach_meaning(self, event: RunChanged, breach: str, now: datetime) -> Meaning:
        """Return the meaning of a model monitor's run that found a breached threshold."""
        match = _SIGNAL.search(breach)
        signal = match[1][:_MAX_SIGNAL] if match else _UNNAMED_SIGNAL
        if model := self._monitored_model(signal):
            return _weigh(event, model, "monitor", f"{event.run_id}:{signal}", breach)
        return record_breach(event, signal, breach[:_MAX_TEXT], self._workspaces[event.topic], now)

    def _model_meaning(self, event: ModelRegistered | ModelDeployed | DataDrifted, now: datetime) -> Meaning:
        if isinstance(event, ModelRegistered) and self._is_member(event):
            return Ignore("model is a member of a set, which is judged as a whole")
        if isinstance(event, ModelRegistered) and ASSEMBLED_TAG in event.tags:
            return Ignore("version was assembled by the evaluation of another one")
        if isinstance(event, ModelRegistered) and self._is_candidate(event):
            return _judge(event, event.name, event.version)
        if isinstance(event, DataDrifted) and (model := self._monitored_model(event.monitor)):
            of = f"{event.monitor}:{event.run_id or event.id}"
            return _weigh(event, model, "dataset_monitor", of, event.coefficient)
        return record_event(event, self._workspaces[event.topic], now)

    def _monitored_model(self, monitor: str) -> str | None:
        """Return the model whose policy names this monitor or signal, or None if there is not exactly one."""
        models = [
            model
            for model, policy in self._config.models.items()
            if policy.drift
            and any(fnmatch.fnmatchcase(monitor, pattern) for pattern in policy.drift.monitors)
        ]
        return models[0] if len(models) == 1 else None

    def _model_job_meaning(self, event: RunChanged) -> Meaning | None:
        """Return the meaning of a run that ended, or None if it is no evaluation and no retraining."""
        if judged := self._judged_version(event):
            return _judge(event, *judged)
        if retrained := retrained_by(event.run_id, self._config.models):
            model, signal = retrained
            return Send(RetrainModel(cause=event.id, model=model, signal=signal))
        return None

    def _is_candidate(self, event: ModelRegistered) -> bool:
        """Return whether the gate judges this version: it is in development, and no promotion copied it."""
        in_development = self._workspaces[event.topic] == "development"
        return in_development and event.name in self._config.models and SOURCE_TAG not in event.tags

    def _is_member(self, event: ModelRegistered) -> bool:
        """Return whether this model is a member of a set, registered by `register: each`.

        A set may have 10,000 of them, and nothing is to be done about any.
        """
        policy = self._config.models.get(event.tags.get("set", ""))
        is_member = policy is not None and policy.set is not None and event.tags.keys() >= MEMBER_TAGS
        return is_member and event.name not in self._config.models

    def _judged_version(self, event: RunChanged) -> tuple[str, str] | None:
        """Return the model and version that a run evaluates, from its tags or else from its name."""
        model, version = event.tags.get("tidegate_model"), event.tags.get("tidegate_model_version")
        if event.run_id.startswith("judge-") and model in self._config.models and version:
            return str(model), version
        return judged_by(event.run_id, self._config.models)


class CurrentRoutes:
    """The routes of the current configuration. Errors of reading it are raised to the caller."""

    def __init__(self, config: Callable[[], Config], check_delay: timedelta) -> None:
        self._config = config
        self._check_delay = check_delay
        self._latest: tuple[Config, Routes] | None = None

    def __call__(self) -> Routes:
        config, latest = self._config(), self._latest
        if latest is None or latest[0] is not config:
            latest = self._latest = (config, Routes(config, self._check_delay))
        return latest[1]


def _judge(event: Event, model: str, version: str) -> Meaning:
    try:
        return Send(JudgeModel(cause=event.id, model=model, version=version))
    except ValidationError:
        return Reject(f"model {model}", f"{version[:100]!r} is not a version of a model")


def _weigh(
    event: Event, model: str, source: Literal["monitor", "dataset_monitor"], of: str, said: str
) -> Send:
    command = WeighDrift(
        cause=event.id, model=model, source=source, of=of[:_MAX_SUBJECT], said=said[:_MAX_TEXT]
    )
    return Send(command)
