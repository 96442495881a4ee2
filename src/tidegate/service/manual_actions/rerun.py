"""Score a partition again because a person requests it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tidegate.config.schema import Feed
from tidegate.domain.partitions.names import version_name
from tidegate.domain.partitions.records import Claim, Partition
from tidegate.errors import RefusedError
from tidegate.log import Log
from tidegate.messages.commands import ScorePartition
from tidegate.service.context import ServiceContext
from tidegate.service.manual_actions.requester import Reason, Requester, RequesterName, unnamed_origin
from tidegate.service.retry import send_or_leave_to_timer
from tidegate.service.steps.generation_claims import GenerationClaims, ScoringRequest
from tidegate.service.steps.model_fit import requested_model
from tidegate.service.steps.version_registration import VersionRegistration

if TYPE_CHECKING:
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)

_MODEL_VERSION = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,29}$"


class RerunRequest(BaseModel):
    """A person's request to score a partition again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: RequesterName = None
    reason: Reason
    version: Annotated[int, Field(ge=1, strict=True)] | None = Field(
        default=None, description="Number of the partition's version. The default is the latest version."
    )
    model_version: Annotated[str, StringConstraints(pattern=_MODEL_VERSION)] | None = Field(
        default=None, description="Version of the feed's model. The default is the one in tidegate.yml."
    )


@dataclass(frozen=True)
class RerunService:
    """Re-runs of partitions: a generation is claimed at once, and ScorePartition submits its job."""

    context: ServiceContext
    claims: GenerationClaims
    versions: VersionRegistration
    queue: "WorkQueue"

    def rerun(
        self,
        feed: Feed,
        record: Partition,
        request: RerunRequest,
        key: str | None,
        requester: Requester | None = None,
    ) -> Claim:
        """Claim a generation and send the command that scores it. The same key returns the same generation.

        If files of the partition changed and the feed's policy made no version of the change, a version is
        made first. Raise RefusedError if the partition has no such version, if the model is missing or does
        not fit, or if there is no key and the version is being scored.
        """
        cause, origin = f"request-{uuid4()}", unnamed_origin("rerun", requester, request.reason)
        scoring = ScoringRequest(
            feed=record.feed,
            partition=record.partition,
            version=request.version,
            reason=request.reason,
            cause=cause,
            by=origin.by,
            idempotency_key=key,
        )
        with self.context.requested(cause, origin):
            claim = record.claimed_with(key) or self._claim(feed, record, request, scoring)
        if not _is_same_request(request, claim):
            detail = (
                f"This Idempotency-Key belongs to another request, which led to {claim.name}: "
                "send a new request with a new key"
            )
            raise RefusedError(422, "Unprocessable", detail)
        if not claim.generation.state.final:
            command = ScorePartition(cause=cause, origin=origin, **claim.ids)
            send_or_leave_to_timer(self.queue, command)
            log.info("rerun_requested", feed=command.feed, scoring=claim.name, cause=command.cause)
        return claim

    def _claim(self, feed: Feed, record: Partition, request: RerunRequest, scoring: ScoringRequest) -> Claim:
        check_version(record, request.version)
        name = feed.score.model.partition(":")[0]
        asked = f"{name}:{request.model_version}" if request.model_version else None
        model = requested_model(self.context, self.claims, feed, asked)
        if request.version is None:
            why, cause = f"asked for: {request.reason}", str(scoring.cause)
            self.versions.add_changed_files(feed, record, why, cause)
        return self.claims.claim(replace(scoring, model=model))


def check_version(record: Partition, number: int | None) -> None:
    """Raise RefusedError if the partition has no such version, or if it cannot be scored yet."""
    if not record.versions:
        detail = (
            "The partition is not complete yet, or it is before the feed's start: there are no files to score"
        )
        raise RefusedError(409, "Conflict", detail)
    version = record.latest if number is None else record.version(number)
    names = ", ".join(version_name(record.partition, version.number) for version in record.versions)
    if version is None:
        raise RefusedError(404, "Not found", f"{record.partition} has no version {number}; it has {names}")
    if not version.registered:
        detail = (
            f"{version_name(record.partition, version.number)} is being registered: try again in a minute"
        )
        raise RefusedError(409, "Conflict", detail)


def _is_same_request(request: RerunRequest, claim: Claim) -> bool:
    return (
        request.reason == claim.generation.reason
        and request.version in (None, claim.version.number)
        and request.model_version in (None, claim.generation.model_version)
    )
