"""WeighDrift, RetrainModel: from a signal to a newly trained version, for the gate. Waits for nothing."""

from dataclasses import dataclass

from tidegate.config.model_policy import Drift
from tidegate.domain.activities import drift_texts as drift_news
from tidegate.domain.assets import BLOBSTORE
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
from tidegate.domain.lifecycle.retraining import retrain_job
from tidegate.domain.partitions.names import drift_path, result_order
from tidegate.errors import NotFoundError
from tidegate.log import Log
from tidegate.messages.commands import Follows, Next, RetrainModel, WeighDrift
from tidegate.service.context import ServiceContext

log = Log(__name__)


@dataclass(frozen=True, kw_only=True)
class WeighDriftHandler:
    """Signals and the one retraining of a model are claimed together, under its ETag."""

    context: ServiceContext

    def handle(self, command: WeighDrift) -> Follows:
        drift = self._drift(command.model)
        if drift is None:
            return []
        model, id = self.context.ledger.model(command.model), signal_id(command.source, command.of)
        record = next((one for one in model.signals if one.id == id), None)
        if record is None:
            signal = self._signal(command)
            if signal is None:
                log.info("no_signal", source=command.source, of=command.of)
                return []
            model, record = self._weigh(model, signal, drift)
        told = drift_news.signal_weighed(command.model, record, command.cause)
        news = [self.context.announce(told)] if told else []
        if model.retraining and model.retraining.signal == record.id:
            retrain = RetrainModel(cause=command.cause, model=command.model, signal=record.id)
            return [Next(retrain), *news]
        return news

    def _drift(self, model: str) -> Drift | None:
        policy = self.context.policy(model)
        return policy.drift if policy else None

    def _signal(self, command: WeighDrift) -> DriftSignal | None:
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
        """drift.json of a result `digits:202611-1-g1`; none where its pipeline does not measure."""
        name, _, result = of.partition(":")
        feed = self.context.config().feeds.get(name)
        if feed is None:
            return None
        version, generation = result_order(result)
        path = drift_path(name, result[:6], version, generation)
        try:
            return self.context.workspace_of(feed).datastores.read(BLOBSTORE, path)
        except NotFoundError:
            return None

    def _weigh(self, model: Model, signal: DriftSignal, drift: Drift) -> tuple[Model, SignalRecord]:
        """Decided and claimed in one write."""
        config, now = self.context.config(), self.context.now()
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
        self.context.ledger.save(model)
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
        feed = self.context.config().feeds[drift.feed]
        months = self.context.ledger.months(drift.feed) if feed.workspace == "development" else []
        versions = [f"{drift.feed}:{version}" for version in scored_months(months, drift.months)]
        return [*([drift.training] if drift.training else []), *versions]
