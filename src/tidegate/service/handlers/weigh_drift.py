"""WeighDrift: record a drift signal once, and decide whether it leads to a retraining."""

from dataclasses import dataclass

from tidegate.config.model_policy import Policy
from tidegate.config.model_sets import TrainOn
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
    partition_arrived,
    read_dataset_monitor,
    read_measurement,
    read_monitor,
    renewal,
    signal_id,
)
from tidegate.domain.lifecycle.records import Model
from tidegate.domain.lifecycle.retraining import retrain_job
from tidegate.domain.lifecycle.training_records import Retraining, SignalRecord
from tidegate.domain.partitions.names import drift_path, partition_of_result, result_order
from tidegate.log import Log
from tidegate.messages.commands import Follows, Next, RetrainModel, WeighDrift
from tidegate.service.context import ServiceContext
from tidegate.service.job_runner import read_output
from tidegate.service.steps.set_trainings import SetTrainings
from tidegate.service.steps.training_data import training_data

log = Log(__name__)


@dataclass(frozen=True)
class WeighDriftHandler:
    """A signal and the retraining that it leads to are saved together, under the ETag of the model's row."""

    context: ServiceContext
    sets: SetTrainings

    def handle(self, command: WeighDrift) -> Follows:
        policy = self.context.policy(command.model)
        if policy is None or policy.training is None:
            return []
        model, id = self.context.ledger.model(command.model), signal_id(command.source, command.of)
        record = next((signal for signal in model.signals if signal.id == id), None)
        if record is None and self._waits(command, policy, model):
            return []
        if record is None:
            signal = self._read(command)
            if signal is None:
                log.info("no_drift_measured", source=command.source, of=command.of)
                return []
            model, record = self._weigh(model, signal, policy, command.cause)
        activity = drift_texts.signal_weighed(command.model, record, command.cause)
        notifications = [self.context.announce(activity)] if activity else []
        if model.retraining and model.retraining.signal == record.id:
            retrain = RetrainModel(cause=command.cause, model=command.model, signal=record.id)
            return [Next(retrain), *notifications]
        return notifications

    def _waits(self, command: WeighDrift, policy: Policy, model: Model) -> bool:
        """Return whether a set is not trained now, and the timer sends the command again if it is needed.

        Its trainings follow each other. An older partition than the newest one trains nothing by itself.
        """
        if policy.set is None or command.source not in ("partition", "renew"):
            return False
        outdated = command.source == "partition" and command.of != self.sets.newest(policy.set)
        return outdated or model.retraining is not None

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
            case "partition":
                return partition_arrived(command.of, self.context.now())

    def _measurement(self, of: str) -> bytes | None:
        """Return drift.json of a result such as `digits:202611-1-g1`, or None if its pipeline wrote none."""
        name, _, result = of.partition(":")
        feed = self.context.config().feeds.get(name)
        if feed is None:
            return None
        version, generation = result_order(result)
        path = drift_path(name, partition_of_result(result), version, generation)
        return read_output(self.context.workspace_of(feed), path)

    def _weigh(
        self, model: Model, signal: DriftSignal, policy: Policy, cause: str
    ) -> tuple[Model, SignalRecord]:
        """Decide on the signal, and save it with the retraining that it leads to."""
        decision = self._decide(model, signal, policy)
        retraining = self._retraining(model, signal, policy) if decision.taken else None
        if decision.taken and retraining is None:
            what = "complete" if policy.set else "scored in development"
            decision = DriftDecision(False, f"there is nothing to train on: no partition is {what} yet")
        if retraining:
            model = with_retraining(model, retraining)
        record = signal_record(signal, decision).model_copy(update={"cause": cause})
        model = with_signal(model, record)
        self.context.ledger.save(model)
        fields = {"signal": signal.id, "breached": signal.breached}
        log.info("drift_weighed", **fields, taken=decision.taken, why=decision.why)
        return model, record

    def _decide(self, model: Model, signal: DriftSignal, policy: Policy) -> DriftDecision:
        """Decide whether a signal starts a training.

        For a set, a partition and the schedule do so by themselves, and drift only if the policy says so.
        """
        if policy.set and signal.source in ("partition", "renew"):
            return DriftDecision(True, signal.why)
        if policy.drift is None or (policy.set and policy.set.training.on is not TrainOn.DRIFT):
            return DriftDecision(False, "the policy does not train the model because of drift")
        zone = self.context.config().timezone
        return decide_drift(model, signal, policy.drift, self.context.now(), zone)

    def _retraining(self, model: Model, signal: DriftSignal, policy: Policy) -> Retraining | None:
        """Return the retraining that a signal leads to, or None if there is nothing to train on."""
        if policy.set:
            arrived = signal.about if signal.source == "partition" else None
            return self.sets.begin(model, policy, signal.id, arrived)
        assert policy.drift is not None
        data, now = training_data(self.context, policy.drift), self.context.now()
        job = retrain_job(model.model, signal.id, 1)
        return (
            Retraining(signal=signal.id, job=job, compute=policy.drift.compute, data=data, since=now)
            if data
            else None
        )
