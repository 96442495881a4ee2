"""The HTTP API of what the gate waits for: approvals of people, and verdicts of CI pipelines."""

from fastapi import APIRouter, Depends

from tidegate.api.access import BY_APPROVER, FUNCTION_KEY, Services, SignedIn
from tidegate.api.model_views import ModelVersionView
from tidegate.api.models import Approving, ModelInPath, Name
from tidegate.api.problems import documented
from tidegate.service.manual_actions.approve import ApprovalDecision
from tidegate.service.manual_actions.external_verdict import ExternalVerdictRequest
from tidegate.service.manual_actions.requester import Requester

router = APIRouter(prefix="/api/models", dependencies=[Depends(FUNCTION_KEY)])


@router.post(
    "/{model}/versions/{version}/approval",
    summary="Approve or refuse a model version",
    dependencies=[BY_APPROVER],
    responses=documented(400, 403, 404, 409, 503),
)
def decide(
    known: ModelInPath,
    version: Name,
    decision: ApprovalDecision,
    approvals: Approving,
    signed_in: SignedIn,
) -> ModelVersionView:
    """Approve or refuse a version on the basis of its current verdict.

    If the same person sends the same decision again, nothing changes.
    """
    requester = Requester.of(decision.by, signed_in)
    return ModelVersionView.of(approvals.decide(known.name, version, decision, requester))


@router.post(
    "/{model}/versions/{version}/verdicts/external",
    summary="Give the verdict of a pipeline",
    responses=documented(400, 404, 409, 503),
)
def external_verdict(
    known: ModelInPath,
    version: Name,
    request: ExternalVerdictRequest,
    service: Services,
    signed_in: SignedIn,
) -> ModelVersionView:
    """Give the verdict of a CI pipeline, for which the gate waits if it has the rule `external`.

    If the same verdict is sent again, nothing changes. After the time is over, the answer is 409.
    """
    requester = Requester.if_named(request.by, signed_in)
    return ModelVersionView.of(service.external_verdicts.post(known.name, version, request, requester))
