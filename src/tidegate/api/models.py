"""The HTTP API of models: their versions and verdicts, approvals, new evaluations and rollbacks."""

from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field

from tidegate.api.access import BY_APPROVER, FUNCTION_KEY, IdempotencyKey, Services, SignedIn
from tidegate.api.model_views import (
    SHOWN_MODEL_VERSIONS,
    ModelSummary,
    ModelVersionView,
    ModelView,
    VersionSummary,
    model_view,
)
from tidegate.api.paging import PAGED, PageInQuery, first, in_order
from tidegate.api.problems import documented
from tidegate.api.tags import TagFilter, TagsInQuery
from tidegate.api.views import ActivityView
from tidegate.bootstrap import Service
from tidegate.config.model_policy import Policy
from tidegate.domain.activities.links import job_url, model_url
from tidegate.domain.activities.subjects import model_subject
from tidegate.domain.lifecycle.records import Model, ModelVersion
from tidegate.domain.lifecycle.training_records import SignalRecord
from tidegate.errors import RefusedError
from tidegate.service.manual_actions.approve import ApprovalService, RollbackRequest
from tidegate.service.manual_actions.rejudge import RejudgeRequest, RejudgeService
from tidegate.service.manual_actions.requester import Requester
from tidegate.service.manual_actions.retrain import RetrainRequest, RetrainService

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$"
Name = Annotated[str, Path(pattern=_NAME)]

router = APIRouter(prefix="/api/models", dependencies=[Depends(FUNCTION_KEY)])


class RollbackView(BaseModel):
    """The rollback that was started, and the address of the model."""

    model: str
    to: str
    by: str
    by_source: str
    reason: str
    url: str


class RetrainingView(BaseModel):
    """The retraining that a person requested, with the data that it uses, and its address."""

    model: str
    signal: str
    job: str
    data: list[str]
    by: str
    by_source: str
    reason: str
    url: str
    job_url: str = Field(description="The address of the job. It is there as soon as the job is submitted.")

    @classmethod
    def of(cls, model: str, signal: SignalRecord) -> Self:
        return cls(
            model=model,
            signal=signal.id,
            reason=signal.about,
            url=model_url(model),
            job_url=job_url("development", signal.evidence["job"]),
            **signal.evidence,
        )


@dataclass(frozen=True)
class KnownModel:
    """A model that has a policy, a record in the ledger, or activities."""

    record: Model
    policy: Policy | None

    @property
    def name(self) -> str:
        return self.record.model

    @property
    def is_set(self) -> bool:
        return self.policy is not None and self.policy.set is not None


def _model(model: Name, service: Services) -> KnownModel:
    record, policy = service.ledger.model(model), service.config().models.get(model)
    if not (record.etag or policy or service.ledger.activities(model_subject(model))):
        names = ", ".join(service.config().models) or "none"
        detail = (
            f"tidegate.yml has no policy for {model!r}, and the ledger has no record of it. Policies: {names}"
        )
        raise RefusedError(404, "Not found", detail)
    return KnownModel(record, policy)


def _approvals(service: Services) -> ApprovalService:
    return service.approvals


def _retrainings(service: Services) -> RetrainService:
    return service.retrainings


def _rejudgings(service: Services) -> RejudgeService:
    return service.rejudgings


ModelInPath = Annotated[KnownModel, Depends(_model)]
Approving = Annotated[ApprovalService, Depends(_approvals)]
Judging = Annotated[RejudgeService, Depends(_rejudgings)]
Retraining = Annotated[RetrainService, Depends(_retrainings)]


@router.get("", summary="List models", responses=PAGED)
def models(service: Services, page: PageInQuery, tags: TagsInQuery) -> list[ModelSummary]:
    """Return the models that have a policy in tidegate.yml or a record in the ledger.

    With tags, return those of which a version was registered with these tags in development.
    """
    policies = service.config().models
    records = {record.model: record for record in service.ledger.models()}
    known = dict.fromkeys([*policies, *records])
    if tags:
        versions = service.ledger.model_versions(open_only=False)
        tagged = {version.model for version in versions if tags.matches(version.source.tags)}
        known = {name: None for name in known if name in tagged}
    names = page.of(in_order(known), first)
    return [ModelSummary.of(records.get(name, Model(model=name)), policies.get(name)) for _, name in names]


@router.get("/{model}", summary="Show a model", responses=documented(404))
def model(known: ModelInPath, service: Services, tags: TagsInQuery) -> ModelView:
    """Return a model with its newest versions, newest first, its drift signals, and its newest activities.

    With tags, return only the versions that were registered with these tags in development.
    """
    names = _version_names(known, service, tags)
    versions = service.overviews.versions(known.name, names[:SHOWN_MODEL_VERSIONS])
    activities = service.ledger.activities(model_subject(known.name))
    return model_view(known.record, known.policy, versions, len(names), activities)


