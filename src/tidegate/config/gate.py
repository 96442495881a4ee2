"""The section `gate` of a model's policy: the rules that a candidate must pass."""

from datetime import timedelta
from enum import StrEnum
from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from tidegate.config.model_sets import SetGate
from tidegate.config.types import (
    Duration,
    Filled,
    Section,
)


class Rule(Section):
    """The bounds of one metric: every bound that is given must hold."""

    model_config = ConfigDict(allow_inf_nan=False)

    min: float | None = None
    max: float | None = None
    champion_tolerance: float | None = Field(
        default=None, ge=0, description="How much worse than the champion's the value may be."
    )
    min_improvement: float | None = Field(
        default=None, description="How much better than the champion's the value must be."
    )
    non_inferiority: float | None = Field(
        default=None,
        ge=0,
        description="The margin: the lower confidence bound of the paired difference must be above -margin.",
    )
    higher_is_better: bool = True

    @model_validator(mode="after")
    def _has_a_bound(self) -> "Rule":
        if not self.model_dump(exclude={"higher_is_better"}, exclude_none=True):
            raise ValueError(
                "give at least one of min, max, champion_tolerance, min_improvement, non_inferiority"
            )
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min: {self.min:g} is above max: {self.max:g}, so that no value can pass")
        return self


class Slices(Section):
    """Rules for each value of a column of the holdout. A slice with fewer than `min_n` rows fails."""

    by: Filled
    min_n: int = Field(ge=1)
    metrics: dict[str, Rule] = Field(min_length=1)


class External(Section):
    """The verdict of a CI pipeline, for which the gate waits after the other rules have passed."""

    within: Duration = timedelta(hours=2)


class GateMode(StrEnum):
    """Whether the gate blocks versions that fail, or only reports them."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


class Gate(Section):
    """The rules that a candidate must pass."""

    mode: GateMode = GateMode.ENFORCE
    min_n: int = Field(default=30, ge=1, description="The gate fails if the holdout has fewer rows.")
    metrics: dict[str, Rule] = Field(min_length=1)
    slices: Slices | None = None
    training: dict[str, Rule] = Field(default={}, description="Rules on the metrics of the training run.")
    set: SetGate = Field(default=SetGate(), description="Rules for a model set as a whole.")
    external: External | None = None
    no_champion: Literal["absolute", "refuse"] = Field(
        default="absolute",
        description="Without a champion, only min and max count (absolute), or the version is refused.",
    )

    @model_validator(mode="after")
    def _training_needs_no_champion(self) -> "Gate":
        comparing = {"champion_tolerance", "min_improvement", "non_inferiority"}
        if wrong := [name for name, rule in self.training.items() if rule.model_fields_set & comparing]:
            raise ValueError(f"training: {', '.join(wrong)} can only have min and max, without a champion")
        return self
