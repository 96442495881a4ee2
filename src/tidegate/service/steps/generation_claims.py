"""Generations of a partition version: claim the next one, and end one, under the partition's ETag."""

from dataclasses import dataclass

from tidegate.config.schema import Feed
from tidegate.domain.activities import scoring_texts
from tidegate.domain.lifecycle.promotion import champion_in
from tidegate.domain.partitions.records import Claim, Generation, Partition, PartitionVersion
from tidegate.domain.partitions.result import Result, current_result
from tidegate.errors import NotFoundError, RefusedError
from tidegate.log import Log
from tidegate.messages.commands import AdvanceBackfill, Next
from tidegate.service.context import ServiceContext
from tidegate.service.retry import retry_on_conflict

log = Log(__name__)


@dataclass(frozen=True, kw_only=True)
class ScoringRequest:
    """A request to score a partition. The default is its latest version and the model of tidegate.yml."""

    feed: str
    partition: str
    version: int | None = None
    model: str | None = None  # `name` or `name:3`
    reason: str
    cause: str | None = None
    by: str | None = None
    idempotency_key: str | None = None
    backfill: str | None = None


class LiveGenerationError(RefusedError):
    """A request without an idempotency key, for a version that is being scored: perhaps a repetition."""

    def __init__(self, live: Claim) -> None:
        name, state = live.name, live.generation.state
        again = "To score the version once more all the same, send the request with an Idempotency-Key"
        super().__init__(
            409, "Conflict", f"{name} is being scored (state {state}): wait for its end. {again}"
        )


@dataclass(frozen=True)
class GenerationClaims:
    """The claims of new generations.

    The ETag lets only one of two competing claims succeed. The other one is tried again.
    """

    context: ServiceContext

    def claim(self, request: ScoringRequest) -> Claim:
        """Return a new generation, or the one that was claimed with the same idempotency key.

        Raise NotFoundError if there is no such feed, version or model, LiveGenerationError if the request has
        no key and the version is being scored, and ConflictError if other writers change the record all the
        time.
        """
        feed = self.context.config().feeds.get(request.feed)
        if feed is None:
            raise NotFoundError(f"tidegate.yml has no feed {request.feed}")
        return retry_on_conflict(lambda: self._claim(feed, request), f"{request.feed} {request.partition}")

    def _claim(self, feed: Feed, request: ScoringRequest) -> Claim:
        record = self.context.ledger.partition(request.feed, request.partition)
        if claim := record.claimed_with(request.idempotency_key):
            return claim
        version = _requested_version(record, request)
        if request.idempotency_key is None and (live := record.live_claim(version.number)):
            raise LiveGenerationError(live)
        return self.add(feed, record, version, request)

    def add(self, feed: Feed, record: Partition, version: PartitionVersion, request: ScoringRequest) -> Claim:
        """Add the version's next generation. The generation's model version is chosen here and recorded.

        Raise ConflictError if the record was changed by another writer.
        """
        generation = self.next_generation(feed, version, request)
        version.generations.append(generation)
        self.context.ledger.save(record)
        return Claim(record, version, generation)

    def next_generation(self, feed: Feed, version: PartitionVersion, request: ScoringRequest) -> Generation:
        """Return the generation that a request leads to, without claiming it.

        Raise NotFoundError if there is no model version.
        """
        name, _, pinned = (request.model or feed.score.model).partition(":")
        return Generation(
            number=len(version.generations) + 1,
            model_name=name,
            model_version=pinned or self.model_version(feed, name),
            compute=feed.score.compute,
            reason=request.reason,
            by=request.by,
            cause=request.cause,
            idempotency_key=request.idempotency_key,
            backfill=request.backfill,
            claimed_at=self.context.now(),
        )

    def model_version(self, feed: Feed, name: str) -> str:
        """Return the version of the model that scores the feed.

        This is the champion if the model's policy promotes, and else the newest version.
        Raise NotFoundError if there is none.
        """
        policy = self.context.policy(name)
        if policy is None or not policy.promotes:
            return self.context.workspace_of(feed).assets.newest_model(name)
        champion = champion_in(self.context.ledger.model(name), feed.workspace)
        if champion is None:
            raise NotFoundError(
                f"{name} has no champion yet, and its policy lets only a champion score partitions"
            )
        return champion


def end_generation(context: ServiceContext, claim: Claim, result: Result, cause: str) -> list[Next]:
    """Bring a generation to its final state. Return the commands that notify people and advance its backfill.

    Raise ConflictError if its record was changed by another writer: then read it again. The notification is
    built from the saved record, so that repeating it is safe.
    """
    generation = claim.generation
    generation.state, generation.error, generation.ended_at = result.state, result.why, context.now()
    if result.counts:
        claim.record.result = current_result(claim)
    context.ledger.save(claim.record)
    log.info("generation_ended", result=claim.name, state=result.state.value, why=result.why)
    return [context.announce(scoring_texts.generation_ended(claim, cause)), *advances_backfill(claim, cause)]


def advances_backfill(claim: Claim, cause: str) -> list[Next]:
    """Return the command that advances the backfill of a generation, if it belongs to one."""
    backfill = claim.generation.backfill
    if backfill is None:
        return []
    return [Next(AdvanceBackfill(cause=cause, feed=claim.record.feed, backfill=backfill))]


def _requested_version(record: Partition, request: ScoringRequest) -> PartitionVersion:
    version = record.version(request.version) if request.version else record.latest
    if version is None:
        missing = f"version {request.version}" if request.version else "version yet"
        raise NotFoundError(f"{request.feed} {request.partition} has no {missing}")
    return version
