"""The bodies of the jobs that batch endpoints start."""

from typing import Any

import pytest

from tidepool.endpoints.batch_jobs import Invocation, pipeline_job, scoring_component, scoring_job
from tidepool.errors import AzureError

_ID = "/subscriptions/s/resourceGroups/g/providers/p/workspaces/w/batchEndpoints/scores/deployments/first"
FOLDER = {"jobInputType": "UriFolder", "uri": "azureml://datastores/d/paths/p"}
MODEL = {"id": "model-id", "properties": {"modelUri": "https://a.blob.core.windows.net/c/some/model/"}}


def invocation(deployment: dict[str, Any] | None = None, **properties: Any) -> Invocation:
    settings = {
        "compute": "azureml:cpu",
        "codeConfiguration": {"codeId": "code-id", "scoringScript": "score me.py"},
        "environmentId": "environment-id",
        **(deployment or {}),
    }
    body = {"inputData": {"UriFolder": FOLDER}, **properties}
    return Invocation({"id": _ID, "name": "first", "properties": settings}, body, MODEL)


def test_a_deployment_becomes_a_parallel_component() -> None:
    component = scoring_component(
        invocation(
            {
                "miniBatchSize": 3,
                "maxConcurrencyPerInstance": 4,
                "resources": {"instanceCount": 2},
                "retrySettings": {"maxRetries": 1, "timeout": "PT10S"},
                "loggingLevel": "Debug",
                "outputFileName": "rows.csv",
            }
        )
    )

    assert component["mini_batch_size"] == "3"
    assert component["max_concurrency_per_instance"] == 4
    assert component["resources"] == {"instance_count": 2}
    assert component["retry_settings"] == {"max_retries": 1, "timeout": "PT10S"}
    assert component["logging_level"] == "DEBUG"
    assert component["task"]["append_row_to"] == "${{outputs.score}}/rows.csv"
    assert component["task"]["program_arguments"] == (
        "--output ${{outputs.score}} --model ${{inputs.model}} --model-name model --script 'score me.py'"
    )


def test_an_invocation_may_replace_settings_of_the_deployment() -> None:
    output = {"score": {"jobOutputType": "UriFile", "uri": "azureml://datastores/d/paths/rows.csv"}}
    asked = invocation(
        {"miniBatchSize": 3},
        miniBatchSize=7,
        errorThreshold=1,
        outputFileName="other.csv",
        outputData=output,
        properties={"experimentName": "mine"},
    )

    component, job = scoring_component(asked), scoring_job(asked, "component-id")

    assert (component["mini_batch_size"], component["error_threshold"]) == ("7", 1)
    assert component["task"]["append_row_to"] == "${{outputs.score}}"
    assert job["outputs"] == {"score": {**output["score"], "jobOutputType": "uri_file"}}
    assert job["inputs"]["input_data"] == {**FOLDER, "jobInputType": "uri_folder"}
    assert job["experimentName"] == "mine"


def test_only_the_script_writes_if_the_output_is_a_summary() -> None:
    component = scoring_component(invocation({"outputAction": "SummaryOnly"}))

    assert "append_row_to" not in component["task"]


@pytest.mark.parametrize("inputs", [{}, {"a": FOLDER, "b": FOLDER}, {"a": {"jobInputType": "Literal"}}])
def test_a_model_deployment_has_one_input(inputs: dict[str, Any]) -> None:
    with pytest.raises(AzureError, match="one input"):
        scoring_component(invocation(inputData=inputs))


def test_a_pipeline_deployment_keeps_its_settings() -> None:
    configuration = {
        "componentId": {"assetId": "component-id"},
        "settings": {"DefaultCompute": "cpu", "ContinueOnStepFailure": "false"},
    }

    job = pipeline_job(invocation({"deploymentConfiguration": configuration}))

    assert job["componentId"] == "component-id"
    assert job["settings"] == {"default_compute": "cpu", "continue_on_step_failure": False}
