"""WeighDrift, RetrainModel: from a signal to a newly trained version, for the gate. Waits for nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tidegate.config.model_policy import Drift
from tidegate.config.schema import Config
from tidegate.domain.activities import drift_texts as drift_news
from tidegate.domain.activities.activity import Trigger
from tidegate.domain.assets import BLOBSTORE
from tidegate.domain.jobs.outcome import (
    JobAttempt,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobRunning,
    ResubmitJob,
    decide_end,
)
from tidegate.domain.lifecycle.drift import (
    DriftDecision,
    decide_drift,
    scored_months,
    signal_record,
    with_retraining,
    with_signal,
)
from tidegate.domain.lifecycle.drift_signals import (
    DriftSignal,
    read_dataset_monitor,
    read_measurement,
    read_monitor,
    renewal,
    signal_id,
)
from tidegate.domain.lifecycle.records import Model, Retraining, SignalRecord
from tidegate.domain.lifecycle.retraining import plan_retraining, retrain_job
from tidegate.domain.partitions.names import drift_path, result_order
from tidegate.errors import NotFoundError, PermanentError
from tidegate.log import Log
from tidegate.messages.commands import Follows, JudgeModel, Next, RetrainModel, WeighDrift
from tidegate.service.retry import FIRST_LOOK, look_again
from tidegate.service.steps.generation_end import tell

if TYPE_CHECKING:
    from tidegate.cloud.ledger import Ledger
    from tidegate.cloud.workspaces import ConfiguredWorkspaces, WorkspaceClients

log = Log(__name__)


@dataclass(frozen=True, kw_only=True)
class Drifting:
    """Signals and the one retraining of a model are claimed together, under its ETag."""

    config: Callable[[], Config]
    ledger: "Ledger"
    workspaces: "ConfiguredWorkspaces"
    now: Callable[[], datetime]

    def weigh_drift(self, command: WeighDrift) -> Follows:
        drift = self._drift(command.model)
        if drift is None:
            return []
        model, id = self.ledger.model(command.model), signal_id(command.source, command.of)
        record = next((one for one in model.signals if one.id == id), None)
        if record is None:
            signal = self._signal(command)
            if signal is None:
                log.info("no_signal", source=command.source, of=command.of)
                return []
            model, record = self._weigh(model, signal, drift)
        told = drift_news.signal_weighed(command.model, record, command.cause)
        news = [tell(self.ledger, told)] if told else []
        if model.retraining and model.retraining.signal == record.id:
            retrain = RetrainModel(cause=command.cause, model=command.model, signal=record.id)
            return [Next(retrain), *news]
        return news

    def retrain_model(self, command: RetrainModel) -> Follows:
        drift, model = self._drift(command.model), self.ledger.model(command.model)
        begun = model.retraining
        if drift is None or begun is None or begun.signal != command.signal:
            return []
        if not self._workspace.jobs.exists(begun.job):
            return self._launch(command, drift, model, begun)
        match decide_end(self._workspace.jobs.get(begun.job), JobAttempt(begun.attempt, drift.compute)):
            case JobRunning():
                return []
            case JobCompleted():
                return self._finish(command, model)
            case ResubmitJob():
                attempt = begun.attempt + 1
                job = retrain_job(model.model, begun.signal, attempt)
                model.retraining = begun.model_copy(update={"attempt": attempt, "job": job})
                self.ledger.save(model)
                return self._launch(command, drift, model, model.retraining)
            case JobCancelled(reason) | JobFailed(reason):
                return self._give_up(command, model, begun, reason)

    def _drift(self, model: str) -> Drift | None:
        policy = self.config().models.get(model)
        return policy.drift if policy else None

    def _signal(self, command: WeighDrift) -> DriftSignal | None:
        match command.source:
            case "measurement":
                content = self._measurement(command.of)
                return read_measurement(command.of, content, self.now()) if content else None
            case "monitor":
                return read_monitor(command.of, command.said, self.now())
            case "dataset_monitor":
                return read_dataset_monitor(command.of, command.said, self.now())
            case "renew":
                return renewal(command.of, self.now())

    def _measurement(self, of: str) -> bytes | None:
        """drift.json of a result `digits:202611-1-g1`; none where its pipeline does not measure."""
        name, _, result = of.partition(":")
        feed = self.config().feeds.get(name)
        if feed is None:
            return None
        version, generation = result_order(result)
        path = drift_path(name, result[:6], version, generation)
        try:
            return self.workspaces[feed.workspace].datastores.read(BLOBSTORE, path)
        except NotFoundError:
            return None

    def _weigh(self, model: Model, signal: DriftSignal, drift: Drift) -> tuple[Model, SignalRecord]:
        """Decided and claimed in one write."""
        config, now = self.config(), self.now()
        decision = decide_drift(model, signal, drift, now, config.timezone)
        data = self._data(drift) if decision.taken else []
        if decision.taken and not data:
            decision = DriftDecision(
                False, "there is nothing to train on: no month is scored in development yet"
            )
        if decision.taken:
            job = retrain_job(model.model, signal.id, 1)
            model = with_retraining(model, Retraining(signal=signal.id, job=job, data=data, since=now))
        record = signal_record(signal, decision)
        model = with_signal(model, record)
        self.ledger.save(model)
        log.info(
            "drift_weighed",
            signal=signal.id,
            breached=signal.breached,
            taken=decision.taken,
            why=decision.why,
        )
        return model, record

    def _data(self, drift: Drift) -> list[str]:
        """Names and versions, the training set first. What is scored in production cannot be trained on."""
        feed = self.config().feeds[drift.feed]
        months = self.ledger.months(drift.feed) if feed.workspace == "development" else []
        versions = [f"{drift.feed}:{version}" for version in scored_months(months, drift.months)]
        return [*([drift.training] if drift.training else []), *versions]

    def _launch(self, command: RetrainModel, drift: Drift, model: Model, begun: Retraining) -> Follows:
        workspace = self._workspace
        if not workspace.computes.is_ready(drift.compute):
            return look_again(command, self.now() - begun.since)
        plan = plan_retraining(command.model, drift, begun)
        pipeline = workspace.assets.newest_component(plan.pipeline)
        try:
            workspace.jobs.submit(plan, pipeline)
        except PermanentError as error:
            return self._give_up(command, model, begun, f"it could not begin: {error}")
        log.info("job_submitted", job=plan.job, compute=drift.compute)
        told = tell(self.ledger, drift_news.retraining_started(command.model, begun, command.cause))
        return [Next(command, FIRST_LOOK), told]

    def _give_up(self, command: RetrainModel, model: Model, begun: Retraining, why: str) -> Follows:
        """It leaves its place to the next; that it began counts all the same."""
        trigger = Trigger(self.now(), command.cause)
        told = tell(self.ledger, drift_news.retraining_failed(model.model, begun, why, trigger))
        model.retraining = None
        self.ledger.save(model)
        return [told]

    def _finish(self, command: RetrainModel, model: Model) -> Follows:
        """The job registered the version itself; whether the event of that came or not, it is judged."""
        version = self._workspace.assets.newest_model(model.model)
        model.retraining = None
        self.ledger.save(model)
        log.info("model_retrained", model=model.model, version=version)
        return [Next(JudgeModel(cause=command.cause, model=model.model, version=version))]

    @property
    def _workspace(self) -> "WorkspaceClients":
        return self.workspaces["development"]
