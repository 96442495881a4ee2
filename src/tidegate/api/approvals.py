"""The HTTP API of approvals: people approve or refuse a model version that has a verdict."""

from fastapi import APIRouter, Depends

from tidegate.api.access import FUNCTION_KEY, SignedIn
from tidegate.api.model_views import ModelVersionView
from tidegate.api.models import Approving, ModelInPath, Name
from tidegate.api.problems import documented
from tidegate.service.manual_actions.approve import ApprovalDecision
from tidegate.service.manual_actions.requester import Requester

router = APIRouter(prefix="/api/models", dependencies=[Depends(FUNCTION_KEY)])


@router.post(
    "/{model}/versions/{version}/approval",
    summary="Approve or refuse a model version",
    responses=documented(400, 404, 409, 503),
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
