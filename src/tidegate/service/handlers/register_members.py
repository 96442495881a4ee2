"""RegisterMembers: have a job register the members of a champion set as models of their own."""

from dataclasses import dataclass

from tidegate.config.model_sets import ModelSet
from tidegate.domain.jobs.outcome import JobCancelled, JobCompleted, JobFailed, JobRunning, ResubmitJob
from tidegate.domain.lifecycle.promotion import champion_source
from tidegate.domain.lifecycle.records import MemberRegistration, Model
from tidegate.domain.model_sets.jobs import plan_registration, registration_job
from tidegate.errors import PermanentError
from tidegate.log import Log
from tidegate.messages.commands import Follows, Next, RegisterMembers
from tidegate.service.context import ServiceContext
from tidegate.service.job_runner import ClusterNotReady, JobRunner, JobSubmitted, SubmissionRefused
from tidegate.service.retry import FIRST_LOOK, look_again

log = Log(__name__)

_DEVELOPMENT = "development"


@dataclass(frozen=True)
class RegisterMembersHandler:
    """The job leaves registered members as they are, so each attempt goes on where the last one ended.

    A failed job fails the command. Only a replay of the command submits the next attempt.
    """

    context: ServiceContext
    runner: JobRunner

    def handle(self, command: RegisterMembers) -> Follows:
        policy, model = self.context.policy(command.model), self.context.ledger.model(command.model)
        set = policy.set if policy else None
        if set is None or set.registered != "each" or champion_source(model) != command.version:
            return []
        if model.members_of == command.version:
            return []
        registration = self._current(command, model, set)
        job = self.context.ledger.job(_DEVELOPMENT, registration_job(model.model, registration))
        if job is None:
            return self._submit(command, model, registration)
        outcome = self.runner.look(job, set)
        follows: Follows = []
        match outcome:
            case JobRunning():
                return []
            case JobCompleted():
                self._save(model, None, members_of=command.version)
                log.info("members_registered", model=model.model, version=command.version)
            case ResubmitJob():
                self._save(model, _next(registration, compute=outcome.compute))
                follows = [Next(command)]
            case JobCancelled(reason) | JobFailed(reason):
                self._save(model, _next(registration, error=f"{job.name}: {reason}"))
        self.runner.end(job, outcome)
        if model.registering and model.registering.error:
            raise PermanentError(model.registering.error)
        return follows

    def _current(self, command: RegisterMembers, model: Model, set: ModelSet) -> MemberRegistration:
        """Return the registration that is under way, saved, or that of another version than before."""
        registration = model.registering
        if registration is None or registration.version != command.version:
            registration = MemberRegistration(
                version=command.version, compute=set.compute, since=self.context.now()
            )
        if registration is not model.registering or registration.error:
            registration = registration.model_copy(update={"error": None})
            self._save(model, registration)
        return registration

    def _submit(self, command: RegisterMembers, model: Model, registration: MemberRegistration) -> Follows:
        source = self.context.development.models.find(model.model, registration.version)
        if source is None:
            raise PermanentError(f"development no longer has {model.model}:{registration.version}")
        match self.runner.submit(_DEVELOPMENT, plan_registration(source, registration), command.cause):
            case ClusterNotReady():
                return look_again(command, self.context.now() - registration.since)
            case SubmissionRefused() as refused:
                self._save(model, _next(registration, error=refused.reason))
                raise PermanentError(refused.reason)
            case JobSubmitted():
                return [Next(command, FIRST_LOOK)]

    def _save(
        self, model: Model, registration: MemberRegistration | None, *, members_of: str | None = None
    ) -> None:
        model.registering = registration
        model.members_of = members_of or model.members_of
        self.context.ledger.save(model)


def _next(
    registration: MemberRegistration, *, compute: str | None = None, error: str | None = None
) -> MemberRegistration:
    changes = {
        "attempt": registration.attempt + 1,
        "compute": compute or registration.compute,
        "error": error,
    }
    return registration.model_copy(update=changes)
