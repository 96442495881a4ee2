"""RetrainModel: submit the retraining that a drift signal led to, and let the gate judge the new version."""

from collections.abc import Callable
from dataclasses import dataclass

from tidegate.config.model_policy import Drift
from tidegate.domain.activities import drift_texts
from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.jobs.outcome import JobCancelled, JobCompleted, JobFailed, JobRunning, ResubmitJob
from tidegate.domain.lifecycle.records import Model, Retraining
from tidegate.domain.lifecycle.retraining import plan_retraining, retrain_job
from tidegate.log import Log
from tidegate.messages.commands import Follows, JudgeModel, Next, RetrainModel
from tidegate.service.context import ServiceContext
from tidegate.service.job_runner import ClusterNotReady, JobRunner, JobSubmitted, SubmissionRefused
from tidegate.service.retry import FIRST_LOOK, look_again

log = Log(__name__)

_DEVELOPMENT = "development"


@dataclass(frozen=True)
class RetrainModelHandler:
    """A model has one retraining at a time.

    The model's row has the job's name, so that a repetition finds the job.
    """

    context: ServiceContext
    runner: JobRunner

    def handle(self, command: RetrainModel) -> Follows:
        policy, model = self.context.policy(command.model), self.context.ledger.model(command.model)
        drift, retraining = policy.drift if policy else None, model.retraining
        if drift is None or retraining is None or retraining.signal != command.signal:
            return []
        job = self.context.ledger.job(_DEVELOPMENT, retraining.job)
        if job is None:
            return self._submit(command, drift, model, retraining)
        outcome = self.runner.look(job, drift)
        match outcome:
            case JobRunning():
                return []
            case JobCompleted():
                follows = self._finish(command, model)
            case ResubmitJob():
                follows = self._prepare_next_attempt(command, model, retraining, outcome)
            case JobCancelled(reason):
                follows = self._give_up(model, drift_texts.retraining_cancelled, reason, command.cause)
            case JobFailed(reason):
                follows = self._give_up(model, drift_texts.retraining_failed, reason, command.cause)
        self.runner.end(job, outcome)
        return follows

    def _submit(self, command: RetrainModel, drift: Drift, model: Model, retraining: Retraining) -> Follows:
        plan = plan_retraining(command.model, drift, retraining)
        match self.runner.submit(_DEVELOPMENT, plan):
            case ClusterNotReady():
                return look_again(command, self.context.now() - retraining.since)
            case SubmissionRefused() as refused:
                return self._give_up(model, drift_texts.retraining_failed, refused.reason, command.cause)
            case JobSubmitted():
                return [Next(command, FIRST_LOOK), *self._announce_start(command, retraining)]

    def _announce_start(self, command: RetrainModel, retraining: Retraining) -> Follows:
        """Announce the first attempt. The next ones are announced as preemptions."""
        if retraining.attempt > 1:
            return []
        return [
            self.context.announce(drift_texts.retraining_started(command.model, retraining, command.cause))
        ]

    def _prepare_next_attempt(
        self, command: RetrainModel, model: Model, retraining: Retraining, outcome: ResubmitJob
    ) -> Follows:
        """Save the next attempt of a preempted or stuck retraining. The same command submits it.

        The notification of a stuck retraining has announced it already.
        """
        trigger = Trigger(self.context.now(), command.cause)
        activity = drift_texts.retraining_preempted(model.model, retraining, outcome, trigger)
        announced = [] if outcome.stuck else [self.context.announce(activity)]
        attempt = retraining.attempt + 1
        job = retrain_job(model.model, retraining.signal, attempt)
        changes = {"attempt": attempt, "job": job, "compute": outcome.compute}
        model.retraining = retraining.model_copy(update=changes)
        self.context.ledger.save(model)
        return [Next(command), *announced]

    def _give_up(
        self,
        model: Model,
        describe: Callable[[str, Retraining, str, Trigger], Activity],
        reason: str,
        cause: str,
    ) -> Follows:
        """Announce that the retraining failed or was cancelled, and let another signal retrain the model.

        The retraining still counts for the policy's cool-down and its limit of retrainings.
        """
        assert model.retraining is not None
        trigger = Trigger(self.context.now(), cause)
        announced = self.context.announce(describe(model.model, model.retraining, reason, trigger))
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
