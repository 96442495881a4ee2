"""The pages of models and their versions."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from tidegate.api.access import Services
from tidegate.api.models import KnownModel, ModelInPath, Name
from tidegate.bootstrap import Service
from tidegate.domain.activities.subjects import model_subject
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.pauses import model_target
from tidegate.errors import RefusedError
from tidegate.pages.access import visitor
from tidegate.pages.lineage_graph import lineage_graph
from tidegate.pages.paging import page_of
from tidegate.pages.rendering import render
from tidegate.pages.rollout_charts import rollout_charts
from tidegate.pages.studio import studio_url

router = APIRouter(dependencies=[Depends(visitor)])  # first of all: who asks
After = Annotated[str, Query(max_length=4000)]


@dataclass(frozen=True)
class ComparedMetric:
    """A metric of two versions. `better` is whether the second one passes a rule that the first one fails."""

    metric: str
    slice: str | None
    first: float | None
    second: float | None

    @property
    def change(self) -> float | None:
        return None if self.first is None or self.second is None else self.second - self.first


@router.get("/models")
def models(request: Request, service: Services, after: After = "") -> HTMLResponse:
    """Show all models."""
    page = page_of(service.overviews.models(), after, key=lambda row: row.record.model)
    return render(request, "models.html", page=page)


@router.get("/models/{model}")
def model(
    request: Request,
    known: ModelInPath,
    service: Services,
    after: After = "",
    activities: After = "",
) -> HTMLResponse:
    """Show a model: champion, versions, drift, and what happened to it."""
    names = service.ledger.version_names(known.name)
    page = page_of(names, after, key=str)
    happened = service.ledger.activities(model_subject(known.name))[::-1]
    retraining = known.record.retraining
    return render(
        request,
        "model.html",
        known=known,
        record=known.record,
        paused=service.ledger.pause(model_target(known.name)),
        count=len(names),
        page=page,
        versions=service.overviews.versions(known.name, page.rows),
        activities=page_of(happened, activities, key=lambda activity: activity.short_id),
        training=studio_url(service, "development", retraining.job) if retraining else None,
    )


@router.get("/models/{model}/compare")
def compare(request: Request, known: ModelInPath, service: Services, a: str, b: str) -> HTMLResponse:
    """Show the evidence of two versions side by side."""
    first, second = _version(service, known, a), _version(service, known, b)
    return render(
        request, "compare.html", known=known, first=first, second=second, rows=_compared(first, second)
    )


@router.get("/models/{model}/versions/{version}")
def version(request: Request, known: ModelInPath, version: Name, service: Services) -> HTMLResponse:
    """Show a version: its verdict with the evidence, approval, promotion, rollout and lineage."""
    record = _version(service, known, version)
    name = record.verdict.job if record.verdict else record.evaluation.job if record.evaluation else None
    evaluation = service.ledger.job("development", name) if name else None
    policy = known.policy
    return render(
        request,
        "version.html",
        known=known,
        record=record,
        awaits=bool(
            policy
            and policy.promote
            and policy.promote.approval == "required"
            and record.state == "passed"
            and record.approval is None
        ),
        evaluation=evaluation,
        judged=studio_url(service, "development", name) if name else None,
        trained=studio_url(service, "development", record.source.run) if record.source.run else None,
        charts=rollout_charts(record.rollout),
        lineage=lineage_graph(record, evaluation, service.overviews.scored_by(record)),
    )


def _version(service: Service, known: KnownModel, version: str) -> ModelVersion:
    record = service.ledger.model_version(known.name, version)
    if record is None:
        raise RefusedError(404, "Not found", f"The ledger has no version {version!r} of {known.name}")
    return record


def _compared(first: ModelVersion, second: ModelVersion) -> list[ComparedMetric]:
    values = [
        {(rule.metric, rule.slice): rule.value for rule in record.verdict.rules} if record.verdict else {}
        for record in (first, second)
    ]
    keys = dict.fromkeys([*values[0], *values[1]])
    return [ComparedMetric(*key, values[0].get(key), values[1].get(key)) for key in keys]
