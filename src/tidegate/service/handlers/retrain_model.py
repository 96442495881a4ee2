"""RetrainModel: submit the retraining that a drift signal led to, and let the gate judge the new version."""

from dataclasses import dataclass

from tidegate.config.model_policy import Drift
from tidegate.domain.activities import drift_texts
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
from tidegate.log import Log
from tidegate.messages.commands import Follows, JudgeModel, Next, RetrainModel
from tidegate.service.context import ServiceContext
from tidegate.service.retry import FIRST_LOOK, look_again
from tidegate.service.steps.pipeline_jobs import (
    ClusterNotReady,
    JobSubmitted,
    SubmissionRefused,
    submit_pipeline,
)

log = Log(__name__)


@dataclass(frozen=True)
class RetrainModelHandler:
    """A model has one retraining at a time.

    The model's row has the job's name, so that a repetition finds the job.
    """

    context: ServiceContext

    def handle(self, command: RetrainModel) -> Follows:
        policy, model = self.context.policy(command.model), self.context.ledger.model(command.model)
        drift, retraining = policy.drift if policy else None, model.retraining
        if drift is None or retraining is None or retraining.signal != command.signal:
            return []
        jobs = self.context.development.jobs
        if not jobs.exists(retraining.job):
            return self._submit(command, drift, model, retraining)
        match decide_outcome(jobs.get(retraining.job), JobAttempt(retraining.attempt, drift.compute)):
            case JobRunning():
                return []
            case JobCompleted():
                return self._finish(command, model)
            case ResubmitJob():
                return self._resubmit(command, drift, model, retraining)
            case JobCancelled(reason) | JobFailed(reason):
                return self._fail(command, model, retraining, reason)

    def _submit(self, command: RetrainModel, drift: Drift, model: Model, retraining: Retraining) -> Follows:
        plan = plan_retraining(command.model, drift, retraining)
        match submit_pipeline(self.context.development, plan, drift.compute):
            case ClusterNotReady():
                return look_again(command, self.context.now() - retraining.since)
            case SubmissionRefused(reason):
                return self._fail(command, model, retraining, reason)
            case JobSubmitted():
                activity = drift_texts.retraining_started(command.model, retraining, command.cause)
                return [Next(command, FIRST_LOOK), self.context.announce(activity)]

    def _resubmit(self, command: RetrainModel, drift: Drift, model: Model, retraining: Retraining) -> Follows:
        attempt = retraining.attempt + 1
        job = retrain_job(model.model, retraining.signal, attempt)
        model.retraining = retraining.model_copy(update={"attempt": attempt, "job": job})
        self.context.ledger.save(model)
        return self._submit(command, drift, model, model.retraining)

    def _fail(self, command: RetrainModel, model: Model, retraining: Retraining, reason: str) -> Follows:
        """Announce the failure, and let another signal retrain the model.

        The failed retraining still counts for the policy's cooldown and its limit of retrainings.
        """
        trigger = Trigger(self.context.now(), command.cause)
        activity = drift_texts.retraining_failed(model.model, retraining, reason, trigger)
        announced = self.context.announce(activity)
        model.retraining = None
        self.context.ledger.save(model)
        return [announced]

    def _finish(self, command: RetrainModel, model: Model) -> Follows:
        """Return the command that judges the new version, because its registration event may be lost."""
        version = self.context.development.assets.newest_model(model.model)
        model.retraining = None
        self.context.ledger.save(model)
        log.info("model_retrained", model=model.model, version=version)
        return [Next(JudgeModel(cause=command.cause, model=model.model, version=version))]
