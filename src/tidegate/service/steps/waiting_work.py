"""The commands that wait until a pause ends: hold them, and send them afterwards."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tidegate.domain.activities.subjects import command_subject
from tidegate.domain.pauses import WaitingCommand, waiting_command
from tidegate.errors import ConflictError
from tidegate.log import Log
from tidegate.messages.commands import AnyCommand
from tidegate.messages.queue_messages import decode
from tidegate.service.retry import retry_on_conflict

if TYPE_CHECKING:
    from tidegate.cloud.ledger import Ledger
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)


@dataclass(frozen=True)
class WaitingWork:
    """The waiting commands in the ledger. A command is sent first, and its row is deleted second."""

    ledger: "Ledger"
    queue: "WorkQueue"
    now: Callable[[], datetime]

    def hold(self, command: AnyCommand, target: str) -> None:
        """Record a command that waits for the end of a pause. A repetition changes the row's ETag.

        If the pause has ended in the meantime, the command is sent now: nothing else would send it.
        """
        waiting = waiting_command(command, target, command_subject(command), self.now())
        retry_on_conflict(lambda: self._save(waiting), f"waiting {waiting.what}")
        log.info("command_held", pause=target)
        if self.ledger.pause(target) is None:
            self.release(self.ledger.waiting(target))

    def release(self, waiting: Iterable[WaitingCommand]) -> int:
        """Send waiting commands, and delete their rows. Return how many were sent.

        A row that was changed in between belongs to a new pause, and stays.
        """
        sent = 0
        for row in waiting:
            self.queue.send(decode(row.command))
            sent += 1
            try:
                self.ledger.delete(row)
            except ConflictError:
                log.info("waiting_again", pause=row.target, what=row.what)
        return sent

    def release_left_over(self) -> None:
        """Send what waits for pauses that have ended. An interrupted end of a pause leaves such rows."""
        waiting = self.ledger.waiting()
        if not waiting:
            return
        paused = {pause.target for pause in self.ledger.pauses()}
        self.release(row for row in waiting if row.target not in paused)

    def _save(self, waiting: WaitingCommand) -> None:
        known = self.ledger.waiting_command(waiting.target, waiting.id)
        if known is None:
            self.ledger.save(waiting.model_copy())
        else:
            known.repeated += 1
            self.ledger.save(known)
