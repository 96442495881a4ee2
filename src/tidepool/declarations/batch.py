"""Batch endpoints, their deployments, and the bodies of their invocations."""

from tidepool.declarations.metadata import LOCATED, NAMED
from tidepool.declarations.words import SCALAR, Table, choice, each, read_only, refused, stored, used

_DEFAULT = "integration/tidepool_batch::an_endpoint_runs_its_default_deployment"
_MODEL = "integration/tidepool_batch::a_model_deployment_scores_a_folder_with_its_script"
_SUMMARY = "integration/tidepool_batch::a_script_that_writes_its_own_output_gets_its_folder"
_THRESHOLD = "integration/tidepool_batch::more_failed_files_than_the_threshold_fail_the_job"
_MLFLOW = "integration/tidepool_batch::an_mlflow_model_needs_no_script"
_PIPELINE = "integration/tidepool_batch::a_pipeline_deployment_takes_literals_and_data"
_UNIT = "unit/tidepool_batch_jobs::a_deployment_becomes_a_parallel_component"
_OVERRIDES = "unit/tidepool_batch_jobs::an_invocation_may_replace_settings_of_the_deployment"
_TOKENS = "batch endpoints accept tokens only"

_BY_ID = "assets are named by their ids"
_MODEL_REFERENCE = choice(
    "referenceType",
    {},
    {"Id": {"assetId": used(_MODEL)}, "DataPath": refused(_BY_ID), "OutputPath": refused(_BY_ID)},
)
_RETRY: Table = {"maxRetries": used(_UNIT, int), "timeout": used(_UNIT)}
ENDPOINT: Table = {
    **LOCATED,
    "identity": stored("jobs act as the cluster of the deployment", dict),
    "kind": stored("it has no meaning for batch endpoints"),
    "sku": refused("a batch endpoint has no size", dict),
    "properties": {
        **NAMED,
        "authMode": refused(_TOKENS, str, only=("AADToken",)),
        "defaults": {"deploymentName": used(_DEFAULT)},
        "keys": refused(_TOKENS, dict),
        "scoringUri": read_only(str),
        "swaggerUri": read_only(str),
        "provisioningState": read_only(str),
    },
}
DEPLOYMENT: Table = {
    **LOCATED,
    "identity": refused("a deployment acts as its cluster", dict),
    "kind": stored("it has no meaning for batch deployments"),
    "sku": refused("the size of a batch deployment is in its resources", dict),
    "properties": {
        **NAMED,
        "compute": used(_MODEL),
        "deploymentConfiguration": choice(
            "deploymentConfigurationType",
            {},
            {
                "PipelineComponent": {
                    "componentId": {
                        "referenceType": refused(_BY_ID, str, only=("Id",)),
                        "assetId": used(_PIPELINE),
                    },
                    "settings": used(_PIPELINE, dict),
                    "description": stored("it describes the deployment for people"),
                    "tags": stored("they describe the deployment for people", dict),
                }
            },
        ),
        "errorThreshold": used(_THRESHOLD, int),
        "loggingLevel": used(_UNIT),
        "maxConcurrencyPerInstance": used(_UNIT, int),
        "miniBatchSize": used(_MODEL, int),
        "model": _MODEL_REFERENCE,
        "outputAction": used(_SUMMARY),
        "outputFileName": used(_MODEL),
        "provisioningState": read_only(str),
        "resources": {
            "instanceCount": used(_UNIT, int),
            "instanceType": stored("the nodes of a cluster have the size of the cluster"),
            "properties": refused("they are settings of clusters of other kinds", dict),
        },
        "retrySettings": _RETRY,
        "codeConfiguration": {"codeId": used(_MODEL), "scoringScript": used(_MODEL)},
        "environmentId": used(_MODEL),
        "environmentVariables": used(_MODEL, dict),
    },
}
_INPUT: Table = {
    "jobInputType": used(_PIPELINE),
    "uri": used(_PIPELINE),
    "value": used(_PIPELINE, SCALAR),
    "mode": used(_UNIT),
    "description": stored("it describes the input for people"),
}
_OUTPUT: Table = {
    "jobOutputType": used(_OVERRIDES),
    "uri": used(_OVERRIDES),
    "mode": stored("outputs are uploaded at the end, whatever the mode"),
    "description": stored("it describes the output for people"),
}
INVOCATION: Table = {
    "properties": {
        "name": used(_PIPELINE),
        "inputData": each(_INPUT),
        "outputData": each(_OUTPUT),
        "errorThreshold": used(_OVERRIDES, int),
        "miniBatchSize": used(_OVERRIDES, int),
        "outputFileName": used(_OVERRIDES),
        "retrySettings": _RETRY,
        "properties": {"experimentName": used(_OVERRIDES)},
        "compute": refused("an invocation runs on the cluster of its deployment", dict),
        "dataset": refused("version 1 datasets are not emulated", dict),
        "outputDataset": refused("version 1 datasets are not emulated", dict),
    }
}
