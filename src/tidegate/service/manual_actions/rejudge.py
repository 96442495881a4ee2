"""Judge a model version again because a person requests it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.lifecycle.rejudging import next_number, rejudging_obstacle, with_request
from tidegate.domain.lifecycle.verdict_records import JudgingRequest
from tidegate.errors import NotFoundError, RefusedError
from tidegate.log import Log
from tidegate.messages.commands import JudgeModel
from tidegate.service.context import ServiceContext
from tidegate.service.manual_actions.requester import Reason, Requester, RequesterName
from tidegate.service.retry import retry_on_conflict, send_or_leave_to_timer
from tidegate.service.steps.model_candidates import is_copy, read_candidate

if TYPE_CHECKING:
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)


class RejudgeRequest(BaseModel):
    """A person's request to judge a model version again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: RequesterName = None
    reason: Reason


@dataclass(frozen=True)
class RejudgeService:
    """The request is saved under the version's ETag before the API answers. The handler submits the job."""

    context: ServiceContext
    queue: "WorkQueue"

    def rejudge(
        self, model: str, version: str, request: RejudgeRequest, requester: Requester, key: str | None
    ) -> ModelVersion:
        """Make the version's verdict void, and send the command that judges the version again.

        Requests with the same key do this only once. Raise RefusedError if the version, its policy or its
        state does not allow it to be judged.
        """
        cause, origin = f"request-{uuid4()}", requester.origin("judge", request.reason)
        with self.context.requested(cause, origin):
            record = retry_on_conflict(
                lambda: self._save(self._read(model, version), request, requester, key),
                model_reference(model, version),
            )
        command = JudgeModel(cause=cause, origin=origin, model=model, version=version)
        send_or_leave_to_timer(self.queue, command)
        return record

    def _read(self, model: str, version: str) -> ModelVersion:
        """Return the version's record. A version without a record may be older than its policy."""
        if record := self.context.ledger.model_version(model, version):
            return record
        try:
            return read_candidate(self.context.development, model, version, self.context.now())
        except NotFoundError as error:
            raise RefusedError(404, "Not found", f"{error}: register the version first") from error

    def _save(
        self, record: ModelVersion, request: RejudgeRequest, requester: Requester, key: str | None
    ) -> ModelVersion:
        earlier = next((entry for entry in record.requests if key and entry.idempotency_key == key), None)
        if earlier and earlier.reason == request.reason:
            return record
        if earlier:
            detail = (
                f"This Idempotency-Key belongs to another request, which led to evaluation {earlier.number}: "
                "send a new request with a new key"
            )
            raise RefusedError(422, "Unprocessable", detail)
        self._check(record)
        judging = JudgingRequest(
            number=next_number(record),
            by=requester.by,
            by_source=requester.source,
            reason=request.reason,
            idempotency_key=key,
            at=self.context.now(),
        )
        requested = with_request(record, judging)
        self.context.ledger.save(requested)
        log.info("judging_requested", model=record.model, version=record.version, number=judging.number)
        return requested

    def _check(self, record: ModelVersion) -> None:
        """Raise RefusedError if the version cannot be judged."""
        if self.context.policy(record.model) is None:
            detail = f"tidegate.yml has no policy for {record.model}: add one under models"
            raise RefusedError(409, "Conflict", detail)
        if is_copy(record):
            name = model_reference(record.model, record.version)
            detail = f"{name} is a copy that a promotion made: judge the version that it was copied from"
            raise RefusedError(409, "Conflict", detail)
        if record.etag is None:  # the version was never judged
            return
        if obstacle := rejudging_obstacle(record, self.context.ledger.model(record.model)):
            raise RefusedError(409, "Conflict", obstacle)
