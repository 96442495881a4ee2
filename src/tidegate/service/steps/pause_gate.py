"""The gate before the handlers: it holds commands that would start work of something that is paused."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidegate.domain.jobs.plan import job_name
from tidegate.domain.lifecycle.promotion import BeginPromotion, ContinueCopy, decide_promotion
from tidegate.domain.lifecycle.records import ModelState
from tidegate.domain.lifecycle.rollout import decide_step
from tidegate.domain.lifecycle.rollout_steps import CreateDeployment, CreateEndpoint, SetTraffic
from tidegate.domain.partitions.records import ScoringState
from tidegate.domain.pauses import EVERYTHING, Pause, budget_target, target_of
from tidegate.messages.commands import (
    AdvanceRollout,
    AnyCommand,
    JudgeModel,
    PromoteModel,
    RetrainModel,
    ScorePartition,
)
from tidegate.service.context import ServiceContext
from tidegate.service.steps.backfill_claims import is_cancelled

if TYPE_CHECKING:
    from tidegate.cloud.ledger import Ledger

REMEMBERED = timedelta(seconds=5)


class CurrentPauses:
    """The pauses of the ledger. A process reads them at most once in five seconds while nothing is paused."""

    def __init__(self, ledger: "Ledger", now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._now = now
        self._read: tuple[datetime, frozenset[str]] | None = None

    def of(self, target: str) -> str | None:
        """Return the target of the pause that includes `target`, or None.

        A pause is read again before it holds anything, so that a command that comes after the end of a pause
        is not held.
        """
        read = self._read
        if read is not None and self._now() - read[0] < REMEMBERED and not _including(read[1], target):
            return None
        return _including(frozenset(pause.target for pause in self.all()), target)

    def all(self) -> list[Pause]:
        """Read the pauses, and remember their targets."""
        pauses = self._ledger.pauses()
        self._read = (self._now(), frozenset(pause.target for pause in pauses))
        return pauses


@dataclass(frozen=True)
class PauseGate:
    """The decision whether a command has to wait.

    A job that runs is brought to its end, also by another attempt after its nodes were lost. A rollout is
    watched and taken back, and its traffic is not increased.
    """

    context: ServiceContext
    pauses: CurrentPauses

    def holding(self, command: AnyCommand) -> str | None:
        """Return the target of the pause that holds a command, or None if it can be carried out now."""
        target = target_of(command)
        pause = self.pauses.of(target) if target else None
        return pause if pause and self._starts_work(command) else None

    def _starts_work(self, command: AnyCommand) -> bool:
        match command:
            case ScorePartition():
                return self._starts_scoring(command)
            case JudgeModel():
                return self._starts_evaluation(command)
            case PromoteModel():
                return self._starts_promotion(command)
            case AdvanceRollout():
                return self._starts_rollout_step(command)
            case RetrainModel():
                return self._starts_retraining(command)
        return False

    def _starts_scoring(self, command: ScorePartition) -> bool:
        record = self.context.ledger.partition(command.feed, command.partition)
        claim = record.claim(command.version, command.generation)
        if claim is None:
            return True
        if claim.generation.state is not ScoringState.CLAIMED or claim.generation.attempt > 1:
            return False
        if is_cancelled(self.context, claim):
            return False
        jobs = self.context.workspace_of(self.context.feed(command.feed)).jobs
        return not jobs.exists(job_name(claim))  # it may be submitted and not yet recorded

    def _starts_evaluation(self, command: JudgeModel) -> bool:
        record = self.context.ledger.model_version(command.model, command.version)
        if record is None or record.state is ModelState.REGISTERED:
            return True
        if record.open_check and not record.being_judged:
            return True
        if not record.being_judged or record.evaluation is None:
            return False
        evaluation = record.evaluation
        return evaluation.attempt == 1 and not self.context.development.jobs.exists(evaluation.job)

    def _starts_promotion(self, command: PromoteModel) -> bool:
        policy = self.context.policy(command.model)
        record = self.context.ledger.model_version(command.model, command.version)
        if record is None or policy is None or policy.promote is None:
            return False
        model = self.context.ledger.model(command.model)
        step = decide_promotion(record, model, policy.promote, self.context.now())
        return isinstance(step, BeginPromotion | ContinueCopy)

    def _starts_rollout_step(self, command: AdvanceRollout) -> bool:
        policy = self.context.policy(command.model)
        record = self.context.ledger.model_version(command.model, command.version)
        if record is None or policy is None or policy.endpoint_rollout is None:
            return False
        progress = record.rollout
        if progress is None:
            return record.state is ModelState.CHALLENGER
        if progress.restoring or progress.phase not in ("deploying", "traffic"):
            return False
        endpoint = self.context.production.endpoints_of(progress.kind).get(progress.endpoint)
        action = decide_step(progress, endpoint, "", policy.endpoint_rollout, self.context.now())
        return isinstance(action, CreateEndpoint | CreateDeployment | SetTraffic)

    def _starts_retraining(self, command: RetrainModel) -> bool:
        retraining = self.context.ledger.model(command.model).retraining
        if retraining is None or retraining.signal != command.signal:
            return False
        return retraining.attempt == 1 and not self.context.development.jobs.exists(retraining.job)


def _including(paused: frozenset[str], target: str) -> str | None:
    return next((pause for pause in (target, budget_target(target), EVERYTHING) if pause in paused), None)
