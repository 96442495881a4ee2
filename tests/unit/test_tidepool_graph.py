"""How job bodies become graphs, how references are resolved, and which steps count as the same."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tidepool.errors import AzureError
from tidepool.jobs.bodies import read_job
from tidepool.jobs.body_values import seconds
from tidepool.jobs.expressions import UnknownReferenceError, fill_command
from tidepool.jobs.graph import Graph, GraphError, JobOutput, Step, Value, bind_inputs
from tidepool.jobs.minibatches import Tally, Thresholds, split
from tidepool.jobs.reuse import fingerprint
from tidepool.jobs.step_commands import parallel_settings

COMPONENTS: dict[str, dict[str, Any]] = {
    "score": {
        "type": "command",
        "command": "score ${{inputs.images}} ${{outputs.rows}}",
        "inputs": {
            "images": {"type": "uri_folder"},
            "limit": {"type": "integer", "default": "10"},
            "note": {"type": "string", "optional": True},
        },
        "outputs": {"rows": {"type": "uri_file"}},
    },
    "publish": {
        "type": "command",
        "command": "publish ${{inputs.rows}}",
        "is_deterministic": False,
        "inputs": {"rows": {"type": "uri_file"}},
        "outputs": {"csv": {"type": "uri_folder"}},
    },
    "sweep": {"type": "sweep"},
}


def node(
    component: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None = None, **more: Any
) -> Any:
    bound = {name: {"job_input_type": "literal", "value": value} for name, value in inputs.items()}
    return {"componentId": component, "inputs": bound, "outputs": outputs or {}, **more}


def pipeline(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "jobType": "Pipeline",
        "settings": {"default_compute": "azureml:cpu", "force_rerun": True},
        "inputs": {
            "partition": {"jobInputType": "uri_folder", "uri": "azureml:digits:1", "mode": "Download"}
        },
        "outputs": {
            "result": {"jobOutputType": "uri_folder", "uri": "azureml://datastores/d/paths/${{name}}/"}
        },
        "jobs": {
            "score": node("score", {"images": "${{parent.inputs.partition}}"}),
            "publish": node(
                "publish",
                {"rows": "${{parent.jobs.score.outputs.rows}}"},
                {"csv": {"value": "${{parent.outputs.result}}", "type": "literal"}},
                computeId="/subscriptions/s/computes/gpu",
            ),
        },
    }
    return {**body, **changes}


def graph(**changes: Any) -> Graph:
    return read_job("month-1", pipeline(**changes), COMPONENTS.__getitem__)


def test_a_pipeline_becomes_steps_that_know_what_they_need() -> None:
    steps = graph().steps

    assert (steps["score"].needs, steps["publish"].needs) == (set(), {"score"})
    assert (steps["score"].compute, steps["publish"].compute) == ("cpu", "gpu")
    assert (steps["score"].deterministic, steps["publish"].deterministic) == (True, False)
    assert graph().force_rerun


def test_an_output_of_the_pipeline_is_the_output_of_the_step_that_is_bound_to_it() -> None:
    job_graph = graph()

    assert job_graph.outputs == {"result": ("publish", "csv")}
    assert job_graph.steps["publish"].outputs["csv"] == JobOutput(
        "uri_folder", "azureml://datastores/d/paths/month-1/"
    )


def test_inputs_follow_references_defaults_and_the_modes_of_the_job() -> None:
    job_graph = graph()
    rows = Value("azureml://rows", "uri_file")

    score = bind_inputs(job_graph.steps["score"], job_graph.inputs, {})
    publish = bind_inputs(job_graph.steps["publish"], job_graph.inputs, {("score", "rows"): rows})

    assert score == {"images": Value("azureml:digits:1", "uri_folder", "Download"), "limit": Value("10")}
    assert publish == {"rows": rows}


def test_a_command_job_is_a_graph_of_one_step() -> None:
    body = {
        "jobType": "Command",
        "command": "train",
        "computeId": "cpu",
        "limits": {"timeout": "PT1H30M"},
        "outputs": {"model": {"jobOutputType": "mlflow_model", "assetName": "m", "assetVersion": "2"}},
    }

    step = read_job("train-1", body, COMPONENTS.__getitem__).steps["train-1"]

    assert (step.kind, step.compute, step.timeout_s) == ("command", "cpu", 5400)
    assert step.outputs["model"] == JobOutput("mlflow_model", None, "m", "2")


def test_a_registered_pipeline_component_gives_its_steps_and_defaults_to_the_job() -> None:
    components = {
        **COMPONENTS,
        "monthly": {
            "type": "pipeline",
            "inputs": {"partition": {"type": "uri_folder"}, "compute": {"type": "string", "default": "cpu"}},
            "jobs": {
                "score": node(
                    "score",
                    {"images": "${{parent.inputs.partition}}"},
                    computeId="${{parent.inputs.compute}}",
                )
            },
        },
    }
    body = {**pipeline(settings=None, outputs={}), "componentId": "monthly", "jobs": None}

    job_graph = read_job("month-1", body, components.__getitem__)

    assert job_graph.steps["score"].compute == "cpu"
    assert bind_inputs(job_graph.steps["score"], job_graph.inputs, {})["images"].text == "azureml:digits:1"


@pytest.mark.parametrize(
    ("jobs", "message"),
    [
        ({"score": node("score", {"images": "${{parent.jobs.gone.outputs.rows}}"})}, "which does not exist"),
        ({"score": node("score", {})}, "lacks its required input images"),
        ({"score": node("score", {"images": "x", "imags": "y"})}, "inputs that its component lacks: imags"),
        (
            {
                "one": node("publish", {"rows": "${{parent.jobs.two.outputs.csv}}"}),
                "two": node("publish", {"rows": "${{parent.jobs.one.outputs.csv}}"}),
            },
            "wait for each other",
        ),
        ({"score": {"type": "command"}}, "names no component"),
        ({"score": node("sweep", {})}, "does not run steps of type sweep"),
    ],
)
def test_a_job_that_cannot_run_is_refused_with_the_reason(jobs: dict[str, Any], message: str) -> None:
    with pytest.raises(AzureError, match=message):
        graph(jobs=jobs, outputs={})


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"depth": "0"}, "Input depth of step train is 0; its min is 1"),
        ({"depth": "2.5"}, "Input depth of step train is 2.5; its max is 2"),
        ({"kind": "c"}, "Input kind of step train is c; it must be one of a, b"),
        ({"depth": "2", "kind": "b"}, None),
        ({"depth": "${{parent.inputs.depth}}"}, None),
    ],
)
def test_a_literal_outside_what_its_component_allows_is_refused(
    inputs: dict[str, str], message: str | None
) -> None:
    declared = {
        "depth": {"type": "number", "min": "1", "max": "2", "optional": True},
        "kind": {"type": "string", "enum": ["a", "b"], "optional": True},
    }
    body = {"jobType": "Pipeline", "jobs": {"train": node("train", inputs)}}

    def read() -> Graph:
        return read_job("job", body, lambda _: {"type": "command", "command": "true", "inputs": declared})

    if message is None:
        assert read().steps["train"].inputs
        return
    with pytest.raises(AzureError, match=message):
        read()


@pytest.mark.parametrize(
    "properties",
    [
        {"jobType": "Command"},
        {"jobType": "Command", "command": "x", "inputs": ["y"]},
        {"jobType": "Command", "command": "x", "resources": {"instanceCount": "many"}},
        {"jobType": "Pipeline", "jobs": ["score"]},
        {"jobType": "Pipeline", "jobs": {"score": 5}},
    ],
)
def test_a_body_of_another_shape_is_refused(properties: dict[str, Any]) -> None:
    with pytest.raises(AzureError, match="400"):
        read_job("job", properties, COMPONENTS.__getitem__)


def test_an_output_that_no_step_writes_is_refused() -> None:
    with pytest.raises(AzureError, match="No step writes the outputs result"):
        graph(jobs={"score": node("score", {"images": "${{parent.inputs.partition}}"})})


def test_an_optional_part_of_a_command_needs_all_its_inputs() -> None:
    command = "go ${{inputs.a}} $[[--b ${{inputs.b}} --c ${{inputs.c}}]] ${{outputs.o}}"
    texts = {"inputs.a": "1", "inputs.b": "2", "outputs.o": "/o"}

    assert fill_command(command, texts).split() == ["go", "1", "/o"]
    assert fill_command(command, {**texts, "inputs.c": "3"}) == "go 1 --b 2 --c 3 /o"
    with pytest.raises(UnknownReferenceError, match=r"inputs\.a"):
        fill_command(command, {"outputs.o": "/o"})


def test_steps_are_the_same_by_code_and_by_the_place_of_their_data() -> None:
    step = graph().steps["score"]
    inputs = {"images": Value("azureml:digits:1", "uri_folder")}
    key = fingerprint(step, inputs)

    assert key == fingerprint(replace(step, name="other", compute="gpu"), dict(inputs))
    assert key != fingerprint(step, {"images": Value("azureml:digits:2", "uri_folder")})
    assert key != fingerprint(replace(step, spec={**step.spec, "command": "other"}), inputs)


def test_a_parallel_step_takes_its_thresholds_from_the_arguments_too() -> None:
    spec = {
        "type": "parallel",
        "input_data": "${{inputs.images}}",
        "mini_batch_size": 10,
        "max_concurrency_per_instance": 3,
        "retry_settings": {"timeout": 5},
        "task": {
            "entry_script": "score.py",
            "program_arguments": "--error_threshold 5 --model ${{inputs.model}}",
            "append_row_to": "${{outputs.rows}}",
        },
    }
    step = Step("score", "parallel", spec, outputs={"rows": JobOutput("uri_folder")}, instances=2)
    texts = {"inputs.images": "/in", "inputs.model": "/model", "outputs.rows": "/out"}

    settings = parallel_settings(step, texts)

    assert settings["arguments"] == ["--error_threshold", "5", "--model", "/model"]
    assert (settings["workers"], settings["error_threshold"], settings["timeout_s"]) == (6, 5, 5)
    assert (settings["mini_batch_size"], settings["max_retries"]) == ("10", 2)
    assert settings["append_row_to"] == "/out/parallel_run_step.txt"


@pytest.mark.parametrize(("text", "value"), [("PT1M", 60), ("P1DT2H", 93600), (90, 90), (None, None)])
def test_durations_are_read_in_seconds(text: Any, value: float | None) -> None:
    assert seconds(text) == value


def test_a_text_that_is_not_a_duration_is_refused() -> None:
    with pytest.raises(GraphError, match="soon is not a duration"):
        seconds("soon")


def test_a_mini_batch_size_without_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a number of files, or a size"):
        split([Path("a")], "some")


@pytest.mark.parametrize(
    ("thresholds", "failed", "tolerated"),
    [
        (Thresholds(), 4, True),
        (Thresholds(mini_batches=1), 1, True),
        (Thresholds(mini_batches=1), 2, False),
        (Thresholds(items=5), 2, False),
        (Thresholds(failed_percent=50), 2, True),
        (Thresholds(failed_percent=49), 2, False),
    ],
)
def test_a_threshold_is_exceeded_only_beyond_it(thresholds: Thresholds, failed: int, tolerated: bool) -> None:
    tally = Tally(total=4, thresholds=thresholds)

    for _ in range(failed):
        tally.count_failure(items=3)

    assert (tally.excess() is None) == tolerated
