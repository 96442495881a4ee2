"""The page of the members of a model set."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from tidegate.api.access import Services
from tidegate.api.models import KnownModel, ModelInPath
from tidegate.domain.lifecycle.promotion import champion_source
from tidegate.domain.model_sets.members import STATES, parse_search
from tidegate.errors import RefusedError
from tidegate.pages.access import visitor
from tidegate.pages.histogram import histogram
from tidegate.pages.paging import ListPage
from tidegate.pages.rendering import render

_MEMBERS_OF_PAGE = 100
router = APIRouter(dependencies=[Depends(visitor)])  # first of all: who asks


@router.get("/models/{model}/members")
def members(  # noqa: PLR0913, PLR0917 - the parts of a request
    request: Request,
    known: ModelInPath,
    service: Services,
    version: Annotated[str | None, Query(max_length=255)] = None,
    q: Annotated[str, Query(max_length=500)] = "",
    state: Annotated[str, Query(max_length=20)] = "",
    after: Annotated[str, Query(max_length=4000)] = "",
) -> HTMLResponse:
    """Show the members of a version of a model set, and how their errors are distributed."""
    chosen = version or champion_source(known.record)
    if chosen is None:
        raise RefusedError(404, "Not found", f"{known.name} has no champion yet: choose a version")
    index, metric = service.indexes.open(known.name, chosen), _metric(known)
    query = parse_search(q, index.facts.keys, state if state in STATES else None)
    try:
        rows = index.members(query, after or None, _MEMBERS_OF_PAGE + 1)
    except ValueError as error:
        raise RefusedError(404, "Not found", f"The address is not valid. {error}") from None
    shown = rows[:_MEMBERS_OF_PAGE]
    following = shown[-1].position if len(rows) > _MEMBERS_OF_PAGE else None
    return render(
        request,
        "members.html",
        known=known,
        version=chosen,
        facts=index.facts,
        page=ListPage(shown, following, first=not after),
        q=q,
        state=state,
        states=STATES,
        metric=metric,
        errors=histogram(index.errors(metric)),
    )


def _metric(known: KnownModel) -> str:
    """Return the metric by which the members of the set are compared."""
    return known.policy.set.rule.metric if known.policy and known.policy.set else "mae"
