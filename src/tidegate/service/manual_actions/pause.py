"""Pause and resume a feed, a model or everything because a person requests it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from tidegate.domain.activities import pause_texts
from tidegate.domain.activities.activity import Activity
from tidegate.domain.pauses import EVERYTHING, Pause, Target, WaitingCommand, budget_target, is_budget
from tidegate.errors import ConflictError, RefusedError
from tidegate.log import Log
from tidegate.service.context import ServiceContext
from tidegate.service.manual_actions.requester import Reason, Requester, RequesterName
from tidegate.service.retry import send_or_leave_to_timer
from tidegate.service.steps.pause_gate import CurrentPauses
from tidegate.service.steps.waiting_work import WaitingWork

if TYPE_CHECKING:
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)


class PauseRequest(BaseModel):
    """A person's request to pause a feed, a model or everything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: Target = Field(description="`feed:digits`, `model:classifier` or `all`.")
    by: RequesterName = None
    reason: Reason


class ResumeRequest(BaseModel):
    """A person's request to end a pause."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: Target = Field(description="As listed by GET /api/pauses.")
    by: RequesterName = None


@dataclass(frozen=True)
class PausedWork:
    """A pause with the commands that wait for its end, oldest first."""

    pause: Pause
    waiting: list[WaitingCommand]


@dataclass(frozen=True)
class PauseService:
    """A pause is a row in the ledger. Commands that would start work wait in the ledger until it is gone."""

    context: ServiceContext
    queue: "WorkQueue"
    current: CurrentPauses
    waiting: WaitingWork

    def pauses(self) -> list[PausedWork]:
        """Return the pauses with what waits for each, the longest pause first."""
        rows = self.context.ledger.waiting()
        return [
            PausedWork(pause, [row for row in rows if row.target == pause.target])
            for pause in sorted(self.current.all(), key=lambda pause: pause.since)
        ]

    def pause(self, request: PauseRequest, requester: Requester) -> Pause:
        """Pause the target and return its pause. If it is paused already, that pause stays as it is.

        Raise RefusedError if there is no such feed or model.
        """
        if is_budget(request.target):
            detail = "Only the service pauses because of a budget: pause the feed or the model"
            raise RefusedError(409, "Conflict", detail)
        self._check_target(request.target)
        pause = Pause(
            target=request.target,
            by=requester.by,
            by_source=requester.source,
            reason=request.reason,
            since=self.context.now(),
        )
        with self.context.requested(pause_texts.cause_of(pause), requester.origin("pause", request.reason)):
            try:
                self.context.ledger.save(pause)
            except ConflictError:
                known = self.context.ledger.pause(request.target)
                if known is None:  # it ended just now
                    raise
                pause = known
            self.current.all()
            self._announce(pause_texts.paused(pause))
        log.info("paused", target=pause.target, since=pause.since.isoformat())
        return pause

    def resume(self, target: str, requester: Requester) -> int:
        """End the pause of a target, and send what waited. Return how many commands were sent.

        The stop of its used up budget ends, too.
        The order is: announcement, pause, then each command and its row. A repetition continues.
        Raise RefusedError if the target is not paused and nothing waits.
        """
        targets = [target, *([] if is_budget(target) or target == EVERYTHING else [budget_target(target)])]
        ended = [self._end(each, requester) for each in targets]
        if not any(ended):
            raise RefusedError(409, "Conflict", f"{target} is not paused: GET /api/pauses lists what is")
        self.current.all()
        sent = sum(self.waiting.release(self.context.ledger.waiting(each)) for each in targets)
        log.info("resumed", target=target, sent=sent)
        return sent

    def _end(self, target: str, requester: Requester) -> bool:
        """Delete the pause of a target. Return whether there was one, or something that waits for its end."""
        pause, waiting = self.context.ledger.pause(target), self.context.ledger.waiting(target)
        if pause:
            with self.context.requested(pause_texts.cause_of(pause), requester.origin("resume")):
                self._announce(pause_texts.resumed(pause, requester.by, self.context.now()))
            self.context.ledger.delete(pause)
        return pause is not None or bool(waiting)

    def _announce(self, activity: Activity) -> None:
        send_or_leave_to_timer(self.queue, self.context.announce(activity).command)

    def _check_target(self, target: str) -> None:
        kind, _, name = target.partition(":")
        known = self.context.config().feeds if kind == "feed" else self.context.config().models
        if target != EVERYTHING and name not in known:
            detail = f"tidegate.yml has no {kind} {name!r}; it has: {', '.join(known) or 'none'}"
            raise RefusedError(404, "Not found", detail)
