"""Work that is stuck outside the work queue: dead letters of Event Grid, and the poison queue."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.domain.activities.subjects import dead_letter_subject
from tidegate.domain.effects import Act
from tidegate.errors import NotFoundError, TidegateError
from tidegate.log import Log
from tidegate.messages.commands import Origin
from tidegate.messages.event_parser import parse
from tidegate.service.context import ServiceContext

if TYPE_CHECKING:
    from tidegate.cloud.dead_letters import DeadLetterClient
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)

TAKEN_UP = "TakeUpDeadLetter"
_EACH_TIME = 50  # a tick of the timer takes up so many dead letters; the next tick continues


@dataclass(frozen=True)
class UndeliveredCounts:
    """The numbers of stuck messages and deliveries. The number of messages is approximate."""

    poison_messages: int
    dead_letters: int


@dataclass(frozen=True)
class UndeliveredWork:
    """The dead letters and the poison queue of an installation."""

    dead_letters: "DeadLetterClient"
    poison_queue: "WorkQueue"
    accept: Callable[[str], None]
    context: ServiceContext

    def count(self) -> UndeliveredCounts:
        """Count what is stuck. Raise TransientError if the storage is not available."""
        return UndeliveredCounts(self.poison_queue.count(), len(self.dead_letters.names()))

    def take_up(self) -> None:
        """Give dead letters to the inbox, and delete each one after the inbox has accepted it.

        An event that is rejected becomes a failure that can be replayed. A dead letter that cannot be
        accepted now stays for the next tick.
        """
        try:
            for name in self.dead_letters.names(_EACH_TIME):
                self._take_up(name)
        except TidegateError as error:
            log.warning("dead_letters_left", error=error)

    def _take_up(self, name: str) -> None:
        try:
            events = self.dead_letters.read(name)
        except NotFoundError:
            return
        self._record(events, name)
        self.accept(events)
        self.dead_letters.delete(name)
        log.info("dead_letter_taken_up", blob=name)

    def _record(self, events: str, name: str) -> None:
        """Record each event of a dead letter, before anything is done because of it."""
        for event in parse(events):
            act = Act(event.id, TAKEN_UP, self.context.now(), Origin(what=event.type))
            self.context.ledger.effects.add(act.effect(dead_letter_subject(name)))
