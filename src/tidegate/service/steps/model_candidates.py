"""Candidates: the versions in the development workspace that the gate can judge."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidegate.cloud.assets import datastore_path_of
from tidegate.config.schema import Config
from tidegate.domain.lifecycle.file_copy import Folder
from tidegate.domain.lifecycle.lineage import SOURCE_TAG
from tidegate.domain.lifecycle.records import Model, ModelSource, ModelVersion
from tidegate.domain.model_sets.facts import ASSEMBLED_TAG
from tidegate.errors import NotFoundError, PermanentError, TransientError
from tidegate.log import Log
from tidegate.messages.commands import JudgeModel
from tidegate.service.context import ServiceContext

if TYPE_CHECKING:
    from tidegate.cloud.models import ListedModel
    from tidegate.cloud.workspaces import WorkspaceClients

log = Log(__name__)

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_MAX_LISTED = 20
# The timer finds a new policy some minutes after the policy was written.
_POLICY_SEEN_AFTER = timedelta(minutes=10)


def read_candidate(workspace: "WorkspaceClients", name: str, version: str, at: datetime) -> ModelVersion:
    """Return a new record of a registered version. Raise NotFoundError if there is no such version."""
    model = workspace.models.find(name, version)
    if model is None:
        raise NotFoundError(f"development has no model {name}:{version}")
    source = ModelSource(
        run=model.run,
        uri=model.uri,
        tags=dict(model.tags),
        properties=dict(model.properties),
        data=workspace.jobs.input_data(model.run) if model.run else {},
    )
    return ModelVersion(model=name, version=version, registered_at=at, source=source)


def is_copy(record: ModelVersion) -> bool:
    """Return whether a promotion made this version."""
    return SOURCE_TAG in record.source.tags


def is_own_version(record: ModelVersion) -> bool:
    """Return whether the service registered this version: a copy, or the winners of an evaluation.

    It does not judge them.
    """
    return is_own(record.source.tags)


def is_own(tags: Mapping[str, str]) -> bool:
    """Return whether a version with these tags was registered by the service itself."""
    return SOURCE_TAG in tags or ASSEMBLED_TAG in tags


def files_of(workspace: "WorkspaceClients", uri: str) -> Folder:
    """Return the folder of a model's files. Raise PermanentError if they are not in a datastore."""
    return workspace.datastores.folder(*datastore_path_of(uri))


@dataclass(frozen=True)
class MissedRegistrations:
    """The search for registered versions whose event was lost.

    It also finds the newest version that was registered before its model had a policy.
    """

    context: ServiceContext

    def find(self, config: Config, cause: str) -> Iterator[JudgeModel]:
        """Yield a command for each missed version of the models with a policy, oldest versions first.

        If Azure ML does not answer for one model, the search goes on with the next model.
        """
        records = {record.model: record for record in self.context.ledger.models()}
        for model, record in records.items():
            if model not in config.models and record.policy_since:
                self._save_policy_since(record, None)
        for model in config.models:
            try:
                versions = self._find_versions(records.get(model) or Model(model=model))
            except (TransientError, PermanentError) as error:
                log.warning("missed_registrations_not_listed", model=model, error=error)
            else:
                yield from (JudgeModel(cause=cause, model=model, version=version) for version in versions)

    def _find_versions(self, model: Model) -> list[str]:
        since = model.policy_since or self._save_policy_since(model, self.context.now() - _POLICY_SEEN_AFTER)
        versions = _candidate_versions(self._newest(model.model), since)
        return [
            version for version in versions if self.context.ledger.model_version(model.model, version) is None
        ]

    def _newest(self, model: str) -> "list[ListedModel]":
        try:
            return self.context.development.models.newest(model, _MAX_LISTED)
        except NotFoundError:
            return []

    def _save_policy_since(self, model: Model, since: datetime | None) -> datetime | None:
        """Save the time since which the model has a policy. Of older versions only the newest is judged."""
        model.policy_since = since
        self.context.ledger.save(model)
        return since


def _candidate_versions(newest: "list[ListedModel]", since: datetime | None) -> list[str]:
    """Return the newest version and those registered after `since`, oldest first, without own ones."""
    originals = [model for model in newest if not is_own(model.tags) and _VERSION.fullmatch(model.version)]
    recent = [model for model in originals[1:] if since and model.created_at >= since]
    return [model.version for model in reversed([*originals[:1], *recent])]
