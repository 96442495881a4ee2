"""The HTTP API of explanations: what led to something, and what came of it."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from tidegate.api.access import FUNCTION_KEY, Services
from tidegate.api.problems import documented
from tidegate.domain.explanations.graph import Edge, FactValue, Node, NodeKind
from tidegate.service.explain import ExplainService, Explanation

router = APIRouter(prefix="/api/explain", dependencies=[Depends(FUNCTION_KEY)])


class NodeView(BaseModel):
    """A fact of the ledger: an event or request, files, a job, a model, a verdict, a person's approval ..."""

    id: str
    kind: NodeKind
    title: str
    at: datetime | None
    by: str | None = Field(description="The person or app that caused it.")
    url: str | None
    facts: dict[str, FactValue]

    @classmethod
    def of(cls, node: Node) -> Self:
        return cls(**vars(node))


class EdgeView(BaseModel):
    """The node `source` led to the node `target`."""

    source: str
    target: str

    @classmethod
    def of(cls, edge: Edge) -> Self:
        return cls(**vars(edge))


class ExplanationView(BaseModel):
    """What led to something and what came of it. `about` is the id of the node that was asked for.

    The nodes are in the order of their times, and those without a time come first.
    """

    about: str
    nodes: list[NodeView]
    edges: list[EdgeView]

    @classmethod
    def of(cls, explanation: Explanation) -> Self:
        graph = explanation.graph
        return cls(
            about=explanation.about,
            nodes=[NodeView.of(node) for node in graph.in_time],
            edges=[EdgeView.of(edge) for edge in graph.known_edges],
        )


def _explain(service: Services) -> ExplainService:
    return service.explain


@router.get("/{subject:path}", summary="Explain something", responses=documented(404))
def explain(
    explain: Annotated[ExplainService, Depends(_explain)],
    subject: Annotated[
        str,
        Path(
            max_length=2000,
            description="The path of a file of predictions, a partition `digits:202611`, its version "
            "`digits:202611-1` or scoring `digits:202611-1-g1`, a model `classifier` or `classifier:3`, a "
            "job, or the id of an activity, an event or a request.",
        ),
    ],
) -> ExplanationView:
    """Return what led to something and what came of it, as a graph of facts from the ledger.

    For predictions these are the files, the job with its code, the model, its training, the verdict, the
    person who approved it, and the events and requests that led to all of them.
    """
    return ExplanationView.of(explain.explain(subject))
