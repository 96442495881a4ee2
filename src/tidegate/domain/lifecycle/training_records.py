"""The parts of a model's record that describe its trainings, and the signals that start them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field


class SignalRecord(BaseModel):
    """A drift signal or a person's request, and whether and why it started a training."""

    id: str
    source: Literal["measurement", "monitor", "dataset_monitor", "renew", "partition", "request"]
    about: str = Field(
        default="",
        description="What was measured. Of signals from one source about the same data, the newest counts.",
    )
    at: datetime
    breached: bool
    counts: bool = Field(
        default=True, description="False if nothing was measured, or if the signal cannot be read."
    )
    taken: bool = False
    why: str
    cause: str | None = Field(default=None, description="Id of the event, request or tick that led to it.")
    evidence: dict[str, Any] = Field(default={})


class Comparison(BaseModel):
    """The forecasts of a model set that are compared with the actual values of a later partition."""

    champion: str = Field(description="The version in development.")
    predictions: str = Field(description="The folder of the forecasts.")
    partition: str = Field(description="The partition with the actual values.")
    actuals: str = Field(description="Path of the manifest of that partition.")
    earlier: str | None = Field(default=None, description="The folder of the comparison before.")


class Retraining(BaseModel):
    """A training that a drift signal or a person started, with the data that was chosen at that time."""

    signal: str
    job: str
    attempt: int = Field(default=1, ge=1)
    compute: str | None = Field(
        default=None, description="The cluster of the job; None means the policy's cluster."
    )
    data: list[str] = Field(description="Data assets as `name:version`, the labelled set first.")
    since: datetime
    manifest: str | None = Field(
        default=None, description="Path of the manifest of the partitions, for a model set."
    )
    previous: str | None = Field(
        default=None, description="The version of a model set whose members are kept for all other keys."
    )
    only_keys: str | None = Field(
        default=None, description="Path of the list of the keys to train; None means all keys."
    )
    keys: dict[str, int] = Field(default={}, description="How many keys are trained for which reason.")
    comparison: Comparison | None = Field(
        default=None, description="What is compared before it is known which keys are trained."
    )
    requested: str | None = Field(
        default=None, description="Who requested the training and why, or None after a drift signal."
    )
