"""WeighDrift: record a drift signal once, and decide whether it leads to a retraining."""

from dataclasses import dataclass

from tidegate.config.model_policy import Drift
from tidegate.domain.activities import drift_texts
from tidegate.domain.lifecycle.drift import (
    DriftDecision,
    decide_drift,
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
from tidegate.domain.lifecycle.retraining import retrain_job
from tidegate.domain.partitions.names import drift_path, partition_of_result, result_order
from tidegate.log import Log
from tidegate.messages.commands import Follows, Next, RetrainModel, WeighDrift
from tidegate.service.context import ServiceContext
from tidegate.service.job_runner import read_output
from tidegate.service.steps.training_data import training_data

log = Log(__name__)


@dataclass(frozen=True)
class WeighDriftHandler:
    """A signal and the retraining that it leads to are saved together, under the ETag of the model's row."""

    context: ServiceContext

    def handle(self, command: WeighDrift) -> Follows:
        policy = self.context.policy(command.model)
        if policy is None or policy.drift is None:
            return []
        model, id = self.context.ledger.model(command.model), signal_id(command.source, command.of)
        record = next((signal for signal in model.signals if signal.id == id), None)
        if record is None:
            signal = self._read(command)
            if signal is None:
                log.info("no_drift_measured", source=command.source, of=command.of)
                return []
            model, record = self._weigh(model, signal, policy.drift)
        activity = drift_texts.signal_weighed(command.model, record, command.cause)
        notifications = [self.context.announce(activity)] if activity else []
        if model.retraining and model.retraining.signal == record.id:
            retrain = RetrainModel(cause=command.cause, model=command.model, signal=record.id)
            return [Next(retrain), *notifications]
        return notifications

    def _read(self, command: WeighDrift) -> DriftSignal | None:
        """Return the signal, or None if nothing was measured."""
        match command.source:
            case "measurement":
                content = self._measurement(command.of)
                return read_measurement(command.of, content, self.context.now()) if content else None
            case "monitor":
                return read_monitor(command.of, command.said, self.context.now())
            case "dataset_monitor":
                return read_dataset_monitor(command.of, command.said, self.context.now())
            case "renew":
                return renewal(command.of, self.context.now())

    def _measurement(self, of: str) -> bytes | None:
        """Return drift.json of a result such as `digits:202611-1-g1`, or None if its pipeline wrote none."""
        name, _, result = of.partition(":")
        feed = self.context.config().feeds.get(name)
        if feed is None:
            return None
        version, generation = result_order(result)
        path = drift_path(name, partition_of_result(result), version, generation)
        return read_output(self.context.workspace_of(feed), path)

    def _weigh(self, model: Model, signal: DriftSignal, drift: Drift) -> tuple[Model, SignalRecord]:
        """Decide on the signal, and save it with the retraining that it leads to."""
        now = self.context.now()
        decision = decide_drift(model, signal, drift, now, self.context.config().timezone)
        data = training_data(self.context, drift) if decision.taken else []
        if decision.taken and not data:
            reason = "there is nothing to train on: no partition is scored in development yet"
            decision = DriftDecision(False, reason)
        if decision.taken:
            job = retrain_job(model.model, signal.id, 1)
            retraining = Retraining(signal=signal.id, job=job, compute=drift.compute, data=data, since=now)
            model = with_retraining(model, retraining)
        record = signal_record(signal, decision)
        model = with_signal(model, record)
        self.context.ledger.save(model)
        fields = {"signal": signal.id, "breached": signal.breached}
        log.info("drift_weighed", **fields, taken=decision.taken, why=decision.why)
        return model, record
