"""A person has a month scored again: a new generation, claimed before the answer. Submits no job."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tidegate.config.schema import Feed
from tidegate.domain.jobs.plan import model_problem
from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.records import Claim, Month
from tidegate.errors import NotFoundError, PermanentError, RefusedError, TransientError
from tidegate.log import Log
from tidegate.messages.commands import ScoreMonth
from tidegate.service.context import ServiceContext
from tidegate.service.manual_actions.requester import Words
from tidegate.service.steps.generation_claims import GenerationClaims, ScoringRequest
from tidegate.service.steps.partition_versions import PartitionVersions

if TYPE_CHECKING:
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)


class RerunRequest(BaseModel):
    """What to score again, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Words
    version: Annotated[int, Field(ge=1, strict=True)] | None = Field(
        default=None, description="Number of the month's version; without it, the latest."
    )
    model_version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,29}$")] | None = (
        Field(
            default=None, description="Which version of the feed's model; without it, as tidegate.yml says."
        )
    )


@dataclass(frozen=True, kw_only=True)
class RerunService:
    context: ServiceContext
    claims: GenerationClaims
    versions: PartitionVersions
    queue: "WorkQueue"

    def request(self, feed: Feed, record: Month, wanted: RerunRequest, key: str | None) -> Claim:
        """Claim a generation and send its command; the same key again brings the same one.

        Of a month whose files changed, and whose policy makes no version of that, it is the next version's.
        RefusedError where the month has no such version, or the model is not there or does not fit.
        """
        claim = record.claimed_with(key) or self._claim(feed, record, wanted, key)
        if not _says_the_same(wanted, claim):
            detail = (
                f"It brought another request, which became {claim.name}: send a new request with a new key"
            )
            raise RefusedError(422, "This Idempotency-Key was used before", detail)
        self._send(claim)
        return claim

    def _claim(self, feed: Feed, record: Month, wanted: RerunRequest, key: str | None) -> Claim:
        refuse_version(record, wanted.version)
        model = self._model(feed, wanted.model_version)
        if wanted.version is None:
            self.versions.add_changed_files(feed, record, f"asked for: {wanted.reason}")
        wish = ScoringRequest(
            feed=record.feed,
            month=record.month,
            version=wanted.version,
            model=model,
            reason=wanted.reason,
            idempotency_key=key,
        )
        return self.claims.claim(wish)

    def _model(self, feed: Feed, wanted: str | None) -> str:
        """A model that is there and fits, as `name:version`: what does not is told before it is claimed."""
        assets = self.context.workspace_of(feed).assets
        name, _, pinned = feed.score.model.partition(":")
        try:
            version = wanted or pinned or self.claims.model_version(feed, name)
        except NotFoundError as error:
            raise RefusedError(422, "There is no such model", str(error)) from error
        try:
            problem = model_problem(assets.mlmodel(name, version))
        except NotFoundError as error:
            detail = f"{feed.workspace} has no version {version} of model {name}"
            raise RefusedError(422, "There is no such model", detail) from error
        except PermanentError as error:
            raise RefusedError(422, "The model cannot be used", str(error)) from error
        if problem:
            raise RefusedError(422, "The model does not fit", f"{name}:{version} scores no images: {problem}")
        return f"{name}:{version}"

    def _send(self, claim: Claim) -> None:
        """The claim is what counts: where the queue is away, the timer finds it."""
        if claim.generation.state.final:
            return
        command = ScoreMonth(cause=f"request-{uuid4()}", **claim.ids)
        try:
            self.queue.send(command)
        except TransientError as error:
            log.warning("rerun_left_to_timer", feed=command.feed, scoring=claim.name, error=error)
        else:
            log.info("rerun_sent", feed=command.feed, scoring=claim.name, cause=command.cause)


def refuse_version(record: Month, wanted: int | None) -> None:
    """RefusedError where the month has no such version, or it cannot be scored yet."""
    if not record.versions:
        detail = "The month is not complete yet, or before the feed starts: there is nothing to score"
        raise RefusedError(409, "The month has no version", detail)
    version = record.latest if wanted is None else record.version(wanted)
    there = ", ".join(version_name(record.month, one.number) for one in record.versions)
    if version is None:
        detail = f"{record.month} has no version {wanted}; it has {there}"
        raise RefusedError(404, "There is no such version", detail)
    if not version.registered:
        detail = f"{version_name(record.month, version.number)} is being registered; try again in a minute"
        raise RefusedError(409, "The version is not ready", detail)


def _says_the_same(wanted: RerunRequest, claim: Claim) -> bool:
    return (
        wanted.reason == claim.generation.reason
        and wanted.version in (None, claim.version.number)
        and wanted.model_version in (None, claim.generation.model_version)
    )
