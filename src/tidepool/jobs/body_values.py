"""The parts of job bodies: names, durations, inputs and outputs."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tidepool.jobs.graph import DATA_TYPES, GraphError, JobOutput, Value

Body = Mapping[str, Any]
_DURATION = re.compile(r"^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$")


def short_name(identifier: str | None) -> str | None:
    """Return the name alone, for example `cpu`, from `cpu`, `azureml:cpu` or an ARM id."""
    if not identifier:
        return None
    return identifier.rstrip("/").rpartition("/")[2].removeprefix("azureml:")


def seconds(duration: str | float | None) -> float | None:
    """Return an ISO 8601 duration (`PT1H30M`) or a number in seconds."""
    if duration is None or isinstance(duration, int | float):
        return duration
    match = _DURATION.match(duration)
    if match is None:
        raise GraphError(f"{duration} is not a duration; write it in ISO 8601, for example PT1H30M.")
    days, hours, minutes, rest = (float(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=rest).total_seconds() or None


def given_inputs(job: Body) -> dict[str, Value]:
    return {name: read_value(body) for name, body in (job.get("inputs") or {}).items() if body is not None}


def declared_outputs(job: Body) -> dict[str, JobOutput]:
    return {name: read_output(body or {}) for name, body in (job.get("outputs") or {}).items()}


def read_value(body: Any, declared_type: str | None = None, declared_mode: str | None = None) -> Value:
    """Parse an input. Jobs use the keys `jobInputType` and `uri`. Nodes use `job_input_type` and `value`."""
    if not isinstance(body, Mapping):
        return Value(as_text(body))
    kind = body.get("jobInputType") or body.get("job_input_type") or "literal"
    mode = body.get("mode") or (declared_mode if declared_type in DATA_TYPES else None)
    if kind == "literal":
        return Value(as_text(body.get("value")), mode=mode)
    return Value(as_text(body.get("uri") or body.get("value")), kind, mode)


def read_output(body: Body) -> JobOutput:
    return JobOutput(
        type=body.get("jobOutputType") or body.get("job_output_type") or "uri_folder",
        uri=body.get("uri"),
        asset_name=body.get("assetName") or body.get("name"),
        asset_version=body.get("assetVersion") or body.get("version"),
    )


def as_text(value: Any) -> str:
    """Return a literal as it appears in a command line."""
    return str(value) if value is not None else ""


def as_texts(values: Body | None) -> dict[str, str]:
    return {name: as_text(value) for name, value in (values or {}).items()}
