"""What failed for good, and how a person has it tried again. Decides nothing about what failed."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from pydantic import ValidationError

from tidegate.domain.activities.activity import Activity
from tidegate.errors import ConflictError, RefusedError
from tidegate.log import Log
from tidegate.messages.commands import FROM_REPLAY, AnyCommand, CheckMonth, decode
from tidegate.service.context import ServiceContext
from tidegate.service.inbox import Inbox
from tidegate.service.routing import Ignore, Meaning, Record, Reject, Send

if TYPE_CHECKING:
    from tidegate.cloud.blobs import RejectedEvents
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)

_ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class ReplayService:
    """A replayed event goes through the inbox again, a replayed command to the queue."""

    context: ServiceContext
    queue: "WorkQueue"
    inbox: Inbox
    rejected: "RejectedEvents"

    def listed(self, *, replayed: bool) -> list[Activity]:
        """Newest first; with `replayed`, those too that a person had tried again."""
        return [one for one in self.context.ledger.failures() if replayed or one.replayed_at is None]

    def find(self, id: str) -> Activity:
        """RefusedError where nothing failed under that id."""
        for failure in self.context.ledger.failures():
            if failure.short_id == id:
                return failure
        detail = f"Nothing failed under {id!r}; GET /api/failures lists what did, also what was replayed"
        raise RefusedError(404, "There is no such failure", detail)

    def replay(self, id: str) -> tuple[Activity, str]:
        """Send first, record second; the failure, and what came of it. A second time is harmless.

        RefusedError where it cannot help: it was not kept, or is still not understood.
        """
        failure = self.find(id)
        came = self._take_in(failure) if "blob" in failure.data else self._send_again(failure)
        log.info("failure_replayed", failure=id, subject=failure.subject, came=came)
        return self._record(failure), came

    def _take_in(self, failure: Activity) -> str:
        kept = json.loads(self.rejected.read(failure.data["blob"]))
        meanings = self.inbox.replay(kept["event"])
        for meaning in meanings:
            if isinstance(meaning, Reject):
                detail = f"{meaning.reason}. If it is right as it is, tidegate.yml has to fit it first"
                raise RefusedError(409, "The event is still not understood", detail)
        return "; ".join(map(_came, meanings)) or "it has no event in it"

    def _send_again(self, failure: Activity) -> str:
        command = _kept(failure).model_copy(
            update={"cause": f"{FROM_REPLAY}{uuid4()}", "tries": 0, "first_tried": None}
        )
        if isinstance(command, CheckMonth):
            command = command.model_copy(update={"due": None})  # one that waits may leave it to another
        self.queue.send(command)
        return f"{command.kind} is sent"

    def _record(self, failure: Activity) -> Activity:
        """Under its ETag, as people may be told of it meanwhile."""
        for _ in range(_ROUNDS):
            failure.replayed_at = self.context.now()
            try:
                self.context.ledger.save(failure)
            except ConflictError:
                failure = self.context.ledger.activity(failure.subject, failure.id) or failure
            else:
                return failure
        raise ConflictError(f"{failure.short_id} was replayed; that could not be recorded: look again")


def _kept(failure: Activity) -> AnyCommand:
    """The command that failed. RefusedError where it is not there, or no command of this version."""
    if not failure.replayable:
        detail = f"{failure.title}: {failure.text} Nothing was kept that could be tried again"
        raise RefusedError(409, "It cannot be replayed", detail)
    data = failure.data
    try:
        return decode(data["message"] if "message" in data else json.dumps(data["command"]))
    except ValidationError as error:
        detail = f"{failure.text}. If another version of the service wrote it, replay it with that one"
        raise RefusedError(409, "It is no command", detail) from error


def _came(meaning: Meaning) -> str:
    match meaning:
        case Send(command):
            return f"{command.kind} is sent"
        case Record(activity):
            return f"it is recorded: {activity.title}"
        case Reject(_, reason) | Ignore(reason):
            return f"nothing, as {reason}"
