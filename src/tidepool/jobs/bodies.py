"""The reader of job and component bodies: what the SDK sends becomes a graph of steps."""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tidepool.errors import AzureError
from tidepool.jobs.distribution import read_distribution
from tidepool.jobs.expressions import fill_known, reference
from tidepool.jobs.graph import DATA_TYPES, Graph, GraphError, JobOutput, Step, Value, check_graph

Body = Mapping[str, Any]
_DURATION = re.compile(r"^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$")


def read_job(name: str, properties: Body, component: Callable[[str], Body]) -> Graph:
    """Return the graph of a job, read from the properties of its body.

    `component` returns the `componentSpec` for the id of a component. Raise AzureError if the job cannot run.
    """
    kind = properties.get("jobType", "Command")
    try:
        if kind == "Command":
            return _command_graph(name, properties)
        if kind == "Pipeline":
            graph = _pipeline_graph(name, properties, component)
            check_graph(graph)
            return graph
    except GraphError as error:
        raise AzureError(400, "UserError", str(error)) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AzureError(400, "UserError", f"The body does not describe a job: {error!r}") from error
    raise AzureError(501, "NotEmulated", f"Tidepool does not run jobs of type {kind}.")


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


def _command_graph(name: str, job: Body) -> Graph:
    step = Step(
        name=name,
        kind="command",
        spec={"command": job["command"], "code": job.get("codeId"), "environment": job.get("environmentId")},
        inputs=_given_inputs(job),
        outputs=_declared_outputs(job),
        compute=short_name(job.get("computeId")),
        instances=int((job.get("resources") or {}).get("instanceCount") or 1),
        distribution=read_distribution(job.get("distribution"), f"job {name}"),
        environment_variables=_texts(job.get("environmentVariables")),
        timeout_s=seconds((job.get("limits") or {}).get("timeout")),
        deterministic=False,
    )
    return Graph({name: step}, outputs={key: (name, key) for key in step.outputs})


def _pipeline_graph(pipeline: str, job: Body, component: Callable[[str], Body]) -> Graph:
    job = _expanded(job, component)
    settings = job.get("settings") or {}
    default_compute = short_name(settings.get("default_compute") or job.get("computeId"))
    literals = {f"parent.inputs.{key}": value.text for key, value in _given_inputs(job).items()}
    declared = {key: _with_job_name(output, pipeline) for key, output in _declared_outputs(job).items()}
    steps: dict[str, Step] = {}
    outputs: dict[str, tuple[str, str]] = {}
    for name, body in (job.get("jobs") or {}).items():
        node = {**body, "computeId": fill_known(body.get("computeId") or "", literals)}
        if not node.get("componentId"):
            raise GraphError(f"Step {name} names no component; set its componentId.")
        step = _step(name, node, component(node["componentId"]))
        for key, target in _job_outputs_of(node):
            outputs[target] = (name, key)
            step.outputs[key] = _merged(step.outputs[key], declared.get(target))
        steps[name] = replace(step, compute=step.compute or default_compute)
    if missing := set(declared) - set(outputs):
        raise GraphError(f"No step writes the outputs {', '.join(sorted(missing))} of the pipeline.")
    return Graph(
        steps,
        _given_inputs(job),
        outputs,
        force_rerun=bool(settings.get("force_rerun")),
        continue_on_failure=settings.get("continue_on_step_failure") is not False,
        datastore=short_name(settings.get("default_datastore")),
    )


def _expanded(job: Body, component: Callable[[str], Body]) -> Body:
    """Return the job with the steps and default inputs of the pipeline component that it names, if any."""
    if job.get("jobs") or not job.get("componentId"):
        return job
    pipeline = component(job["componentId"])
    declared = pipeline.get("inputs") or {}
    given = {key: value for key, value in (job.get("inputs") or {}).items() if value is not None}
    if unknown := set(given) - set(declared):
        raise GraphError(f"The job gives inputs that its pipeline lacks: {', '.join(sorted(unknown))}.")
    for key, declaration in declared.items():
        if key not in given and declaration.get("default") is not None:
            given[key] = declaration["default"]
        elif key not in given and not declaration.get("optional"):
            raise GraphError(f"The job lacks the required input {key} of its pipeline.")
    return {**job, "jobs": pipeline.get("jobs") or {}, "inputs": given}


def _step(name: str, node: Body, component: Body) -> Step:
    kind = str(component.get("type", "command")).partition("@")[0]
    if kind not in ("command", "parallel"):
        raise AzureError(501, "NotEmulated", f"Tidepool does not run steps of type {kind} (step {name}).")
    spec = {**component, **{key: value for key, value in node.items() if value is not None}}
    return Step(
        name=name,
        kind=kind,
        spec=spec,
        inputs=dict(_step_inputs(name, node.get("inputs") or {}, component.get("inputs") or {})),
        outputs=dict(_step_outputs(node.get("outputs") or {}, component.get("outputs") or {})),
        compute=short_name(node.get("computeId")),
        instances=int((spec.get("resources") or {}).get("instance_count") or 1),
        distribution=read_distribution(spec.get("distribution"), f"step {name}"),
        environment_variables=_texts(component.get("environment_variables"))
        | _texts(node.get("environment_variables")),
        timeout_s=seconds((node.get("limits") or {}).get("timeout")),
        deterministic=component.get("is_deterministic") is not False,
    )


