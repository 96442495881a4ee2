"""The reader of pipelines: the nodes of a job or of a pipeline component become the steps of a graph."""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from tidepool.errors import AzureError
from tidepool.jobs.body_values import (
    Body,
    as_text,
    as_texts,
    declared_outputs,
    given_inputs,
    read_output,
    read_value,
    seconds,
    short_name,
)
from tidepool.jobs.distribution import read_distribution
from tidepool.jobs.expressions import fill_known, reference
from tidepool.jobs.graph import Graph, GraphError, JobOutput, Step, Value, check_graph
from tidepool.jobs.sweep_bodies import read_sweep


def pipeline_graph(name: str, job: Body, component: Callable[[str], Body]) -> Graph:
    """Return the graph of a pipeline job. Raise GraphError if the pipeline cannot run as it is written."""
    job = _expanded(job, component)
    settings = job.get("settings") or {}
    reader = _PipelineReader(
        component=component,
        literals={f"parent.inputs.{key}": value.text for key, value in given_inputs(job).items()},
        compute=short_name(settings.get("default_compute") or job.get("computeId")),
        graph=Graph(
            {},
            given_inputs(job),
            force_rerun=bool(settings.get("force_rerun")),
            continue_on_failure=settings.get("continue_on_step_failure") is not False,
            datastore=short_name(settings.get("default_datastore")),
        ),
    )
    outputs = {key: _with_job_name(output, name) for key, output in declared_outputs(job).items()}
    return reader.read(job.get("jobs") or {}, outputs)


@dataclass(frozen=True)
class _PipelineReader:
    """The reader of one pipeline: of a job, or of a pipeline component inside a pipeline.

    `literals` has the texts of its inputs, `compute` its default compute, `graph` its inputs and settings.
    """

    component: Callable[[str], Body]
    literals: Mapping[str, str]
    compute: str | None
    graph: Graph

    def read(self, nodes: Body, declared: Mapping[str, JobOutput]) -> Graph:
        """Return the graph of the nodes. `declared` are the outputs of the pipeline."""
        steps: dict[str, Step] = {}
        outputs: dict[str, tuple[str, str]] = {}
        for name, body in nodes.items():
            node = {**body, "computeId": fill_known(body.get("computeId") or "", self.literals)}
            step = self._step(name, node)
            for key, target in _job_outputs_of(node):
                outputs[target] = (name, key)
                step.outputs[key] = _merged(step.outputs[key], declared.get(target))
            step = replace(step, compute=step.compute or self.compute)
            steps[name] = self._with_steps(step) if step.kind == "pipeline" else step
        if missing := set(declared) - set(outputs):
            raise GraphError(f"No step writes the outputs {', '.join(sorted(missing))} of the pipeline.")
        graph = replace(self.graph, steps=steps, outputs=outputs)
        check_graph(graph)
        return graph

    def _step(self, name: str, node: Body) -> Step:
        trial = node.get("trial") if node.get("type") == "sweep" else None
        identifier = (trial or {}).get("componentId") if isinstance(trial, Mapping) else trial
        identifier = identifier or node.get("componentId")
        if not identifier:
            raise GraphError(f"Step {name} names no component; set its componentId.")
        component = self.component(identifier)
        if trial is None:
            return _step(name, node, component)
        plan = read_sweep(node, f"step {name}")
        searched = {key: {"value": ""} for key in plan.space if key in (component.get("inputs") or {})}
        step = _step(
            name, {**node, "inputs": {**(node.get("inputs") or {}), **searched}, "limits": None}, component
        )
        return replace(step, kind="sweep", sweep=plan, deterministic=False)

    def _with_steps(self, step: Step) -> Step:
        """Return a step that is a pipeline with the graph of its own steps, which write its outputs."""
        reader = _PipelineReader(
            component=self.component,
            literals={
                f"parent.inputs.{key}": fill_known(value.text, self.literals)
                for key, value in step.inputs.items()
            },
            compute=step.compute,
            graph=replace(self.graph, inputs={}),
        )
        outputs = {key: replace(output, asset_name=None) for key, output in step.outputs.items()}
        graph = reader.read(step.spec.get("jobs") or {}, step.outputs)
        return replace(step, graph=graph, outputs=outputs, deterministic=False)


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
    if kind not in ("command", "parallel", "pipeline"):
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
        environment_variables=as_texts(component.get("environment_variables"))
        | as_texts(node.get("environment_variables")),
        timeout_s=seconds((node.get("limits") or {}).get("timeout")),
        deterministic=component.get("is_deterministic") is not False,
    )


def _step_inputs(step: str, given: Body, declared: Body) -> Iterator[tuple[str, Value]]:
    if unknown := set(given) - set(declared):
        raise GraphError(f"Step {step} gets inputs that its component lacks: {', '.join(sorted(unknown))}.")
    for name, declaration in declared.items():
        if (bound := given.get(name)) is not None:
            value = read_value(bound, declaration.get("type"), declaration.get("mode"))
            _check_literal(step, name, value, declaration)
            yield name, value
        elif declaration.get("default") is not None:
            yield name, Value(as_text(declaration["default"]))
        elif not declaration.get("optional"):
            raise GraphError(f"Step {step} lacks its required input {name}.")


def _check_literal(step: str, name: str, value: Value, declared: Body) -> None:
    """Raise GraphError if a literal is not one that its component allows with `enum`, `min` and `max`."""
    if value.is_data or "${{" in value.text:
        return
    allowed = [as_text(item) for item in declared.get("enum") or []]
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
        yield (
            name,
            _merged(declared_output, read_output({"job_output_type": declared_output.type, **described})),
        )


def _job_outputs_of(node: Body) -> Iterator[tuple[str, str]]:
    """Yield (output of the step, output of the job) for each output of the job that the step writes."""
    for name, described in (node.get("outputs") or {}).items():
        text = described if isinstance(described, str) else str((described or {}).get("value") or "")
        target = reference(text) or ""
        if target.startswith("parent.outputs."):
            yield name, target.removeprefix("parent.outputs.")


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
