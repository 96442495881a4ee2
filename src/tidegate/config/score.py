"""The section `feeds.NAME.score` of tidegate.yml: how partitions are scored."""

import hashlib
import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from tidegate.config.types import (
    AssetName,
    EnvironmentReference,
    JobClusters,
    ModelReference,
    PipelineInputs,
    ScriptFile,
    WorkspaceRole,
    further_inputs,
)

# The inputs of a scoring pipeline that the service itself sets.
SET_INPUTS = {
    *("data", "images", "manifest", "model", "feed", "partition", "version", "generation"),
    *("max_error_rate", "csv", "score_compute", "publish_compute"),
}


class Score(JobClusters):
    """How a feed's partitions are scored: pipeline or script, model and clusters."""

    workspace: WorkspaceRole = "development"
    pipeline: AssetName | None = Field(default=None, description="The pipeline, unless there is a script.")
    script: ScriptFile | None = Field(
        default=None, description="A Python file with init() and run(mini_batch), instead of a pipeline."
    )
    environment: EnvironmentReference | None = Field(
        default=None, description="The environment of the script; by default that of our pipelines."
    )
    model: ModelReference = Field(
        description="`name` means the champion when a generation is claimed, or the newest version if no "
        "policy promotes the model; `name:3` always means version 3."
    )
    publish_compute: AssetName = "cpu"
    csv: Literal["exact", "excel"] = Field(
        default="exact", description="`excel`: with a byte order mark, and without cells that are formulas."
    )
    max_error_rate: float = Field(default=0.01, ge=0, le=1)
    inputs: PipelineInputs = Field(default={}, description="Values for further inputs of the pipeline.")

    @model_validator(mode="after")
    def _pipeline_or_script(self) -> "Score":
        if (self.pipeline is None) == (self.script is None):
            raise ValueError("give either pipeline or script")
        if self.environment and not self.script:
            raise ValueError("leave out environment: it is that of a script; a pipeline names its own")
        return self

    @property
    def pipeline_name(self) -> str:
        """Return the name of the pipeline component, which for a script is derived from its path."""
        if self.pipeline:
            return self.pipeline
        path = f"{self.script} {self.environment or ''}"
        words = re.sub(r"[^a-z0-9]+", "_", str(self.script).removesuffix(".py").lower())[-60:]
        return f"script_{words.strip('_')}_{hashlib.sha256(path.encode()).hexdigest()[:8]}"

    @field_validator("inputs")
    @classmethod
    def _inputs_are_not_those_of_the_service(cls, inputs: dict[str, Any]) -> dict[str, Any]:
        return further_inputs(inputs, SET_INPUTS)
