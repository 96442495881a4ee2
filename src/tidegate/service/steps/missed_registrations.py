"""Registered versions that nobody told of, of each model with a policy. Judges nothing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidegate.config.schema import Config
from tidegate.domain.lifecycle.lineage import SOURCE_TAG
from tidegate.domain.lifecycle.records import Model
from tidegate.errors import NotFoundError, PermanentError, TransientError
from tidegate.log import Log
from tidegate.messages.commands import JudgeModel
from tidegate.service.context import ServiceContext

if TYPE_CHECKING:
    from tidegate.cloud.models import ListedModel

log = Log(__name__)

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_MOST = 20  # of the newest are looked at
_BEFORE = timedelta(minutes=10)  # a policy is first seen some minutes after it began


@dataclass(frozen=True, kw_only=True)
class MissedRegistrations:
    """Events that were lost, and the newest model that was there before its policy, are found here."""

    context: ServiceContext

    def find(self, config: Config, cause: str) -> Iterator[JudgeModel]:
        """The oldest first. Nothing else that is unfinished waits until Azure ML answers."""
        known = {record.model: record for record in self.context.ledger.models()}
        for model, record in known.items():
            if model not in config.models and record.policy_since:
                self._date(record, None)
        for model in config.models:
            try:
                versions = self._find_of(known.get(model) or Model(model=model))
            except (TransientError, PermanentError) as error:
                log.warning("registrations_not_seen", model=model, error=error)
            else:
                yield from (JudgeModel(cause=cause, model=model, version=one) for one in versions)

    def _find_of(self, model: Model) -> list[str]:
        since = model.policy_since or self._date(model, self.context.now() - _BEFORE)
        found = _candidates(self._newest(model.model), since)
        return [one for one in found if self.context.ledger.model_version(model.model, one) is None]

    def _newest(self, model: str) -> "list[ListedModel]":
        try:
            return self.context.development.models.newest(model, _MOST)
        except NotFoundError:
            return []

    def _date(self, model: Model, since: datetime | None) -> datetime | None:
        """Note since when there is a policy: what was registered before that is left alone."""
        model.policy_since = since
        self.context.ledger.save(model)
        return since


def _candidates(newest: "list[ListedModel]", since: datetime | None) -> list[str]:
    """The newest of all, and what was registered since then; copies that we made are nobody's candidates."""
    theirs = [one for one in newest if SOURCE_TAG not in one.tags and _VERSION.fullmatch(one.version)]
    wanted = [*theirs[:1], *(one for one in theirs[1:] if since and one.created_at >= since)]
    return [one.version for one in reversed(wanted)]
