"""A person has a version judged again: recorded under its ETag before the answer. Submits no job."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from tidegate.config.model_policy import Policy
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.lifecycle.rejudging import next_number, rejudging_obstacle, with_request
from tidegate.domain.lifecycle.verdict_records import JudgingRequest
from tidegate.errors import ConflictError, NotFoundError, RefusedError, TransientError
from tidegate.log import Log
from tidegate.messages.commands import JudgeModel
from tidegate.service.context import ServiceContext
from tidegate.service.manual_actions.requester import Person, Requester, Words
from tidegate.service.steps.model_candidates import candidate, is_copy

if TYPE_CHECKING:
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)

_ROUNDS = 5


class RejudgeRequest(BaseModel):
    """Why a version is to be judged again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Person = None
    reason: Words


@dataclass(frozen=True, kw_only=True)
class RejudgeService:
    context: ServiceContext
    queue: "WorkQueue"

    def request(
        self,
        place: tuple[str, str],
        policy: Policy | None,
        wanted: RejudgeRequest,
        voice: Requester,
        key: str | None,
    ) -> ModelVersion:
        """Void the verdict and send the command; the same key again brings the same evaluation.

        RefusedError where there is nothing to judge by, or it cannot be judged now.
        """
        model, version = place
        for _ in range(_ROUNDS):
            found = self.context.ledger.model_version(model, version) or self._candidate(model, version)
            try:
                found = self._record(found, policy, wanted, voice, key)
            except ConflictError:
                continue
            self._send(found)
            return found
        raise ConflictError(f"{model_reference(model, version)} is being changed by others all the time")

    def _record(
        self,
        record: ModelVersion,
        policy: Policy | None,
        wanted: RejudgeRequest,
        voice: Requester,
        key: str | None,
    ) -> ModelVersion:
        if before := next((one for one in record.requests if key and one.idempotency_key == key), None):
            if before.reason == wanted.reason:
                return record
            detail = f"It brought another request, for evaluation {before.number}: use a new key"
            raise RefusedError(422, "This Idempotency-Key was used before", detail)
        self._refuse(record, policy)
        request = JudgingRequest(
            number=next_number(record),
            by=voice.by,
            by_source=voice.source,
            reason=wanted.reason,
            idempotency_key=key,
            at=self.context.now(),
        )
        requested = with_request(record, request)
        self.context.ledger.save(requested)
        log.info("judging_asked_for", model=record.model, version=record.version, number=request.number)
        return requested

    def _refuse(self, record: ModelVersion, policy: Policy | None) -> None:
        name = model_reference(record.model, record.version)
        if policy is None:
            detail = f"tidegate.yml has no policy for {record.model}: add one under models"
            raise RefusedError(409, "There is nothing to judge it by", detail)
        if is_copy(record):
            raise RefusedError(409, "It is a copy", f"{name} was copied by a promotion: judge its source")
        is_new = record.etag is None
        if not is_new and (why := rejudging_obstacle(record, self.context.ledger.model(record.model))):
            raise RefusedError(409, "It cannot be judged now", why)

    def _candidate(self, model: str, version: str) -> ModelVersion:
        """One that nobody has judged yet: from before its policy, perhaps."""
        try:
            return candidate(self.context.development, model, version, self.context.now())
        except NotFoundError as error:
            raise RefusedError(404, "There is no such version", f"{error}: register it") from error

    def _send(self, record: ModelVersion) -> None:
        """The record is what counts: where the queue is away, the timer finds it."""
        command = JudgeModel(cause=f"request-{uuid4()}", model=record.model, version=record.version)
        try:
            self.queue.send(command)
        except TransientError as error:
            log.warning("judging_left_to_timer", model=record.model, version=record.version, error=error)