@router.get("/{model}/versions", summary="List the versions of a model", responses=documented(404) | PAGED)
def versions(
    known: ModelInPath, service: Services, tags: TagsInQuery, page: PageInQuery
) -> list[VersionSummary]:
    """Return every version of a model, newest first.

    With tags, return only the versions that were registered with these tags in development.
    """
    names = _version_names(known, service, tags)

    def fetch(after: str | None, limit: int) -> list[ModelVersion]:
        start = names.index(after) + 1 if after in names else 0
        return service.overviews.versions(known.name, names[start : start + limit])

    rows = page.fetched(fetch, lambda version: version.version)
    return [VersionSummary.of(version) for version in rows]


@router.get(
    "/{model}/activities", summary="List the activities of a model", responses=documented(404) | PAGED
)
def activities(known: ModelInPath, service: Services, page: PageInQuery) -> list[ActivityView]:
    """Return everything that happened to a model, oldest first."""
    rows = page.of(in_order(service.ledger.activities(model_subject(known.name))), first)
    return [ActivityView.of(activity) for _, activity in rows]


@router.get("/{model}/versions/{version}", summary="Show a model version", responses=documented(404))
def version(known: ModelInPath, version: Name, service: Services) -> ModelVersionView:
    """Return a version of the development workspace with its verdict, rule by rule."""
    return _version(known.name, version, service)


@router.post(
    "/{model}/versions/{version}/verdicts",
    summary="Judge a model version again",
    status_code=202,
    responses=documented(400, 404, 409, 503),
)
def judge(  # noqa: PLR0913, PLR0917 - the parts of a request
    known: ModelInPath,
    version: Name,
    request: RejudgeRequest,
    rejudgings: Judging,
    signed_in: SignedIn,
    response: Response,
    key: IdempotencyKey = None,
) -> ModelVersionView:
    """Judge a version again, or for the first time.

    The current verdict and its approval become void. The header `Location` and the field `url` have the
    address of the version.
    """
    requester = Requester.of(request.by, signed_in)
    record = rejudgings.rejudge(known.name, version, request, requester, key)
    view = ModelVersionView.of(record)
    response.headers["Location"] = view.url
    return view


@router.post(
    "/{model}/retrainings",
    summary="Train a new version of a model",
    status_code=202,
    responses=documented(400, 404, 409, 503),
)
def retrain(  # noqa: PLR0913, PLR0917 - the parts of a request
    known: ModelInPath,
    request: RetrainRequest,
    retrainings: Retraining,
    signed_in: SignedIn,
    response: Response,
    key: IdempotencyKey = None,
) -> RetrainingView:
    """Train a new version on the newest scored partitions, as `models.NAME.drift` says, and judge it.

    The header `Location` and the field `url` have the address of the model.
    """
    requester = Requester.of(request.by, signed_in)
    view = RetrainingView.of(known.name, retrainings.retrain(known.name, request, requester, key))
    response.headers["Location"] = view.url
    return view


@router.post(
    "/{model}/rollback",
    summary="Go back to the previous champion",
    status_code=202,
    dependencies=[BY_APPROVER],
    responses=documented(400, 403, 404, 409, 503),
)
def roll_back(
    known: ModelInPath, request: RollbackRequest, approvals: Approving, signed_in: SignedIn
) -> RollbackView:
    """Make the previous champion the champion again. Its deployment gets all traffic of the endpoint."""
    command = approvals.roll_back(known.name, request, Requester.of(request.by, signed_in))
    fields = command.model_dump(include={"model", "to", "by", "by_source", "reason"})
    return RollbackView(**fields, url=model_url(command.model))


def _version_names(known: KnownModel, service: Service, tags: TagFilter) -> list[str]:
    """Return the names of the versions that have these tags, the highest first."""
    names = service.ledger.version_names(known.name)
    if not tags:
        return names
    versions = service.ledger.model_versions(known.name, open_only=False)
    tagged = {version.version for version in versions if tags.matches(version.source.tags)}
    return [name for name in names if name in tagged]


def _version(model: str, version: str, service: Service) -> ModelVersionView:
    record = service.ledger.model_version(model, version)
    if record is None:
        newest = ", ".join(service.ledger.version_names(model)[:20]) or "none"
        detail = f"The ledger has no version {version!r} of {model}. The newest versions in it: {newest}"
        raise RefusedError(404, "Not found", detail)
    return ModelVersionView.of(record)
