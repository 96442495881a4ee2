"""The model versions that something depends on, and what to do if one was archived or deleted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tidegate.config.schema import Config
from tidegate.config.types import WorkspaceRole
from tidegate.domain.lifecycle.records import LostVersion, Model, ModelVersion
from tidegate.domain.partitions.records import Partition

VersionState = Literal["active", "archived", "deleted"]


@dataclass(frozen=True)
class VersionKey:
    """A model version in one of the two workspaces."""

    workspace: WorkspaceRole
    model: str
    version: str


Uses = Mapping[VersionKey, Sequence[str]]


@dataclass(frozen=True)
class Changes:
    """What has changed: versions that were lost, and those whose loss is over. `lost` is the new record."""

    lost: list[LostVersion]
    new: list[LostVersion]
    over: list[LostVersion]


def versions_in_use(
    config: Config,
    models: Sequence[Model],
    versions: Sequence[ModelVersion],
    partitions: Sequence[Partition],
) -> dict[VersionKey, list[str]]:
    """Return each model version that something depends on, with what depends on it.

    `versions` and `partitions` may be all or those that are unfinished.
    """
    in_use: dict[VersionKey, list[str]] = {}
    for key, use in (*_of_models(config, models, versions), *_of_scorings(config, partitions)):
        in_use.setdefault(key, []).append(use)
    return in_use


def decide_changes(
    known: Sequence[LostVersion], states: Mapping[VersionKey, VersionState], uses: Uses, now: datetime
) -> Changes:
    """Decide what has changed for one model, from the states of its versions in use.

    A version without a state was not looked at, because nothing depends on it any more.
    """
    before = {(lost.workspace, lost.version): lost for lost in known}
    after = {
        (key.workspace, key.version): before.get((key.workspace, key.version))
        or LostVersion(
            workspace=key.workspace, version=key.version, what=state, since=now, uses=list(uses[key])
        )
        for key, state in states.items()
        if state != "active"
    }
    new = [lost for place, lost in after.items() if place not in before]
    over = [lost for place, lost in before.items() if place not in after]
    return Changes(list(after.values()), new, over)


def _of_models(
    config: Config, models: Sequence[Model], versions: Sequence[ModelVersion]
) -> Iterator[tuple[VersionKey, str]]:
    records = {(record.model, record.version): record for record in versions}
    for model in models:
        policy = config.models.get(model.model)
        if policy is None:
            continue
        rollout = policy.endpoint_rollout
        endpoint = f"deployment of the endpoint {rollout.endpoint}" if rollout else None
        for what, each in (("champion", model.champion), ("previous champion", model.previous)):
            if each is not None:
                yield VersionKey("production", model.model, each.version), what
                yield VersionKey("development", model.model, each.source), f"source of the {what}"
        if model.champion and endpoint:
            yield VersionKey("production", model.model, model.champion.version), endpoint
        if model.rolling:
            yield VersionKey("development", model.model, model.rolling), "challenger"
            record = records.get((model.model, model.rolling))
            copy = record.promotion.production_version if record and record.promotion else None
            if copy:
                yield VersionKey("production", model.model, copy), endpoint or "challenger"


def _of_scorings(config: Config, partitions: Sequence[Partition]) -> Iterator[tuple[VersionKey, str]]:
    for record in partitions:
        feed = config.feeds.get(record.feed)
        for claim in record.claims if feed else []:
            generation = claim.generation
            if feed and not generation.state.final:
                key = VersionKey(feed.workspace, generation.model_name, generation.model_version)
                yield key, f"scoring {record.feed} {claim.name}"
