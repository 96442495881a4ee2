"""The end of an evaluation: the gate's verdict on a version or on the champion, recorded and announced."""

from dataclasses import dataclass
from datetime import timedelta

from tidegate.config.model_policy import Policy
from tidegate.domain.activities import champion_texts, verdict_texts
from tidegate.domain.activities.activity import Trigger
from tidegate.domain.lifecycle.decoder_check import with_check, with_verdict
from tidegate.domain.lifecycle.evaluation import decide_verdict, shortened, state_after
from tidegate.domain.lifecycle.evidence import Evidence, NoEvidence
from tidegate.domain.lifecycle.external_check import (
    AskPipeline,
    AwaitPipeline,
    ExternalDecided,
    decide_external,
)
from tidegate.domain.lifecycle.records import ModelState, ModelVersion
from tidegate.domain.lifecycle.verdict_records import DecoderCheck, RuleResult, Verdict
from tidegate.log import Log
from tidegate.messages.commands import Follows, JudgeModel, Next, PromoteModel
from tidegate.service.context import ServiceContext
from tidegate.service.retry import repeat_after
from tidegate.service.steps.set_versions import SetVersions
from tidegate.service.steps.verdict_publication import attach_verdict, publish_verdict

log = Log(__name__)

_LINES_OF_CHECK = 50
_LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True)
class GateConclusion:
    """The verdict on the evidence of an evaluation, and what follows from it."""

    context: ServiceContext
    sets: SetVersions

    def conclude(
        self, command: JudgeModel, policy: Policy, record: ModelVersion, evidence: Evidence | NoEvidence
    ) -> Follows:
        """Record and announce the verdict, and return the command of the promotion that follows."""
        if check := record.open_check:
            return self._conclude_check(command, policy, record, check, evidence)
        if _winners_differ(evidence) and (problem := self.sets.files_problem(record)):
            evidence = NoEvidence(problem)
        step = decide_external(
            policy.gate.external, record, self._verdict(policy, record, evidence), self.context.now()
        )
        if not isinstance(step, ExternalDecided):
            return self._await_pipeline(command, record, step)
        verdict = step.verdict
        verdict.cause = command.cause
        state, promoted = state_after(verdict), command.version
        if state is ModelState.PASSED and _winners_differ(evidence):
            promoted = self.sets.assemble(record, verdict).version
            state, record.assembled_into = ModelState.ASSEMBLED, promoted
        publish_verdict(self.context.development, record, verdict)
        announced = self.context.announce(verdict_texts.judged(record, verdict, state, command.cause))
        record.verdict, record.state = shortened(verdict), state
        record.error = None if verdict.passed else _failed_rules(verdict)
        self.context.ledger.save(record)
        log.info("model_judged", verdict=verdict.id, passed=verdict.passed, state=state.value)
        passed = state in (ModelState.PASSED, ModelState.ASSEMBLED)
        return [announced, *(promotion(command, policy, promoted) if passed else ())]

    def _await_pipeline(
        self, command: JudgeModel, record: ModelVersion, step: AskPipeline | AwaitPipeline
    ) -> Follows:
        """Ask the pipeline once, and look again when its time is over. Its answer sends the command, too."""
        check = step.check
        if isinstance(step, AskPipeline):
            record.external = check
            self.context.ledger.save(record)
        announced = self.context.announce(verdict_texts.awaits_external(record, check, command.cause))
        left = min(check.until - self.context.now(), _LONGEST_WAIT)
        return [announced, *repeat_after(command, left)]

    def _conclude_check(
        self,
        command: JudgeModel,
        policy: Policy,
        record: ModelVersion,
        check: DecoderCheck,
        evidence: Evidence | NoEvidence,
    ) -> Follows:
        """Record the verdict on the champion with the new image decoder, and notify people."""
        verdict = self._verdict(policy, record, evidence)
        verdict.cause = command.cause
        attach_verdict(self.context.development, record, verdict)
        ended = with_verdict(check, shortened(verdict, _LINES_OF_CHECK), _failed_rules(verdict))
        trigger = Trigger(self.context.now(), command.cause)
        announced = self.context.announce(champion_texts.champion_judged(record, ended, trigger))
        self.context.ledger.save(with_check(record, ended))
        log.info("champion_judged", decoder=check.decoder, passed=ended.problem is None)
        return [announced]

    def _verdict(self, policy: Policy, record: ModelVersion, evidence: Evidence | NoEvidence) -> Verdict:
        metrics = self._training_metrics(policy, record)
        return decide_verdict(policy.gate, record, evidence, metrics, self.context.now())

    def _training_metrics(self, policy: Policy, record: ModelVersion) -> dict[str, float | None]:
        """Return the metrics of the training run if the gate has rules for them."""
        run = record.source.run
        if not policy.gate.training or not run:
            return {}
        return self.context.development.runs.metrics(run)


def promotion(command: JudgeModel, policy: Policy, version: str) -> Follows:
    """Return the command that promotes a version that passed, if the policy promotes."""
    if policy.promote is None:
        return []
    return [Next(PromoteModel(cause=command.cause, model=command.model, version=version))]


def _winners_differ(evidence: Evidence | NoEvidence) -> bool:
    """Return whether the evaluation of a model set assembled another set than the candidate."""
    return isinstance(evidence, Evidence) and evidence.set is not None and evidence.set.winners_differ


def _failed_rules(verdict: Verdict) -> str:
    failed = [rule for rule in verdict.rules if not rule.passed]
    return "; ".join(f"{_rule_name(rule)}: {rule.why}" for rule in failed[:5])[:2000]


def _rule_name(rule: RuleResult) -> str:
    """Return `accuracy` or `accuracy [night]`, or the rule's own name if it has no metric."""
    return f"{rule.metric} [{rule.slice}]" if rule.slice else rule.metric or rule.rule
