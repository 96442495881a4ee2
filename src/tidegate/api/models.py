"""The HTTP API of models: what was decided about them, a person's word on a verdict, and the way back."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel

from tidegate.api.access import FUNCTION_KEY, IdempotencyKey, Services, SignedIn
from tidegate.api.model_views import ModelSummary, ModelVersionView, ModelView, model_view
from tidegate.api.problems import documented
from tidegate.bootstrap import Service
from tidegate.config.model_policy import Policy
from tidegate.domain.activities.links import model_url
from tidegate.domain.activities.subjects import model_subject
from tidegate.domain.lifecycle.records import Model
from tidegate.errors import RefusedError
from tidegate.service.manual_actions.approve import ApprovalDecision, ApprovalService, RollbackRequest
from tidegate.service.manual_actions.rejudge import RejudgeRequest, RejudgeService
from tidegate.service.manual_actions.requester import Requester

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$"
Name = Annotated[str, Path(pattern=_NAME)]

router = APIRouter(prefix="/api/models", dependencies=[Depends(FUNCTION_KEY)])


class RollbackView(BaseModel):
    """What was begun, and where to look."""

    model: str
    to: str
    by: str
    by_source: str
    reason: str
    url: str


def _model(model: Name, service: Services) -> tuple[Model, Policy | None]:
    record, policy = service.ledger.model(model), service.config().models.get(model)
    if not (record.etag or policy or service.ledger.activities(model_subject(model))):
        there = ", ".join(service.config().models) or "none"
        detail = (
            f"There is no policy for {model!r}, and nothing is known of it; there are policies for: {there}"
        )
        raise RefusedError(404, "There is no such model", detail)
    return record, policy


def _approvals(service: Services) -> ApprovalService:
    return service.approvals


def _rejudgings(service: Services) -> RejudgeService:
    return service.rejudgings


NamedModel = Annotated[tuple[Model, Policy | None], Depends(_model)]
Approving = Annotated[ApprovalService, Depends(_approvals)]
Judging = Annotated[RejudgeService, Depends(_rejudgings)]


@router.get("")
def models(service: Services) -> list[ModelSummary]:
    """The models that have a policy, and those that something is known of."""
    policies = service.config().models
    known = {record.model: record for record in service.ledger.models()}
    names = dict.fromkeys([*policies, *known])
    return [ModelSummary.of(known.get(name, Model(model=name)), policies.get(name)) for name in names]


@router.get("/{model}", responses=documented(404))
def model(found: NamedModel, service: Services) -> ModelView:
    """A model with its versions, newest first, and what happened."""
    record, policy = found
    versions = service.ledger.model_versions(record.model, open_only=False)
    activities = service.ledger.activities(model_subject(record.model))
    return model_view(record, policy, versions[::-1], activities)


@router.get("/{model}/versions/{version}", responses=documented(404))
def version(found: NamedModel, version: Name, service: Services) -> ModelVersionView:
    """A version of the development workspace, with its verdict, rule by rule."""
    return _version(found[0].model, version, service)


@router.post("/{model}/versions/{version}/approval", responses=documented(400, 404, 409, 503))
def decide(
    found: NamedModel, version: Name, wanted: ApprovalDecision, approvals: Approving, signed_in: SignedIn
) -> ModelVersionView:
    """Approve a verdict, or refuse it. The same person saying the same again changes nothing."""
    requester = Requester.of(wanted.by, signed_in)
    return ModelVersionView.of(approvals.decide(found[0].model, version, wanted, requester))


@router.post(
    "/{model}/versions/{version}/verdicts", status_code=202, responses=documented(400, 404, 409, 503)
)
def judge(  # noqa: PLR0913, PLR0917 - what a request brings
    found: NamedModel,
    version: Name,
    wanted: RejudgeRequest,
    rejudgings: Judging,
    signed_in: SignedIn,
    response: Response,
    key: IdempotencyKey = None,
) -> ModelVersionView:
    """Have a version judged again, or for the first time; its verdict, and what was decided on it, is void.

    `Location` and `url` say where to look.
    """
    requester = Requester.of(wanted.by, signed_in)
    view = ModelVersionView.of(rejudgings.rejudge(found[0].model, version, wanted, requester, key))
    response.headers["Location"] = view.url
    return view


@router.post("/{model}/rollback", status_code=202, responses=documented(400, 404, 409, 503))
def roll_back(
    found: NamedModel, wanted: RollbackRequest, approvals: Approving, signed_in: SignedIn
) -> RollbackView:
    """Make the previous champion the champion again, its endpoint included."""
    command = approvals.roll_back(found[0].model, wanted, Requester.of(wanted.by, signed_in))
    told = command.model_dump(include={"model", "to", "by", "by_source", "reason"})
    return RollbackView(**told, url=model_url(command.model))


def _version(model: str, version: str, service: Service) -> ModelVersionView:
    record = service.ledger.model_version(model, version)
    if record is None:
        there = [one.version for one in service.ledger.model_versions(model, open_only=False)]
        detail = (
            f"{model} has no version {version!r} that was judged; it has {', '.join(there[-20:]) or 'none'}"
        )
        raise RefusedError(404, "There is no such version", detail)
    return ModelVersionView.of(record)
