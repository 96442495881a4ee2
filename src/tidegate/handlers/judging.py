"""JudgeModel: from a registered version to a verdict. Promotes nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tidegate.commands import Follows, JudgeModel
from tidegate.config import Config
from tidegate.log import Log

if TYPE_CHECKING:
    from tidegate.cloud.tables import Ledger
    from tidegate.cloud.workspaces import Workspaces


log = Log(__name__)


@dataclass(frozen=True, kw_only=True)
class Judging:
    config: Callable[[], Config]
    ledger: "Ledger"
    workspaces: "Workspaces"
    now: Callable[[], datetime]

    def judge_model(self, command: JudgeModel) -> Follows:
        version = self.ledger.model_version(command.model, command.version)
        log.info("model_looked_at", known=version is not None)
        return []
