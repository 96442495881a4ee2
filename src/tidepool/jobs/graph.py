"""A job as a graph of steps: what runs where, and what is bound to what. Pure: no bodies, no storage."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from tidepool.jobs.expressions import fill, reference, references

DATA_TYPES = {"uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"}


class GraphError(Exception):
    """The job cannot be carried out as it is written."""


@dataclass(frozen=True)
class Value:
    """What an input is bound to: a literal's text, or data of a type at a URI or asset id."""

    text: str
    type: str = "literal"
    mode: str | None = None

    @property
    def is_data(self) -> bool:
        return self.type in DATA_TYPES


@dataclass(frozen=True)
class Output:
    """Where an output goes (None: the default place), and the asset that it becomes (None: none)."""

    type: str = "uri_folder"
    uri: str | None = None
    asset_name: str | None = None
    asset_version: str | None = None


@dataclass(frozen=True)
class Step:
    """One process to run: a command job, or a node of a pipeline with its component folded in."""

    name: str
    kind: str
    spec: Mapping[str, Any]
    inputs: dict[str, Value] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    compute: str | None = None
    instances: int = 1
    environment_variables: dict[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    deterministic: bool = True

    @property
    def sources(self) -> set[tuple[str, str]]:
        """(step, output) of every output of another step that this one reads."""
        names = [name.split(".") for value in self.inputs.values() for name in references(value.text)]
        return {(name[2], name[4]) for name in names if name[:2] == ["parent", "jobs"]}

    @property
    def needs(self) -> set[str]:
        """Names of the steps that must end before this one."""
        return {name for name, _ in self.sources}


@dataclass(frozen=True)
class Graph:
    """A whole job. `outputs` says whose output each output of the job is: name -> (step, output)."""

    steps: dict[str, Step]
    inputs: dict[str, Value] = field(default_factory=dict)
    outputs: dict[str, tuple[str, str]] = field(default_factory=dict)
    force_rerun: bool = False
    continue_on_failure: bool = True
    datastore: str | None = None


def check(graph: Graph) -> None:
    """Raises GraphError unless every reference leads somewhere and no step waits for itself."""
    for step in graph.steps.values():
        for name, value in step.inputs.items():
            for target in references(value.text):
                if not _exists(graph, target):
                    raise GraphError(
                        f"Input {name} of step {step.name}: ${{{{{target}}}}} refers to nothing."
                    )
    try:
        TopologicalSorter({step.name: step.needs for step in graph.steps.values()}).prepare()
    except CycleError as error:
        raise GraphError(f"The steps wait for each other: {' -> '.join(error.args[1])}") from error


def bind(
    step: Step, job_inputs: Mapping[str, Value], produced: Mapping[tuple[str, str], Value]
) -> dict[str, Value]:
    """The step's inputs with every reference to the job and to other steps followed.

    An optional input that was not given is absent.
    """
    texts = {f"parent.inputs.{key}": given.text for key, given in job_inputs.items()}
    known = {f"parent.inputs.{key}": given for key, given in job_inputs.items()}
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
            return True  # an input of the job that was not given is one that is optional
        case ["parent", "jobs", maker, "outputs", output]:
            return maker in graph.steps and output in graph.steps[maker].outputs
    return False
