"""JudgeModel: evaluate a model version together with the champion, and record the gate's verdict."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.config.model_policy import NEWEST, Policy
from tidegate.domain.activities import verdict_texts
from tidegate.domain.activities.activity import Trigger
from tidegate.domain.jobs.outcome import JobCancelled, JobCompleted, JobFailed, JobRunning, ResubmitJob
from tidegate.domain.lifecycle.evaluation import plan_evaluation
from tidegate.domain.lifecycle.evidence import EVIDENCE, Evidence, NoEvidence, read_evidence
from tidegate.domain.lifecycle.file_copy import files_fingerprint
from tidegate.domain.lifecycle.names import evaluation_folder, judge_job
from tidegate.domain.lifecycle.promotion import champion_source
from tidegate.domain.lifecycle.records import ModelState, ModelVersion
from tidegate.domain.lifecycle.rejudging import next_evaluation
from tidegate.domain.lifecycle.verdict_records import DecoderCheck, Evaluation
from tidegate.log import Log
from tidegate.messages.commands import Follows, JudgeModel, Next
from tidegate.service.context import ServiceContext
from tidegate.service.job_runner import (
    ClusterNotReady,
    JobRunner,
    JobSubmitted,
    SubmissionRefused,
    read_output,
)
from tidegate.service.retry import FIRST_LOOK, look_again
from tidegate.service.steps.gate_conclusion import GateConclusion, promotion
from tidegate.service.steps.model_candidates import files_of, is_own_version, read_candidate
from tidegate.service.steps.set_versions import SetVersions

if TYPE_CHECKING:
    from tidegate.cloud.copies import BlobCopyClient

log = Log(__name__)

_DEVELOPMENT = "development"


@dataclass(frozen=True)
class JudgeModelHandler:
    """The evaluation is saved under the version's ETag before its job is submitted under a derived name."""

    context: ServiceContext
    copies: "BlobCopyClient"
    runner: JobRunner
    sets: SetVersions
    conclusion: GateConclusion

    def handle(self, command: JudgeModel) -> Follows:
        policy = self.context.policy(command.model)
        if policy is None:
            return []
        record = self.context.ledger.model_version(command.model, command.version)
        if record is None:
            return self._register(command, policy)
        match record.state:
            case _ if record.being_judged:
                return self._check_job(command, policy, record)
            case ModelState.REGISTERED:
                return self._begin(command, policy, record)
            case ModelState.PASSED:
                return promotion(command, policy, command.version)
        return self._judge_champion(command, policy, record, record.open_check) if record.open_check else []

    def _register(self, command: JudgeModel, policy: Policy) -> Follows:
        """Add the version to the ledger, unless the service itself registered it."""
        record = read_candidate(self.context.development, command.model, command.version, self.context.now())
        if is_own_version(record):
            return []
        if policy.set:
            self.sets.tag(record)
        announced = self.context.announce(verdict_texts.registered(record, command.cause))
        self.context.ledger.save(record)
        return [announced, *self._begin(command, policy, record)]

    def _begin(self, command: JudgeModel, policy: Policy, record: ModelVersion) -> Follows:
        """Save the next evaluation, which compares with the present champion, and submit its job."""
        champion = champion_source(self.context.ledger.model(record.model))
        files = self._fingerprint(record) if policy.promote else None
        evaluation = next_evaluation(policy, record, self.context.now(), champion, files)
        evaluation.cause = command.cause
        if policy.set and evaluation.data == NEWEST:
            evaluation = self.sets.with_holdout(record, policy.set, evaluation)
        record.evaluation, record.state, record.external = evaluation, ModelState.EVALUATING, None
        self.context.ledger.save(record)
        return self._submit(command, policy, record, evaluation)

    def _judge_champion(
        self, command: JudgeModel, policy: Policy, record: ModelVersion, check: DecoderCheck
    ) -> Follows:
        """Judge the champion by itself, because the image decoder changed. Its own verdict stays."""
        record.evaluation = next_evaluation(policy, record, self.context.now())
        record.evaluation.cause = command.cause
        check.evaluation = record.evaluation.number
        self.context.ledger.save(record)
        return self._submit(command, policy, record, record.evaluation)

    def _fingerprint(self, record: ModelVersion) -> str:
        """Return the fingerprint of the files that are judged. Only these files may be promoted."""
        folder = files_of(self.context.development, record.source.uri)
        return files_fingerprint(self.copies.list_files(folder))

    def _submit(
        self, command: JudgeModel, policy: Policy, record: ModelVersion, evaluation: Evaluation
    ) -> Follows:
        workspace, champion = self.context.development, evaluation.champion
        if champion and workspace.models.find(record.model, champion) is None:
            gone = f"the champion's version {champion} is no longer in development: roll back, or restore it"
            return self._conclude(command, policy, record, NoEvidence(gone))
        if evaluation.data == NEWEST:
            return self._conclude(
                command, policy, record, NoEvidence("no partition of the feed is complete yet")
            )
        plan = (
            self.sets.plan_evaluation(policy, policy.set, record, evaluation)
            if policy.set
            else plan_evaluation(policy, record, evaluation)
        )
        match self.runner.submit(_DEVELOPMENT, plan, command.cause):
            case ClusterNotReady():
                return look_again(command, self.context.now() - evaluation.submitted_at)
            case SubmissionRefused() as refused:
                return self._conclude(command, policy, record, NoEvidence(refused.reason))
            case JobSubmitted():
                return [Next(command, FIRST_LOOK)]

    def _check_job(self, command: JudgeModel, policy: Policy, record: ModelVersion) -> Follows:
        """Act on the state of the evaluation's job. Submit the job if it was not recorded."""
        evaluation = record.evaluation
        assert evaluation is not None
        job = self.context.ledger.job(_DEVELOPMENT, evaluation.job)
        if job is None:
            return self._submit(command, policy, record, evaluation)
        outcome = self.runner.look(job, policy.evaluate)
        match outcome:
            case JobRunning():
                return []
            case JobCompleted():
                follows = self._conclude(command, policy, record, self._evidence(record, evaluation))
            case ResubmitJob():
                follows = self._prepare_next_attempt(command, record, evaluation, outcome)
            case JobCancelled(reason):
                if record.open_check:
                    follows = self._conclude(command, policy, record, NoEvidence(reason))
                else:
                    follows = self._cancel(command, record, evaluation, reason)
            case JobFailed(reason):
                follows = self._conclude(command, policy, record, NoEvidence(reason))
        self.runner.end(job, outcome)
        return follows

    def _prepare_next_attempt(
        self, command: JudgeModel, record: ModelVersion, evaluation: Evaluation, outcome: ResubmitJob
    ) -> Follows:
        """Save the next attempt of a preempted or stuck evaluation. The same command submits it.

        The notification of a stuck evaluation has announced it already.
        """
        activity = verdict_texts.preempted(
            record, evaluation.job, outcome, Trigger(self.context.now(), command.cause)
        )
        announced = [] if outcome.stuck else [self.context.announce(activity)]
        attempt = evaluation.attempt + 1
        job = judge_job(record.model, record.version, evaluation.number, attempt)
        changes = {"attempt": attempt, "job": job, "compute": outcome.compute}
        record.evaluation = evaluation.model_copy(update=changes)
        self.context.ledger.save(record)
        return [Next(command), *announced]

    def _cancel(
        self, command: JudgeModel, record: ModelVersion, evaluation: Evaluation, reason: str
    ) -> Follows:
        """End an evaluation that a person cancelled, without a verdict. A person can request another."""
        trigger = Trigger(self.context.now(), command.cause)
        announced = self.context.announce(verdict_texts.cancelled(record, evaluation, reason, trigger))
        record.state, record.error = ModelState.CANCELLED, f"the evaluation was not completed: {reason}"
        self.context.ledger.save(record)
        return [announced]

    def _evidence(self, record: ModelVersion, evaluation: Evaluation) -> Evidence | NoEvidence:
        folder = evaluation_folder(record.model, record.version, evaluation.number)
        content = read_output(self.context.development, folder + EVIDENCE)
        if content is None:
            return NoEvidence(f"the evaluation completed and left no {EVIDENCE}")
        return read_evidence(content)

    def _conclude(
        self, command: JudgeModel, policy: Policy, record: ModelVersion, evidence: Evidence | NoEvidence
    ) -> Follows:
        """Record the verdict. If the champion changed during the evaluation, evaluate again instead."""
        assert record.evaluation is not None
        changed = champion_source(self.context.ledger.model(record.model)) != record.evaluation.champion
        if changed and not record.open_check:
            log.info("evaluation_outdated", judged_beside=record.evaluation.champion)
            return self._begin(command, policy, record)
        return self.conclusion.conclude(command, policy, record, evidence)
