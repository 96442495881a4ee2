"""The reader of job bodies: what the SDK sends becomes a graph of steps."""

from collections.abc import Callable
from dataclasses import replace

from tidepool.errors import AzureError
from tidepool.jobs.body_values import Body, as_texts, declared_outputs, given_inputs, seconds, short_name
from tidepool.jobs.distribution import read_distribution
from tidepool.jobs.graph import Graph, GraphError, Step
from tidepool.jobs.pipeline_bodies import pipeline_graph
from tidepool.jobs.sweep_bodies import read_sweep


def read_job(name: str, properties: Body, component: Callable[[str], Body]) -> Graph:
    """Return the graph of a job, read from the properties of its body.

    `component` returns the `componentSpec` for the id of a component. Raise AzureError if the job cannot run.
    """
    kind = properties.get("jobType", "Command")
    try:
        if kind == "Command":
            return _graph_of(_command_step(name, properties, properties))
        if kind == "Sweep":
            return _graph_of(_sweep_step(name, properties))
        if kind == "Pipeline":
            return pipeline_graph(name, properties, component)
    except GraphError as error:
        raise AzureError(400, "UserError", str(error)) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AzureError(400, "UserError", f"The body does not describe a job: {error!r}") from error
    raise AzureError(501, "NotEmulated", f"Tidepool does not run jobs of type {kind}.")


def _graph_of(step: Step) -> Graph:
    return Graph({step.name: step}, outputs={key: (step.name, key) for key in step.outputs})


def _command_step(name: str, job: Body, command: Body) -> Step:
    """Return the only step of a job. `command` says what it runs: the job itself, or the trial of a sweep."""
    environment = command.get("environmentId")
    return Step(
        name=name,
        kind="command",
        spec={"command": command["command"], "code": command.get("codeId"), "environment": environment},
        inputs=given_inputs(job),
        outputs=declared_outputs(job),
        compute=short_name(job.get("computeId")),
        instances=int((command.get("resources") or {}).get("instanceCount") or 1),
        distribution=read_distribution(command.get("distribution"), f"job {name}"),
        environment_variables=as_texts(command.get("environmentVariables")),
        timeout_s=seconds((job.get("limits") or {}).get("timeout")),
        deterministic=False,
    )


def _sweep_step(name: str, job: Body) -> Step:
    step = _command_step(name, job, job["trial"])
    return replace(step, kind="sweep", sweep=read_sweep(job, f"job {name}"), timeout_s=None)
