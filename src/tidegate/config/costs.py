"""The sections `prices`, `budget` and `retention` of tidegate.yml: costs, and how long history is kept."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from tidegate.config.types import AssetName, ClockTime, Duration, Section

Priority = Literal["dedicated", "low_priority"]


class ClusterPrice(Section):
    """The price of a node of a cluster for an hour, by the priority of the node."""

    model_config = ConfigDict(allow_inf_nan=False)

    dedicated: float | None = Field(default=None, ge=0)
    low_priority: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _has_a_price(self) -> "ClusterPrice":
        if self.dedicated is None and self.low_priority is None:
            raise ValueError("give at least one of dedicated, low_priority: the price of a node for an hour")
        return self

    def of(self, priority: Priority | None) -> float | None:
        """Return the price for nodes of a priority, or None if there is none.

        If the priority is not known, return the only price that there is.
        """
        prices = {"dedicated": self.dedicated, "low_priority": self.low_priority}
        if priority:
            return prices[priority]
        known = [price for price in prices.values() if price is not None]
        return known[0] if len(known) == 1 else None


class Prices(Section):
    """What the nodes of each cluster cost."""

    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")] = "USD"
    clusters: dict[AssetName, ClusterPrice] = Field(min_length=1)

    def of(self, cluster: str, priority: Priority | None) -> float | None:
        """Return the price of a node of a cluster for an hour, or None if there is none."""
        prices = self.clusters.get(cluster)
        return prices.of(priority) if prices else None


class Budget(Section):
    """What the jobs of a feed or a model may cost in a calendar month."""

    model_config = ConfigDict(allow_inf_nan=False)

    amount: float = Field(gt=0, description="The amount for a month, in the currency of `prices`.")
    warn_at: float = Field(
        default=0.8, gt=0, le=1, description="The share of the amount at which people are notified."
    )


class Retention(Section):
    """How long the ledger keeps the history, and when it is written to the lake each day."""

    activities: Duration | None = Field(
        default=None, description="Older activities and effects move to the lake. None: they stay."
    )
    at: ClockTime = "02:00"
