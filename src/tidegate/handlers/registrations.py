"""Registered versions that nobody told of: the newest of each model with a policy. Judges nothing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.commands import JudgeModel
from tidegate.config import Config
from tidegate.errors import NotThereError, PermanentError, TransientError
from tidegate.log import Log

if TYPE_CHECKING:
    from tidegate.cloud.tables import Ledger
    from tidegate.cloud.workspaces import Workspaces

log = Log(__name__)

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")


@dataclass(frozen=True, kw_only=True)
class Registrations:
    """An event that was lost, and the model that was there before its policy, are found here."""

    ledger: "Ledger"
    workspaces: "Workspaces"

    def unseen(self, config: Config, cause: str) -> Iterator[JudgeModel]:
        for model in config.models:
            version = self._newest(model)
            if version and self.ledger.model_version(model, version) is None:
                yield JudgeModel(cause=cause, model=model, version=version)

    def _newest(self, model: str) -> str | None:
        """Nothing else that is unfinished waits until Azure ML answers."""
        try:
            version = self.workspaces["development"].assets.newest_model(model)
        except NotThereError:
            return None
        except (TransientError, PermanentError) as error:
            log.warning("registrations_not_seen", model=model, error=error)
            return None
        return version if _VERSION.fullmatch(version) else None
