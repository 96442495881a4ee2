"""The pages of models, their versions, and the members of model sets."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from tidegate.api.access import Services
from tidegate.api.models import KnownModel, ModelInPath, Name
from tidegate.bootstrap import Service
from tidegate.domain.activities.subjects import model_subject
from tidegate.domain.lifecycle.promotion import champion_source
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.model_sets.members import STATES, MemberQuery, parse_where
from tidegate.domain.pauses import model_target
from tidegate.errors import RefusedError
from tidegate.pages.access import visitor
from tidegate.pages.paging import ListPage, page_of
from tidegate.pages.rendering import render
from tidegate.pages.studio import studio_url

_MEMBERS_OF_PAGE = 100
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
    versions = service.ledger.model_versions(known.name, open_only=False)[::-1]
    happened = service.ledger.activities(model_subject(known.name))[::-1]
    retraining = known.record.retraining
    return render(
        request,
        "model.html",
        known=known,
        record=known.record,
        paused=service.ledger.pause(model_target(known.name)),
        count=len(versions),
        page=page_of(versions, after, key=lambda version: version.version),
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


@router.get("/models/{model}/members")
def members(  # noqa: PLR0913, PLR0917 - the parts of a request
    request: Request,
    known: ModelInPath,
    service: Services,
    version: Annotated[str | None, Query(max_length=255)] = None,
    q: Annotated[str, Query(max_length=500)] = "",
    state: str = "",
    after: After = "",
) -> HTMLResponse:
    """Show the members of a version of a model set. The search takes values of key columns: `store=12`."""
    chosen = version or champion_source(known.record)
    if chosen is None:
        raise RefusedError(404, "Not found", f"{known.name} has no champion yet: choose a version")
    index = service.indexes.open(known.name, chosen)
    try:
        where = parse_where([part.strip() for part in q.split(",") if part.strip()], index.facts.keys)
        query = MemberQuery(where, state if state in STATES else None)
        rows = index.members(query, after or None, _MEMBERS_OF_PAGE + 1)
        problem = None
    except ValueError as error:
        rows, problem = [], str(error)
    shown = rows[:_MEMBERS_OF_PAGE]
    following = shown[-1].position if len(rows) > _MEMBERS_OF_PAGE else None
    return render(
        request,
        "members.html",
        known=known,
        version=chosen,
        keys=index.facts.keys,
        page=ListPage(shown, following, first=not after),
        problem=problem,
        q=q,
        state=state,
        states=STATES,
    )


@router.get("/models/{model}/versions/{version}")
def version(request: Request, known: ModelInPath, version: Name, service: Services) -> HTMLResponse:
    """Show a version: its verdict with the evidence, approval, promotion, rollout and lineage."""
    record = _version(service, known, version)
    judged = record.verdict.job if record.verdict else record.evaluation.job if record.evaluation else None
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
        judged=studio_url(service, "development", judged) if judged else None,
        trained=studio_url(service, "development", record.source.run) if record.source.run else None,
        points=_traffic_points(record),
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


def _traffic_points(record: ModelVersion) -> str:
    """Return the share of the traffic over the steps of a rollout, as points of an SVG line of 300 x 60."""
    steps = record.rollout.steps if record.rollout else []
    if not steps:
        return ""
    begin = steps[0].began_at
    last = (record.rollout.ended_at if record.rollout else None) or steps[-1].began_at
    seconds = max((last - begin).total_seconds(), 1.0)
    points, before = ["0,60"], 60.0
    for step in steps:
        x = min((step.began_at - begin).total_seconds() / seconds, 1.0) * 280
        y = 60 - 0.55 * step.percent
        points += [f"{x:.1f},{before:.1f}", f"{x:.1f},{y:.1f}"]
        before = y
    return " ".join([*points, f"300,{before:.1f}"])
