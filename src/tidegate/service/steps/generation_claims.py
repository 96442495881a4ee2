"""Claims generations of a month version under its record's ETag, their model resolved. Launches nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tidegate.config.schema import Config, Feed
from tidegate.domain.lifecycle.promotion import champion_in
from tidegate.domain.partitions.records import Claim, Generation, Month, MonthVersion
from tidegate.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from tidegate.cloud.ledger import Ledger
    from tidegate.cloud.workspaces import ConfiguredWorkspaces

_ROUNDS = 10


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to be scored, and why. `version` None: the latest; `model` None: as configured."""

    feed: str
    month: str
    version: int | None = None
    model: str | None = None  # `name` or `name:3`
    reason: str
    idempotency_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class Claims:
    """Of two claims at the same time, one is written first; the other looks again."""

    config: Callable[[], Config]
    ledger: "Ledger"
    workspaces: "ConfiguredWorkspaces"
    now: Callable[[], datetime]

    def claim(self, wish: Wish) -> Claim:
        """A new generation, or the one that the same idempotency key already has.

        NotFoundError where there is no such feed, version or model; ConflictError where the record
        keeps being changed by others.
        """
        feed = self.config().feeds.get(wish.feed)
        if feed is None:
            raise NotFoundError(f"there is no feed {wish.feed}")
        for _ in range(_ROUNDS):
            record = self.ledger.month(wish.feed, wish.month)
            if found := record.claimed_with(wish.idempotency_key):
                return found
            try:
                return self.add(feed, record, _wanted(record, wish), wish)
            except ConflictError:
                continue
        raise ConflictError(f"{wish.feed} {wish.month} is being changed by others all the time")

    def add(self, feed: Feed, record: Month, version: MonthVersion, wish: Wish) -> Claim:
        """The version's next generation. The model is resolved here, once. ConflictError: look again."""
        name, _, pinned = (wish.model or feed.score.model).partition(":")
        generation = Generation(
            number=len(version.generations) + 1,
            model_name=name,
            model_version=pinned or self.model_version(feed, name),
            compute=feed.score.compute,
            reason=wish.reason,
            idempotency_key=wish.idempotency_key,
            claimed_at=self.now(),
        )
        version.generations.append(generation)
        self.ledger.save(record)
        return Claim(record, version, generation)

    def model_version(self, feed: Feed, name: str) -> str:
        """The champion of a model whose policy promotes, as the feed's workspace has it; else the newest.

        NotFoundError where there is none.
        """
        policy, role = self.config().models.get(name), feed.workspace
        if policy is None or not policy.promotes:
            return self.workspaces[role].assets.newest_model(name)
        champion = champion_in(self.ledger.model(name), role)
        if champion is None:
            raise NotFoundError(f"{name} has no champion yet; its policy lets no other version score months")
        return champion


def _wanted(record: Month, wish: Wish) -> MonthVersion:
    version = record.version(wish.version) if wish.version else record.latest
    if version is None:
        which = f"version {wish.version}" if wish.version else "version yet"
        raise NotFoundError(f"{wish.feed} {wish.month} has no {which}")
    return version
