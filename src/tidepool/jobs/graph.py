"""A job as a graph of steps. An input of a step may be an output of another step."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from tidepool.jobs.distribution import Distribution
from tidepool.jobs.expressions import fill, reference, references
from tidepool.jobs.sweep_plan import SweepPlan

DATA_TYPES = {"uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"}


class GraphError(Exception):
    """The job cannot run as it is written."""


@dataclass(frozen=True)
class Value:
    """What an input is bound to: the text of a literal, or data of some type at a URI or asset id."""

    text: str
    type: str = "literal"
    mode: str | None = None

    @property
    def is_data(self) -> bool:
        return self.type in DATA_TYPES


@dataclass(frozen=True)
class JobOutput:
    """The URI of an output and the asset that it is registered as.

    Without a URI the output goes to the default location. Without an asset name it is not registered.
    """

    type: str = "uri_folder"
    uri: str | None = None
    asset_name: str | None = None
    asset_version: str | None = None


@dataclass(frozen=True)
class Step:
    """A command job, or a node of a pipeline merged with its component.

    `kind` is command, parallel, sweep (its trials are this command) or pipeline (with the steps of `graph`).
    """

    name: str
    kind: str
    spec: Mapping[str, Any]
    inputs: dict[str, Value] = field(default_factory=dict)
    outputs: dict[str, JobOutput] = field(default_factory=dict)
    compute: str | None = None
    instances: int = 1
    distribution: Distribution | None = None
    sweep: SweepPlan | None = None
    graph: "Graph | None" = None
    environment_variables: dict[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    deterministic: bool = True

    @property
    def sources(self) -> set[tuple[str, str]]:
        """Return (step, output) for each output of another step that this step reads."""
        names = [name.split(".") for value in self.inputs.values() for name in references(value.text)]
        return {(name[2], name[4]) for name in names if name[:2] == ["parent", "jobs"]}

    @property
    def needs(self) -> set[str]:
        """Return the names of the steps that must end before this step starts."""
        return {name for name, _ in self.sources}


@dataclass(frozen=True)
class Graph:
    """A whole job. `outputs` maps each output of the job to the (step, output) that writes it."""

    steps: dict[str, Step]
    inputs: dict[str, Value] = field(default_factory=dict)
    outputs: dict[str, tuple[str, str]] = field(default_factory=dict)
    force_rerun: bool = False
    continue_on_failure: bool = True
    datastore: str | None = None


def is_step_input(step: Step, name: str) -> bool:
    """Return whether an input is the `input_data` of a parallel step."""
    return step.kind == "parallel" and reference(str(step.spec.get("input_data"))) == f"inputs.{name}"


def check_graph(graph: Graph) -> None:
    """Raise GraphError if the target of a reference does not exist, or if steps wait for each other."""
    for step in graph.steps.values():
        for name, value in step.inputs.items():
            for target in references(value.text):
                if not _exists(graph, target):
                    raise GraphError(
                        f"Input {name} of step {step.name} refers to ${{{{{target}}}}}, which does not exist."
                    )
    try:
        TopologicalSorter({step.name: step.needs for step in graph.steps.values()}).prepare()
    except CycleError as error:
        raise GraphError(f"The steps wait for each other: {' -> '.join(error.args[1])}") from error


def bind_inputs(
    step: Step, job_inputs: Mapping[str, Value], produced: Mapping[tuple[str, str], Value]
) -> dict[str, Value]:
    """Return the inputs of the step with each reference replaced by the value that it names.

    References name inputs of the job or outputs of other steps (`produced`, by step and output). The result
    leaves out an optional input that the job does not give.
    """
    texts = {f"parent.inputs.{key}": value.text for key, value in job_inputs.items()}
    known = {f"parent.inputs.{key}": value for key, value in job_inputs.items()}
    known |= {f"parent.jobs.{maker}.outputs.{output}": value for (maker, output), value in produced.items()}
    bound: dict[str, Value] = {}
    for name, value in step.inputs.items():
        target = reference(value.text)
        if target is None:
            bound[name] = replace(value, text=fill(value.text, texts))
        elif target in known:
            bound[name] = replace(known[target], mode=value.mode or known[target].mode)
    return bound


def _exists(graph: Graph, target: str) -> bool:
    match target.split("."):
        case ["parent", "inputs", _]:
            return True  # an input that the job does not give is optional
        case ["parent", "jobs", maker, "outputs", output]:
            return maker in graph.steps and output in graph.steps[maker].outputs
    return False
