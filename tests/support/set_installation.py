"""An installation whose feed trains a model set that scores the same feed, with handlers in this process."""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.clock import Clock
from tests.support.model_versions import ModelInstallation
from tidegate.domain.activities.subjects import model_subject
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.messages.commands import (
    AnyCommand,
    CheckJob,
    JudgeModel,
    Notify,
    PromoteModel,
    RetrainModel,
    ScorePartition,
)
from tidepool.cloud import Tidepool

SALES = "sales"


class SetInstallation(ModelInstallation):
    """The set has this policy. `pipelines` are files of components, which are registered."""

    def __init__(
        self, cloud: Tidepool, folder: Path, policy: dict[str, Any], pipelines: Sequence[Path], **feed: Any
    ) -> None:
        super().__init__(cloud, folder)
        self.configure(models={SALES: policy}, **feed)
        self.register_pipelines(pipelines)
        self.clock = Clock(datetime.now(UTC))
        self.served = self.service(self.clock)
        self.ledger = self.served.ledger

    def register_pipelines(self, files: Sequence[Path]) -> None:
        from azure.ai.ml import load_component

        for file in files:
            self.ml.components.create_or_update(load_component(file), version="1")

    def do(self, command: AnyCommand) -> list[AnyCommand]:
        follows = self.served.handlers[type(command)](command)
        return [step.command for step in follows if not isinstance(step.command, Notify)]

    def run(
        self, *given: AnyCommand, leave: tuple[type, ...] = (PromoteModel, ScorePartition)
    ) -> list[AnyCommand]:
        """Carry out commands and what follows, with the jobs in between; return those that are left."""
        queue, left = deque(given), []
        while queue:
            command = queue.popleft()
            if isinstance(command, leave):
                left.append(command)
                continue
            follows = self.do(command)
            self.cloud.settle(300)
            queue += [follow for follow in follows if follow != command or self.waits(command)]
        return left

    def waits(self, command: AnyCommand) -> bool:
        return isinstance(command, RetrainModel | JudgeModel | PromoteModel | CheckJob)

    def record_forecasts(self, partition: str) -> None:
        """Record that a partition was scored, so that its forecasts can be compared with actual values."""
        record = self.ledger.partition("stories", partition)
        record.result = f"{partition}-1-g1"
        self.ledger.save(record)
        folder = f"predictions/stories/{partition}/{partition}-1/g1"
        self.blobstore.upload_blob(f"{folder}/predictions.csv", b"")

    def version(self, version: str) -> ModelVersion:
        record = self.ledger.model_version(SALES, version)
        assert record is not None
        return record

    def activities(self) -> dict[str, Any]:
        return {activity.kind: activity for activity in self.ledger.activities(model_subject(SALES))}
