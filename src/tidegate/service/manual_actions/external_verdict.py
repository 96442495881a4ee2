"""Record the verdict of a CI pipeline on a model version, for which the gate waits."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tidegate.domain.lifecycle.external_check import with_result
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.lifecycle.verdict_records import ExternalVerdict
from tidegate.errors import RefusedError
from tidegate.log import Log
from tidegate.messages.commands import JudgeModel
from tidegate.service.context import ServiceContext
from tidegate.service.manual_actions.requester import Requester, RequesterName
from tidegate.service.retry import retry_on_conflict, send_or_leave_to_timer

if TYPE_CHECKING:
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)

KEY_HOLDER = Requester("a holder of the function key", "caller")


class ExternalVerdictRequest(BaseModel):
    """The verdict of a CI pipeline on a model version."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    passed: Annotated[bool, Field(strict=True)]
    detail: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)] = Field(
        description="What was tested and found. The evidence of the verdict shows it."
    )
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s<>\"']{1,1000}$")] | None = Field(
        default=None, description="Address of the pipeline's run."
    )
    evaluation: Annotated[int, Field(ge=1, strict=True)] | None = Field(
        default=None, description="Number of the evaluation, as the request for the verdict said it."
    )
    by: RequesterName = None


@dataclass(frozen=True)
class ExternalVerdictService:
    """A verdict counts for one evaluation of one version. The handler of JudgeModel acts on it."""

    context: ServiceContext
    queue: "WorkQueue"

    def post(
        self, model: str, version: str, request: ExternalVerdictRequest, requester: Requester | None
    ) -> ModelVersion:
        """Save the verdict under the version's ETag, and send the command that goes on with the gate.

        Raise RefusedError if the gate does not wait for it, or does not wait any more.
        """
        by, name = requester or KEY_HOLDER, model_reference(model, version)
        cause = f"external-{model}-{version}"
        with self.context.requested(cause, by.origin("external verdict", request.detail)):
            record = retry_on_conflict(lambda: self._save(model, version, request, by), name)
        send_or_leave_to_timer(self.queue, JudgeModel(cause=cause, model=model, version=version))
        log.info("external_verdict_saved", model=model, version=version, passed=request.passed)
        return record

    def _save(self, model: str, version: str, request: ExternalVerdictRequest, by: Requester) -> ModelVersion:
        record = self.context.ledger.model_version(model, version)
        if record is None:
            detail = f"{model_reference(model, version)} has not been judged, or does not exist"
            raise RefusedError(404, "Not found", detail)
        result = ExternalVerdict(
            passed=request.passed,
            detail=request.detail,
            url=request.url,
            by=by.by,
            by_source=by.source,
            at=self.context.now(),
        )
        updated = with_result(record, result, request.evaluation)
        if updated is not record:
            self.context.ledger.save(updated)
        return updated
