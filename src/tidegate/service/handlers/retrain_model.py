"""RetrainModel: submit the retraining that a drift signal led to, and let the gate judge the new version."""

from collections.abc import Callable
from dataclasses import dataclass

from tidegate.config.model_policy import Policy
from tidegate.domain.activities import comparison_texts, drift_texts
from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.jobs.outcome import JobCancelled, JobCompleted, JobFailed, JobRunning, ResubmitJob
from tidegate.domain.jobs.plan import JobPlan
from tidegate.domain.lifecycle.records import Model
from tidegate.domain.lifecycle.retraining import job_of, plan_retraining
from tidegate.domain.lifecycle.training_records import Retraining
from tidegate.domain.model_sets.comparison import comparison_folder
from tidegate.errors import PermanentError
from tidegate.log import Log
from tidegate.messages.commands import Follows, JudgeModel, Next, RetrainModel
from tidegate.service.context import ServiceContext
from tidegate.service.job_runner import ClusterNotReady, JobRunner, JobSubmitted, SubmissionRefused
from tidegate.service.retry import FIRST_LOOK, look_again
from tidegate.service.steps.set_trainings import SetTrainings

log = Log(__name__)

_DEVELOPMENT = "development"


@dataclass(frozen=True)
class RetrainModelHandler:
    """A model has one retraining at a time.

    The model's row has the job's name, so that a repetition finds the job.
    """

    context: ServiceContext
    runner: JobRunner
    sets: SetTrainings

    def handle(self, command: RetrainModel) -> Follows:
        policy, model = self.context.policy(command.model), self.context.ledger.model(command.model)
        clusters, retraining = policy.training if policy else None, model.retraining
        if policy is None or clusters is None or retraining is None or retraining.signal != command.signal:
            return []
        job = self.context.ledger.job(_DEVELOPMENT, retraining.job)
        if job is None:
            return self._submit(command, policy, model, retraining)
        outcome = self.runner.look(job, clusters)
        match outcome:
            case JobRunning():
                return []
            case JobCompleted() if retraining.comparison:
                follows = self._train_keys(command, model, retraining)
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

    def _submit(self, command: RetrainModel, policy: Policy, model: Model, retraining: Retraining) -> Follows:
        plan = self._plan(policy, model.model, retraining)
        if plan is None:
            reason = "it was begun under another policy: a model set is trained in another way than others"
            return self._give_up(model, drift_texts.retraining_failed, reason, command.cause)
        match self.runner.submit(_DEVELOPMENT, plan, command.cause):
            case ClusterNotReady():
                return look_again(command, self.context.now() - retraining.since)
            case SubmissionRefused() as refused:
                return self._give_up(model, drift_texts.retraining_failed, refused.reason, command.cause)
            case JobSubmitted():
                return [Next(command, FIRST_LOOK), *self._announce_start(command, retraining)]

    def _plan(self, policy: Policy, model: str, retraining: Retraining) -> JobPlan | None:
        """Plan the job, or return None if the policy became that of a model set, or ceased to be one."""
        if policy.set and retraining.manifest:
            return self.sets.plan(model, policy.set, retraining)
        if policy.drift and not (policy.set or retraining.manifest):
            return plan_retraining(model, policy.drift, retraining)
        return None

    def _train_keys(self, command: RetrainModel, model: Model, retraining: Retraining) -> Follows:
        """Begin to train the keys that a comparison found, or end the retraining if there are none."""
        try:
            outcome = self.sets.outcome(model.model, retraining)
        except PermanentError as error:
            return self._give_up(model, drift_texts.retraining_failed, str(error), command.cause)
        trigger = Trigger(self.context.now(), command.cause)
        folder = comparison_folder(model.model, retraining.signal)
        announced = self.context.announce(
            comparison_texts.forecasts_compared(model.model, retraining, outcome, trigger)
        )
        model.retraining = self.sets.after(model.model, retraining, outcome) if outcome.keys else None
        model.compared = folder
        self.context.ledger.save(model)
        log.info("forecasts_compared", model=model.model, compared=outcome.compared, keys=len(outcome.keys))
        return [announced, *([Next(command)] if outcome.keys else ())]

    def _announce_start(self, command: RetrainModel, retraining: Retraining) -> Follows:
        """Announce the first attempt. The next ones are announced as preemptions.

        A comparison is announced when it has found out which keys are trained.
        """
        if retraining.attempt > 1 or retraining.comparison:
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
        job = job_of(model.model, retraining, attempt)
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
