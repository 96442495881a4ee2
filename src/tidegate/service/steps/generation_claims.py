"""Claim the generations of a month version, and end them, under the ETag of the month's record."""

from dataclasses import dataclass

from tidegate.config.schema import Feed
from tidegate.domain.activities import month_texts
from tidegate.domain.lifecycle.promotion import champion_in
from tidegate.domain.partitions.records import Claim, Generation, Month, MonthVersion
from tidegate.domain.partitions.result import Result, current_result
from tidegate.errors import ConflictError, NotFoundError
from tidegate.log import Log
from tidegate.messages.commands import Next
from tidegate.service.context import ServiceContext

log = Log(__name__)

_ROUNDS = 10


@dataclass(frozen=True, kw_only=True)
class ScoringRequest:
    """What is to be scored, and why. `version` None: the latest; `model` None: as configured."""

    feed: str
    month: str
    version: int | None = None
    model: str | None = None  # `name` or `name:3`
    reason: str
    idempotency_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class GenerationClaims:
    """Of two claims at the same time, one is written first; the other looks again."""

    context: ServiceContext

    def claim(self, wish: ScoringRequest) -> Claim:
        """A new generation, or the one that the same idempotency key already has.

        NotFoundError where there is no such feed, version or model; ConflictError where the record
        keeps being changed by others.
        """
        feed = self.context.config().feeds.get(wish.feed)
        if feed is None:
            raise NotFoundError(f"there is no feed {wish.feed}")
        for _ in range(_ROUNDS):
            record = self.context.ledger.month(wish.feed, wish.month)
            if found := record.claimed_with(wish.idempotency_key):
                return found
            try:
                return self.add(feed, record, _wanted(record, wish), wish)
            except ConflictError:
                continue
        raise ConflictError(f"{wish.feed} {wish.month} is being changed by others all the time")

    def add(self, feed: Feed, record: Month, version: MonthVersion, wish: ScoringRequest) -> Claim:
        """The version's next generation. The model is resolved here, once. ConflictError: look again."""
        name, _, pinned = (wish.model or feed.score.model).partition(":")
        generation = Generation(
            number=len(version.generations) + 1,
            model_name=name,
            model_version=pinned or self.model_version(feed, name),
            compute=feed.score.compute,
            reason=wish.reason,
            idempotency_key=wish.idempotency_key,
            claimed_at=self.context.now(),
        )
        version.generations.append(generation)
        self.context.ledger.save(record)
        return Claim(record, version, generation)

    def model_version(self, feed: Feed, name: str) -> str:
        """The champion of a model whose policy promotes, as the feed's workspace has it; else the newest.

        NotFoundError where there is none.
        """
        policy, role = self.context.policy(name), feed.workspace
        if policy is None or not policy.promotes:
            return self.context.workspaces[role].assets.newest_model(name)
        champion = champion_in(self.context.ledger.model(name), role)
        if champion is None:
            raise NotFoundError(f"{name} has no champion yet; its policy lets no other version score months")
        return champion


def _wanted(record: Month, wish: ScoringRequest) -> MonthVersion:
    version = record.version(wish.version) if wish.version else record.latest
    if version is None:
        which = f"version {wish.version}" if wish.version else "version yet"
        raise NotFoundError(f"{wish.feed} {wish.month} has no {which}")
    return version


def end_generation(context: ServiceContext, claim: Claim, result: Result, cause: str) -> Next:
    """Bring a generation to its final state, and return the command that notifies people of it.

    Raise ConflictError if its record was changed by another writer: then read it again. The notification is
    built from the saved record, so that repeating it is safe.
    """
    generation = claim.generation
    generation.state, generation.error, generation.ended_at = result.state, result.why, context.now()
    if result.counts:
        claim.record.result = current_result(claim)
    context.ledger.save(claim.record)
    log.info("generation_ended", result=claim.name, state=result.state.value, why=result.why)
    return context.announce(month_texts.generation_ended(claim, cause))