def _step_inputs(step: str, given: Body, declared: Body) -> Iterator[tuple[str, Value]]:
    if unknown := set(given) - set(declared):
        raise GraphError(f"Step {step} gets inputs that its component lacks: {', '.join(sorted(unknown))}.")
    for name, declaration in declared.items():
        if (bound := given.get(name)) is not None:
            value = _value(bound, declaration.get("type"), declaration.get("mode"))
            _check_literal(step, name, value, declaration)
            yield name, value
        elif declaration.get("default") is not None:
            yield name, Value(_text(declaration["default"]))
        elif not declaration.get("optional"):
            raise GraphError(f"Step {step} lacks its required input {name}.")


def _check_literal(step: str, name: str, value: Value, declared: Body) -> None:
    """Raise GraphError if a literal is not one that its component allows with `enum`, `min` and `max`."""
    if value.is_data or "${{" in value.text:
        return
    allowed = [_text(item) for item in declared.get("enum") or []]
    if allowed and value.text not in allowed:
        raise GraphError(
            f"Input {name} of step {step} is {value.text}; it must be one of {', '.join(allowed)}."
        )
    for bound, is_outside in (("min", operator.lt), ("max", operator.gt)):
        limit = declared.get(bound)
        if limit is not None and is_outside(float(value.text), float(limit)):
            raise GraphError(f"Input {name} of step {step} is {value.text}; its {bound} is {limit}.")


def _step_outputs(given: Body, declared: Body) -> Iterator[tuple[str, JobOutput]]:
    for name, declaration in declared.items():
        described = given.get(name) or {}
        declared_output = JobOutput(type=declaration.get("type") or "uri_folder")
        yield name, _merged(declared_output, _output({"job_output_type": declared_output.type, **described}))


def _job_outputs_of(node: Body) -> Iterator[tuple[str, str]]:
    """Yield (output of the step, output of the job) for each output of the job that the step writes."""
    for name, described in (node.get("outputs") or {}).items():
        text = described if isinstance(described, str) else str((described or {}).get("value") or "")
        target = reference(text) or ""
        if target.startswith("parent.outputs."):
            yield name, target.removeprefix("parent.outputs.")


def _given_inputs(job: Body) -> dict[str, Value]:
    return {name: _value(body) for name, body in (job.get("inputs") or {}).items() if body is not None}


def _declared_outputs(job: Body) -> dict[str, JobOutput]:
    return {name: _output(body or {}) for name, body in (job.get("outputs") or {}).items()}


def _value(body: Any, declared_type: str | None = None, declared_mode: str | None = None) -> Value:
    """Parse an input. Jobs use the keys `jobInputType` and `uri`. Nodes use `job_input_type` and `value`."""
    if not isinstance(body, Mapping):
        return Value(_text(body))
    kind = body.get("jobInputType") or body.get("job_input_type") or "literal"
    mode = body.get("mode") or (declared_mode if declared_type in DATA_TYPES else None)
    if kind == "literal":
        return Value(_text(body.get("value")), mode=mode)
    return Value(_text(body.get("uri") or body.get("value")), kind, mode)


def _output(body: Body) -> JobOutput:
    return JobOutput(
        type=body.get("jobOutputType") or body.get("job_output_type") or "uri_folder",
        uri=body.get("uri") or body.get("path"),
        asset_name=body.get("assetName") or body.get("name"),
        asset_version=body.get("assetVersion") or body.get("version"),
    )


def _with_job_name(output: JobOutput, job: str) -> JobOutput:
    """Replace `${{name}}` in the URI of a pipeline's output by the pipeline's name.

    In the URI of a step's output, `${{name}}` means the run of the step, and is replaced when the step runs.
    """
    return replace(output, uri=fill_known(output.uri, {"name": job})) if output.uri else output


def _merged(output: JobOutput, override: JobOutput | None) -> JobOutput:
    """Return the output with the job's settings in place of the step's, but with the component's type."""
    if override is None:
        return output
    return JobOutput(
        type=output.type,
        uri=override.uri or output.uri,
        asset_name=override.asset_name or output.asset_name,
        asset_version=override.asset_version or output.asset_version,
    )


def _text(value: Any) -> str:
    """Return a literal as it appears in a command line."""
    return str(value) if value is not None else ""


def _texts(values: Body | None) -> dict[str, str]:
    return {name: _text(value) for name, value in (values or {}).items()}
