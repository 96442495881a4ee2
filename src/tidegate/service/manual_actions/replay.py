"""Replay failed work at a person's request: rejected events, and commands that failed permanently."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from tidegate.domain.activities.activity import Activity
from tidegate.domain.effects import Act
from tidegate.errors import RefusedError, UnreadableMessageError
from tidegate.log import Log
from tidegate.messages.commands import FROM_REPLAY, AnyCommand, CheckPartition, Origin, untried
from tidegate.messages.queue_messages import decode
from tidegate.service.context import ServiceContext
from tidegate.service.inbox import Inbox
from tidegate.service.manual_actions.requester import Requester, RequesterName, unnamed_origin
from tidegate.service.meanings import Ignore, Meaning, RecordActivity, Reject, Send
from tidegate.service.retry import retry_on_conflict

if TYPE_CHECKING:
    from tidegate.cloud.blobs import RejectedEvents
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)


class ReplayRequest(BaseModel):
    """A person's request to try a failure again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: RequesterName = None


@dataclass(frozen=True)
class ReplayService:
    """An event goes through the inbox again, a command goes to the queue again."""

    context: ServiceContext
    queue: "WorkQueue"
    inbox: Inbox
    rejected: "RejectedEvents"

    def failures(self, *, replayed: bool) -> list[Activity]:
        """Return the failures that a person has to handle, newest first.

        `replayed` includes those that were replayed already, and those whose work has succeeded since.
        """
        ledger = self.context.ledger
        return ledger.failures() if replayed else ledger.open_failures()

    def find(self, id: str) -> Activity:
        """Return the failure with this short id. Raise RefusedError if there is none."""
        ledger = self.context.ledger
        for effect in ledger.effects.of(id):
            activity = ledger.activity(effect.subject, effect.activity or "")
            if activity and activity.failed:
                return activity
        for failure in ledger.failures():  # an earlier release recorded it
            if failure.short_id == id:
                return failure
        detail = f"There is no failure {id!r}: GET /api/failures?all=true lists all of them"
        raise RefusedError(404, "Not found", detail)

    def replay(self, id: str, requester: Requester | None = None) -> tuple[Activity, str]:
        """Return the failure, marked as replayed, and what the replay did.

        Commands are sent before the failure is marked. So a second replay may send them again, which is
        harmless. Raise RefusedError if nothing was kept of the failure, or if it would fail in the same way.
        """
        failure, cause = self.find(id), f"{FROM_REPLAY}{uuid4()}"
        origin = unnamed_origin("replay", requester)
        if "blob" in failure.data:
            effect = self._replay_event(failure)
        else:
            effect = self._replay_command(failure, cause, origin)
        log.info("failure_replayed", failure=id, subject=failure.subject, effect=effect)
        act = Act(cause, "replay", self.context.now(), origin)
        self.context.ledger.effects.add(act.effect(failure.subject))
        return retry_on_conflict(lambda: self._mark_replayed(failure, origin.by), f"failure {id}"), effect

    def _replay_event(self, failure: Activity) -> str:
        kept = json.loads(self.rejected.read(failure.data["blob"]))
        meanings = self.inbox.replay(kept["event"])
        for meaning in meanings:
            if isinstance(meaning, Reject):
                reason = meaning.reason
                detail = f"The event is rejected again: {reason}. If the event is right, change tidegate.yml"
                raise RefusedError(409, "Conflict", detail)
        return "; ".join(map(_effect, meanings)) or "nothing, because the delivery has no event in it"

    def _replay_command(self, failure: Activity, cause: str, origin: Origin) -> str:
        kept = untried(_kept_command(failure))
        command = kept.model_copy(update={"cause": cause, "origin": origin})
        # With a due time, the check would do nothing if a later check is planned.
        if isinstance(command, CheckPartition):
            command = command.model_copy(update={"due": None})
        self.queue.send(command)
        return f"{command.kind} is sent"

    def _mark_replayed(self, failure: Activity, by: str | None) -> Activity:
        """Save the time of the replay in the current record, which a notification may have changed."""
        current = self.context.ledger.activity(failure.subject, failure.id) or failure
        current.replayed_at, current.replayed_by = self.context.now(), by
        self.context.ledger.save(current)
        return current


def _kept_command(failure: Activity) -> AnyCommand:
    """Return the command that failed. Raise RefusedError if it was not kept or cannot be read."""
    if not failure.replayable:
        detail = f"{failure.title}: {failure.text} Nothing was kept that could be replayed"
        raise RefusedError(409, "Conflict", detail)
    data = failure.data
    try:
        return decode(data["message"] if "message" in data else json.dumps(data["command"]))
    except UnreadableMessageError as error:
        detail = f"{error}. If another release wrote the command, deploy that release, then replay it"
        raise RefusedError(409, "Conflict", detail) from error


def _effect(meaning: Meaning) -> str:
    match meaning:
        case Send(command):
            return f"{command.kind} is sent"
        case RecordActivity(activity):
            return f"an activity is recorded: {activity.title}"
        case Reject(_, reason) | Ignore(reason):
            return f"nothing, as {reason}"
