"""The HTTP API of costs: estimates from the node-seconds of jobs and the prices in tidegate.yml."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from tidegate.api.access import FUNCTION_KEY, Services
from tidegate.domain.costs import CostRow, Estimate, cost_rows, total

router = APIRouter(prefix="/api/costs", dependencies=[Depends(FUNCTION_KEY)])


class EstimateView(BaseModel):
    """An estimated cost. What has no price is in `no_price`, and not in the amount."""

    amount: float = Field(description="In the currency of the answer, for jobs that have ended.")
    node_hours: float
    jobs: int
    running: int = Field(description="Jobs that run, which are not in the amount.")
    unknown: int = Field(description="Jobs whose node-seconds are not known, which are not in the amount.")
    no_price: dict[str, float] = Field(
        description="Node-hours by cluster, with its priority if it is known, that have no price."
    )

    @classmethod
    def of(cls, estimate: Estimate) -> Self:
        rounded = {name: round(hours, 4) for name, hours in estimate.no_price.items()}
        amounts = {"amount": round(estimate.amount, 4), "node_hours": round(estimate.node_hours, 4)}
        return cls.model_validate(vars(estimate) | amounts | {"no_price": rounded})


class CostRowView(BaseModel):
    """What one partition of a feed, or one model, cost in a month.

    A partition costs its scorings. A model costs its evaluations, trainings and comparisons.
    """

    month: str
    kind: str
    feed: str | None
    partition: str | None
    model: str | None
    estimate: EstimateView

    @classmethod
    def of(cls, row: CostRow) -> Self:
        return cls.model_validate(vars(row) | {"estimate": EstimateView.of(row.estimate)})


class CostsView(BaseModel):
    """Estimated costs, with their sum. `currency` is null if tidegate.yml has no prices."""

    currency: str | None
    estimated: bool = True
    total: EstimateView
    rows: list[CostRowView]


@router.get("", summary="Show what jobs cost")
def costs(
    service: Services,
    feed: Annotated[
        str | None, Query(max_length=255, description="Only the partitions of this feed.")
    ] = None,
    model: Annotated[str | None, Query(max_length=255, description="Only this model.")] = None,
    month: Annotated[
        str | None,
        Query(pattern=r"^\d{6}$", description="Only jobs that were submitted in this month: `202611`."),
    ] = None,
) -> CostsView:
    """Return the estimated cost of each partition and each model by month, newest month first.

    With a feed and a model, return both.
    """
    prices = service.config().prices
    rows = [
        row
        for row in cost_rows(service.ledger.jobs_of_month(month), prices)
        if (not (feed or model) or (feed and row.feed == feed) or (model and row.model == model))
        and month in (None, row.month)
    ]
    return CostsView(
        currency=prices.currency if prices else None,
        total=EstimateView.of(total(row.estimate for row in rows)),
        rows=[CostRowView.of(row) for row in rows],
    )
