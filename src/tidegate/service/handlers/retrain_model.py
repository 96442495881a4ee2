"""RetrainModel: submit the retraining that a drift signal led to, and have the new version judged."""

from dataclasses import dataclass

from tidegate.config.model_policy import Drift
from tidegate.domain.activities import drift_texts as drift_news
from tidegate.domain.activities.activity import Trigger
from tidegate.domain.jobs.outcome import (
    JobAttempt,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobRunning,
    ResubmitJob,
    decide_outcome,
)
from tidegate.domain.lifecycle.records import Model, Retraining
from tidegate.domain.lifecycle.retraining import plan_retraining, retrain_job
from tidegate.errors import PermanentError
from tidegate.log import Log
from tidegate.messages.commands import Follows, JudgeModel, Next, RetrainModel
from tidegate.service.context import ServiceContext
from tidegate.service.retry import FIRST_LOOK, look_again

log = Log(__name__)


@dataclass(frozen=True, kw_only=True)
class RetrainModelHandler:
    """The model's one retraining is in its row, with the job's derived name: a repetition finds that job."""

    context: ServiceContext

    def handle(self, command: RetrainModel) -> Follows:
        policy, model = self.context.policy(command.model), self.context.ledger.model(command.model)
        drift = policy.drift if policy else None
        begun = model.retraining
        if drift is None or begun is None or begun.signal != command.signal:
            return []
        if not self.context.development.jobs.exists(begun.job):
            return self._launch(command, drift, model, begun)
        match decide_outcome(
            self.context.development.jobs.get(begun.job), JobAttempt(begun.attempt, drift.compute)
        ):
            case JobRunning():
                return []
            case JobCompleted():
                return self._finish(command, model)
            case ResubmitJob():
                attempt = begun.attempt + 1
                job = retrain_job(model.model, begun.signal, attempt)
                model.retraining = begun.model_copy(update={"attempt": attempt, "job": job})
                self.context.ledger.save(model)
                return self._launch(command, drift, model, model.retraining)
            case JobCancelled(reason) | JobFailed(reason):
                return self._give_up(command, model, begun, reason)

    def _launch(self, command: RetrainModel, drift: Drift, model: Model, begun: Retraining) -> Follows:
        workspace = self.context.development
        if not workspace.computes.is_ready(drift.compute):
            return look_again(command, self.context.now() - begun.since)
        plan = plan_retraining(command.model, drift, begun)
        pipeline = workspace.assets.newest_component(plan.pipeline)
        try:
            workspace.jobs.submit(plan, pipeline)
        except PermanentError as error:
            return self._give_up(command, model, begun, f"it could not begin: {error}")
        log.info("job_submitted", job=plan.job, compute=drift.compute)
        told = self.context.announce(drift_news.retraining_started(command.model, begun, command.cause))
        return [Next(command, FIRST_LOOK), told]

    def _give_up(self, command: RetrainModel, model: Model, begun: Retraining, why: str) -> Follows:
        """It leaves its place to the next; that it began counts all the same."""
        trigger = Trigger(self.context.now(), command.cause)
        told = self.context.announce(drift_news.retraining_failed(model.model, begun, why, trigger))
        model.retraining = None
        self.context.ledger.save(model)
        return [told]

    def _finish(self, command: RetrainModel, model: Model) -> Follows:
        """The job registered the version itself; whether the event of that came or not, it is judged."""
        version = self.context.development.assets.newest_model(model.model)
        model.retraining = None
        self.context.ledger.save(model)
        log.info("model_retrained", model=model.model, version=version)
        return [Next(JudgeModel(cause=command.cause, model=model.model, version=version))]
