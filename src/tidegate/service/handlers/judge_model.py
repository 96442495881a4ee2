"""JudgeModel: from a registered version to a verdict. Waits for nothing, and promotes nothing."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.config.model_policy import Policy
from tidegate.domain.activities import verdict_texts as news
from tidegate.domain.assets import BLOBSTORE
from tidegate.domain.jobs.outcome import (
    JobAttempt,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobRunning,
    ResubmitJob,
    decide_outcome,
)
from tidegate.domain.lifecycle.evaluation import decide_verdict, plan_evaluation, shortened, state_after
from tidegate.domain.lifecycle.evidence import EVIDENCE, Evidence, NoEvidence, number, read_evidence
from tidegate.domain.lifecycle.file_copy import files_fingerprint
from tidegate.domain.lifecycle.names import evaluation_folder, judge_job
from tidegate.domain.lifecycle.promotion import champion_source
from tidegate.domain.lifecycle.records import ModelState, ModelVersion
from tidegate.domain.lifecycle.rejudging import next_number
from tidegate.domain.lifecycle.verdict_records import Evaluation, RuleResult, Verdict
from tidegate.errors import NotFoundError, PermanentError
from tidegate.log import Log
from tidegate.messages.commands import Follows, JudgeModel, Next, PromoteModel
from tidegate.service.context import ServiceContext
from tidegate.service.retry import FIRST_LOOK, look_again
from tidegate.service.steps.model_candidates import files_of, is_copy, read_candidate

if TYPE_CHECKING:
    from tidegate.cloud.copies import BlobCopyClient

log = Log(__name__)

VERDICT = "verdict.json"


@dataclass(frozen=True, kw_only=True)
class JudgeModelHandler:
    """An evaluation is claimed under the version's ETag, then submitted under a derived name."""

    context: ServiceContext
    copies: "BlobCopyClient"

    def handle(self, command: JudgeModel) -> Follows:
        policy = self.context.policy(command.model)
        if policy is None:
            return []
        record = self.context.ledger.model_version(command.model, command.version)
        if record is None:
            return self._register(command, policy)
        match record.state:
            case ModelState.REGISTERED:
                return self._claim(command, policy, record)
            case ModelState.EVALUATING:
                return self._look(command, policy, record)
            case ModelState.PASSED:
                return _promotion(command, policy)
        return []

    def _register(self, command: JudgeModel, policy: Policy) -> Follows:
        """Into the ledger, unless it is a copy that we made ourselves."""
        record = read_candidate(self.context.development, command.model, command.version, self.context.now())
        if is_copy(record):
            return []
        told = self.context.announce(news.registered(record, command.cause))
        self.context.ledger.save(record)
        return [told, *self._claim(command, policy, record)]

    def _claim(self, command: JudgeModel, policy: Policy, record: ModelVersion) -> Follows:
        """The next evaluation, beside the champion of now."""
        record.evaluation = self._planned(policy, record, next_number(record))
        record.state = ModelState.EVALUATING
        self.context.ledger.save(record)
        return self._launch(command, policy, record, record.evaluation)

    def _planned(self, policy: Policy, record: ModelVersion, number: int) -> Evaluation:
        return Evaluation(
            number=number,
            job=judge_job(record.model, record.version, number, 1),
            data=policy.evaluate.data,
            champion=champion_source(self.context.ledger.model(record.model)),
            files=self._files(record) if policy.promote else None,
            submitted_at=self.context.now(),
        )

    def _files(self, record: ModelVersion) -> str:
        """Those that are judged, and so the only ones that may be promoted."""
        return files_fingerprint(
            self.copies.list_files(files_of(self.context.development, record.source.uri))
        )

    def _launch(
        self, command: JudgeModel, policy: Policy, record: ModelVersion, evaluation: Evaluation
    ) -> Follows:
        workspace, champion = self.context.development, evaluation.champion
        if champion and workspace.models.find(record.model, champion) is None:
            gone = f"the champion's version {champion} is no longer in development: roll back, or restore it"
            return self._conclude(command, policy, record, NoEvidence(gone))
        if not workspace.computes.is_ready(policy.evaluate.compute):
            return look_again(command, self.context.now() - evaluation.submitted_at)
        plan = plan_evaluation(policy, record, evaluation)
        pipeline = workspace.assets.newest_component(plan.pipeline)
        try:
            workspace.jobs.submit(plan, pipeline)
        except PermanentError as error:
            return self._conclude(command, policy, record, NoEvidence(f"it could not begin: {error}"))
        log.info("job_submitted", job=plan.job, compute=policy.evaluate.compute)
        return [Next(command, FIRST_LOOK)]

    def _look(self, command: JudgeModel, policy: Policy, record: ModelVersion) -> Follows:
        """What became of the evaluation's job; one that was claimed and is not there is submitted."""
        evaluation, jobs = record.evaluation, self.context.development.jobs
        assert evaluation is not None
        if not jobs.exists(evaluation.job):
            return self._launch(command, policy, record, evaluation)
        attempt = JobAttempt(evaluation.attempt, policy.evaluate.compute)
        match decide_outcome(jobs.get(evaluation.job), attempt):
            case JobRunning():
                return []
            case JobCompleted():
                return self._conclude(command, policy, record, self._evidence(record, evaluation))
            case ResubmitJob() as again:
                return self._resubmit(command, policy, record, again)
            case JobCancelled(reason) | JobFailed(reason):
                return self._conclude(command, policy, record, NoEvidence(reason))

    def _resubmit(
        self, command: JudgeModel, policy: Policy, record: ModelVersion, again: ResubmitJob
    ) -> Follows:
        evaluation = record.evaluation
        assert evaluation is not None
        told = self.context.announce(
            news.preempted(record, evaluation.job, again, self.context.now(), command.cause)
        )
        attempt = evaluation.attempt + 1
        job = judge_job(record.model, record.version, evaluation.number, attempt)
        record.evaluation = evaluation.model_copy(update={"attempt": attempt, "job": job})
        self.context.ledger.save(record)
        return [told, *self._launch(command, policy, record, record.evaluation)]

    def _evidence(self, record: ModelVersion, evaluation: Evaluation) -> Evidence | NoEvidence:
        folder = evaluation_folder(record.model, record.version, evaluation.number)
        try:
            return read_evidence(self.context.development.datastores.read(BLOBSTORE, folder + EVIDENCE))
        except NotFoundError:
            return NoEvidence(f"the evaluation completed and left no {EVIDENCE}")

    def _conclude(
        self, command: JudgeModel, policy: Policy, record: ModelVersion, seen: Evidence | NoEvidence
    ) -> Follows:
        """The verdict, or another evaluation where the champion is another one meanwhile."""
        assert record.evaluation is not None
        if champion_source(self.context.ledger.model(record.model)) != record.evaluation.champion:
            log.info("champion_changed", judged_beside=record.evaluation.champion)
            return self._claim(command, policy, record)
        training = self._training(policy, record)
        verdict = decide_verdict(policy.gate, record, seen, training, self.context.now())
        state = state_after(verdict)
        self._publish(record, verdict)
        told = self.context.announce(news.judged(record, verdict, state, command.cause))
        record.verdict, record.state = shortened(verdict), state
        record.error = None if verdict.passed else _why(verdict)
        self.context.ledger.save(record)
        log.info("model_judged", verdict=verdict.id, passed=verdict.passed, state=state.value)
        return [told, *(_promotion(command, policy) if state is ModelState.PASSED else ())]

    def _training(self, policy: Policy, record: ModelVersion) -> dict[str, float | None]:
        run = record.source.run
        if not policy.gate.training or not run:
            return {}
        return {name: number(value) for name, value in self.context.development.runs.metrics(run).items()}

    def _publish(self, record: ModelVersion, verdict: Verdict) -> None:
        """Where a data scientist looks: beside the evaluation's metrics and pictures, and on the model."""
        workspace = self.context.development
        if workspace.jobs.exists(verdict.job):
            content = verdict.model_dump_json(indent=2).encode()
            workspace.runs.attach(verdict.job, record.model, VERDICT, content)
        tags = {
            "tidegate_verdict": "passed" if verdict.passed else "failed",
            "tidegate_verdict_id": verdict.id,
            "tidegate_verdict_job": verdict.job,
            "tidegate_verdict_champion": verdict.champion or "none",
            "tidegate_verdict_mode": verdict.mode,
        }
        try:
            workspace.assets.tag_model(record.model, record.version, tags)
        except NotFoundError as error:  # deleted while it was judged
            log.warning("model_not_tagged", model=record.model, version=record.version, error=error)


def _promotion(command: JudgeModel, policy: Policy) -> Follows:
    if policy.promote is None:
        return []
    return [Next(PromoteModel(cause=command.cause, model=command.model, version=command.version))]


def _why(verdict: Verdict) -> str:
    failed = [line for line in verdict.rules if not line.passed]
    return "; ".join(f"{_about(line)}: {line.why}" for line in failed[:5])[:2000]


def _about(line: RuleResult) -> str:
    """`accuracy`, `accuracy [night]`; the rule's own name where it is about no metric."""
    return f"{line.metric} [{line.slice}]" if line.slice else line.metric or line.rule
