"""The sections of tidegate.yml, except `models`: what each key means and allows."""

import hashlib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationInfo, field_validator, model_validator

from tidegate.config.access import Access
from tidegate.config.arrival import (
    CatchUp,
    Completion,
    Deadline,
    LateFiles,
)
from tidegate.config.costs import Budget, Prices, Retention
from tidegate.config.file_patterns import FilePatterns
from tidegate.config.model_policy import Policy
from tidegate.config.model_sets import TrainOn
from tidegate.config.path_pattern import PathPattern
from tidegate.config.score import Score
from tidegate.config.types import (
    Account,
    ActivityPattern,
    AssetName,
    Container,
    FeedName,
    Filled,
    FirstPartition,
    LocatedError,
    Section,
    WorkspaceRole,
)
from tidegate.config.workspaces import WorkspacePair
from tidegate.messages.partition_id import period_of


class FeedStorage(Section):
    """The storage container in which a feed's files arrive."""

    subscription: Filled
    resource_group: Filled
    account: Account
    container: Container

    @property
    def arm_id(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Storage/storageAccounts/{self.account}"
        )


class Feed(Section):
    """A stream of files that arrive month by month or day by day, and what is done with them."""

    storage: FeedStorage
    path: PathPattern
    only: FilePatterns = FilePatterns(("*",))
    starts: FirstPartition
    complete_when: list[Completion] = Field(min_length=1)
    deadline: Deadline | None = None
    late_files: LateFiles = LateFiles()
    catch_up: CatchUp = CatchUp()
    budget: Budget | None = None
    score: Score

    @field_validator("starts")
    @classmethod
    def _starts_as_the_path(cls, starts: str, info: ValidationInfo) -> str:
        path = info.data.get("path")
        if path and path.period != period_of(starts):
            example = (
                "20260115, because path has {dd}"
                if path.period == "day"
                else "202601, because path has no {dd}"
            )
            raise ValueError(f"write the first {path.period} in the form {example}")
        return starts

    @field_validator("deadline")
    @classmethod
    def _deadline_as_the_path(cls, deadline: Deadline | None, info: ValidationInfo) -> Deadline | None:
        path = info.data.get("path")
        if deadline is None or path is None:
            return deadline
        of, period = deadline.of, path.period
        if of and not of.endswith(period):
            raise ValueError(f"of: {of} does not fit path: write next_{period} or same_{period}")
        if period == "day" and deadline.day:
            raise ValueError("leave out day: a feed with {dd} in its path has a deadline for each day")
        if period == "month" and not deadline.day:
            raise ValueError("name the day of the month, 1 to 28, such as day: 5")
        return deadline

    def covers(self, partition: str) -> bool:
        """Return whether this is a month or day (as `path` says) from the feed's first one on."""
        return period_of(partition) == self.path.period and partition >= self.starts

    @property
    def workspace(self) -> WorkspaceRole:
        """Return the role of the workspace that has the feed's data assets, jobs and results."""
        return self.score.workspace


class Channel(Section):
    """A channel that receives notifications: of which kinds, and about which feeds and models."""

    url: Filled = Field(description="An Apprise URL.", repr=False)
    events: list[ActivityPattern] = Field(default=["*"], min_length=1)
    feeds: list[Filled] | None = Field(default=None, min_length=1, description="Names, with `*`.")
    models: list[Filled] | None = Field(default=None, min_length=1, description="Names, with `*`.")


