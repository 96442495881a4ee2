"""The rows that say what each cause led to. They are written while a command or a request is carried out."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from tidegate.cloud.table_rows import TableRows, row_key
from tidegate.domain.activities.activity import Activity
from tidegate.domain.effects import Act, Effect, changed_subject
from tidegate.domain.ledger_record import LedgerRecord
from tidegate.errors import ConflictError
from tidegate.messages.commands import Origin

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

EFFECTS = "tidegateEffects"
ACTIVITY = "activity"  # the command of the rows that say where an activity is


# The command or request that is being carried out, and the effects of it that are recorded already.
_act: ContextVar[tuple[Act, set[str]] | None] = ContextVar("act", default=None)


class EffectRows:
    """The effects of each cause. One is written before the first record of its subject is saved.

    So a crash leaves no record whose cause leads nowhere. A cause and a subject have one row for each
    command, so repetitions and many changes by one command write it once.
    """

    def __init__(self, *, account: str, credential: "TokenCredential") -> None:
        self._rows = TableRows(EFFECTS, Effect, account=account, credential=credential)

    @contextmanager
    def acting(self, act: Act | None) -> Iterator[None]:
        """Record what is saved inside the `with` block as effects of this command or request."""
        token = _act.set((act, set()) if act else None)
        try:
            yield
        finally:
            _act.reset(token)

    def note(self, record: LedgerRecord) -> None:
        """Record that the present command changes a record. Outside of a command this does nothing.

        An activity may have a cause of its own: a delivery has several events.
        """
        present, subject = _act.get(), changed_subject(record)
        if present is None or subject is None:
            return
        act, recorded = present
        effect = act.effect(subject)
        if isinstance(record, Activity):
            effect.cause, effect.activity = record.cause, record.id
        key = f"{effect.cause} {effect.id}"
        if key not in recorded:
            self.add(effect)
            recorded.add(key)

    def add_activity(self, activity: Activity) -> None:
        """Record where the activity of a short id is."""
        effect = Effect(cause=activity.short_id, command=ACTIVITY, subject=activity.subject, at=activity.at)
        effect.activity = activity.id
        self.add(effect)

    def add(self, effect: Effect) -> bool:
        """Record an effect unless it is recorded already. Return whether it was new."""
        try:
            self._rows.save(effect.cause, effect.id, effect)
        except ConflictError:
            return False
        return True

    def add_look(self, effect: Effect) -> None:
        """Record a look at a partition, with the ids of the first and the last event and their number.

        A further look of the same cause adds its events. The first and the last id lead to it, too.
        """
        origin = effect.origin
        if not self.add(effect) and origin is not None:
            self._add_events(effect, origin)
        for id in {origin.first, origin.last} if origin else ():
            if id and id != effect.cause:
                pointer = effect.model_copy(
                    update={"cause": id, "origin": None, "of": effect.cause, "etag": None}
                )
                self.add(pointer)

    def of(self, cause: str) -> list[Effect]:
        """Return what a cause led to, oldest first."""
        effects = self._rows.query("PartitionKey eq @key", key=row_key(cause))
        return sorted(effects, key=lambda effect: effect.at)

    def create(self) -> bool:
        return self._rows.create()

    def _add_events(self, effect: Effect, origin: Origin) -> None:
        known = self._rows.get(effect.cause, effect.id)
        if known is None or (known.origin and known.origin.last == origin.last):
            return
        known.origin = origin.after(known.origin)
        self._rows.save(known.cause, known.id, known)
