"""Notice model versions in use that were archived or deleted behind the service's back, and restore them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidegate.config.schema import Config
from tidegate.domain.activities import lost_version_texts
from tidegate.domain.activities.activity import Trigger
from tidegate.domain.lifecycle.records import LostVersion, Model, ModelVersion
from tidegate.domain.lifecycle.versions_in_use import (
    Changes,
    Uses,
    VersionKey,
    VersionState,
    decide_changes,
    versions_in_use,
)
from tidegate.domain.partitions.records import Partition
from tidegate.errors import NotFoundError, PermanentError, TransientError
from tidegate.log import Log
from tidegate.messages.commands import AnyCommand
from tidegate.service.context import ServiceContext

log = Log(__name__)


@dataclass(frozen=True)
class ModelPresence:
    """The order is: record, announcement, restoration. So a repetition announces nothing twice."""

    context: ServiceContext

    def check(
        self,
        config: Config,
        models: Sequence[Model],
        versions: Sequence[ModelVersion],
        partitions: Sequence[Partition],
        cause: str,
    ) -> Iterator[AnyCommand]:
        """Yield the notifications about versions in use that are lost, or whose loss is over.

        One request for each version in use, and one for each model in a workspace: partitions share them. If
        Azure ML does not answer for one model, the others go on.
        """
        uses = versions_in_use(config, models, versions, partitions)
        records = {model.model: model for model in models}
        named = dict.fromkeys(
            [*(key.model for key in uses), *(name for name, each in records.items() if each.lost)]
        )
        for name in named:
            record = records.get(name) or Model(model=name)
            try:
                yield from self._check(record, {key: uses[key] for key in uses if key.model == name}, cause)
            except (TransientError, PermanentError, NotFoundError) as error:
                log.warning("versions_in_use_not_checked", model=name, error=error)

    def _check(self, record: Model, uses: Uses, cause: str) -> Iterator[AnyCommand]:
        states = self._states(uses)
        changes = decide_changes(record.lost, states, uses, self.context.now())
        if changes.new:
            record.lost = [*record.lost, *changes.new]
            self.context.ledger.save(record)
        yield from self._announce(record, changes, uses, cause)
        if changes.over:
            record.lost = changes.lost
            self.context.ledger.save(record)
        for key, state in states.items():
            if state == "archived":
                log.info("version_restored", model=key.model, version=key.version, workspace=key.workspace)
                self.context.workspaces[key.workspace].models.restore(key.model, key.version)

    def _states(self, uses: Uses) -> dict[VersionKey, VersionState]:
        places = dict.fromkeys((key.workspace, key.model) for key in uses)
        archived = {
            (workspace, model): self.context.workspaces[workspace].models.is_archived(model)
            for workspace, model in places
        }
        return {
            key: self.context.workspaces[key.workspace].models.state(
                key.model, key.version, as_archived=archived[key.workspace, key.model]
            )
            for key in uses
        }

    def _announce(self, record: Model, changes: Changes, uses: Uses, cause: str) -> Iterator[AnyCommand]:
        for version in [*changes.lost, *changes.over]:
            activity = lost_version_texts.lost(record.model, version, cause)
            if self.context.ledger.add_activity(activity):
                yield self.context.announce(activity).command
        for version in changes.over:
            in_use = _key(record, version) in uses
            trigger = Trigger(self.context.now(), cause)
            over = lost_version_texts.over(record.model, version, in_use=in_use, trigger=trigger)
            yield self.context.announce(over).command


def _key(record: Model, version: LostVersion) -> VersionKey:
    return VersionKey(version.workspace, record.model, version.version)