class Config(Section):
    """The whole of tidegate.yml."""

    timezone: ZoneInfo = ZoneInfo("UTC")
    workspaces: WorkspacePair
    feeds: dict[FeedName, Feed] = Field(min_length=1)
    models: dict[AssetName, Policy] = Field(default={})
    notify: list[Channel] = Field(default=[])
    prices: Prices | None = None
    retention: Retention | None = None
    access: Access = Access()

    @model_validator(mode="after")
    def _folders_are_not_shared(self) -> "Config":
        owners: dict[tuple[str, str, str], str] = {}
        for name, feed in self.feeds.items():
            folder = (feed.storage.account, feed.storage.container, feed.path.text)
            other = owners.setdefault(folder, name)
            if other != name:
                raise ValueError(
                    f"feeds {other} and {name} read the same {'/'.join(folder)}: give each a path of its own"
                )
        return self

    @model_validator(mode="after")
    def _budgets_have_prices(self) -> "Config":
        for section, owners in (("feeds", self.feeds), ("models", self.models)):
            for name, owner in owners.items():
                if owner.budget and self.prices is None:
                    raise LocatedError("this needs the section prices", section, name, "budget")
        return self

    @model_validator(mode="after")
    def _models_exist_where_they_score(self) -> "Config":
        for name, feed in self.feeds.items():
            policy = self.models.get(feed.score.model)
            shared = policy and policy.promote and policy.promote.via == "registry"
            if shared and feed.workspace == "production":
                raise ValueError(
                    f"feed {name} scores in production, but {feed.score.model} is promoted via registry, "
                    "so production has no version of this model. Use via: workspace, or score in development"
                )
        return self

    @model_validator(mode="after")
    def _drift_names_a_feed(self) -> "Config":
        for name, policy in self.models.items():
            if policy.drift and policy.drift.feed not in self.feeds:
                feeds = ", ".join(self.feeds)
                raise ValueError(
                    f"models.{name}.drift.feed is {policy.drift.feed}, which is no feed; feeds are: {feeds}"
                )
        return self

    @model_validator(mode="after")
    def _channels_name_feeds_and_models(self) -> "Config":
        known = {"feeds": (*self.feeds,), "models": (*self.models, *_scoring_models(self.feeds.values()))}
        for number, channel in enumerate(self.notify):
            for key, names in known.items():
                for pattern in getattr(channel, key) or ():
                    if not any(fnmatchcase(name, pattern) for name in names):
                        problem = (
                            f"no {key[:-1]} is called {pattern}; {key} are: {', '.join(dict.fromkeys(names))}"
                        )
                        raise LocatedError(problem, "notify", number, key)
        return self

    @model_validator(mode="after")
    def _sets_name_a_feed(self) -> "Config":
        for name, policy in self.models.items():
            if policy.set is None:
                continue
            feed, key = self.feeds.get(policy.set.feed), ("models", name, "set", "feed")
            if feed is None:
                raise LocatedError(f"this is no feed; feeds are: {', '.join(self.feeds)}", *key)
            if feed.workspace == "production":
                raise LocatedError(
                    "only production reads this feed, and sets are trained in development", *key
                )
        return self

    @model_validator(mode="after")
    def _endpoints_are_not_shared(self) -> "Config":
        owners: dict[str, str] = {}
        for name, policy in self.models.items():
            rollout = policy.endpoint_rollout
            other = owners.setdefault(rollout.endpoint, name) if rollout else name
            if rollout and other != name:
                raise ValueError(
                    f"models {other} and {name} are rolled out to the same endpoint {rollout.endpoint}: "
                    "give each an endpoint of its own"
                )
        return self

    def feeds_in(self, role: str) -> dict[str, Feed]:
        """Return the feeds whose work is in the workspace of this role."""
        return {name: feed for name, feed in self.feeds.items() if feed.workspace == role}

    def sets_trained_at_partitions_of(self, feed: str) -> list[str]:
        """Return the models whose sets are trained when a partition of a feed is complete."""
        return [
            name
            for name, policy in self.models.items()
            if policy.set and policy.set.feed == feed and policy.set.training.on is TrainOn.PARTITION
        ]

    @property
    def digest(self) -> str:
        """Return a hash of the values, which reveals none of them. Comments do not change the hash."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def _scoring_models(feeds: Iterable[Feed]) -> Iterator[str]:
    """Yield the names of the models that score feeds, without their versions."""
    for feed in feeds:
        yield feed.score.model.partition(":")[0]
