"""Online endpoints and their deployments."""

from tidepool.declarations.metadata import IDENTITY, LOCATED, NAMED, SKU
from tidepool.declarations.words import Table, choice, read_only, refused, stored, used

_TRAFFIC = "integration/tidepool_endpoints::traffic_is_split_as_it_was_set_and_counted"
_MIRROR = "integration/tidepool_endpoints::mirrored_requests_are_answered_by_the_live_deployment"
_TOKENS = "integration/tidepool_endpoints::endpoints_with_token_authorization_accept_tokens"
_REFUSED = "integration/tidepool_endpoints::deployments_that_azure_refuses"
_SCRIPT = "integration/tidepool_endpoints::a_script_answers_and_its_output_is_in_the_log"
_MLFLOW = "integration/tidepool_endpoints::an_mlflow_model_needs_no_script"
_SLOW = "integration/tidepool_endpoints::a_deployment_that_is_too_slow_or_overloaded_answers_with_an_error"
_PATCHED = "integration/tidepool_endpoints::a_patch_changes_tags_and_instances_and_nothing_else"

_NETWORK = "Tidepool has no virtual networks"
_MANAGED = "only managed online endpoints are emulated"
_NO_TELEMETRY = "there is no Application Insights, and answers do not depend on it"
_READY = "Tidepool waits for the process without a time limit, and starts it again if it ends"

_PROBE: Table = {
    "failureThreshold": stored(_READY, int),
    "successThreshold": stored(_READY, int),
    "initialDelay": stored(_READY),
    "period": stored(_READY),
    "timeout": stored(_READY),
}
ENDPOINT: Table = {
    **LOCATED,
    "identity": IDENTITY,
    "kind": refused(_MANAGED, str, only=("Managed",)),
    "sku": SKU,
    "properties": {
        **NAMED,
        "authMode": used(_TOKENS),
        "traffic": used(_TRAFFIC, dict),
        "mirrorTraffic": used(_MIRROR, dict),
        "publicNetworkAccess": refused(_NETWORK, str, only=("Enabled",)),
        "compute": refused(_MANAGED, str),
        "keys": refused("keys are generated; regenerateKeys sets a key", dict),
        "scoringUri": read_only(str),
        "swaggerUri": read_only(str),
        "provisioningState": read_only(str),
    },
}
DEPLOYMENT: Table = {
    **LOCATED,
    "identity": refused("a deployment acts as its endpoint", dict),
    "kind": refused(_MANAGED, str, only=("Managed",)),
    "sku": {**SKU, "capacity": used(_PATCHED, int)},
    "properties": choice(
        "endpointComputeType",
        {
            **NAMED,
            "appInsightsEnabled": stored(_NO_TELEMETRY, bool),
            "codeConfiguration": {"codeId": used(_SCRIPT), "scoringScript": used(_SCRIPT)},
            "dataCollector": refused("requests and answers are not collected", dict),
            "egressPublicNetworkAccess": refused(_NETWORK, str, only=("Enabled",)),
            "environmentId": used(_REFUSED),
            "environmentVariables": used(_SCRIPT, dict),
            "instanceType": used(_REFUSED),
            "livenessProbe": _PROBE,
            "readinessProbe": _PROBE,
            "startupProbe": _PROBE,
            "model": used(_MLFLOW),
            "modelMountPath": refused("there is no container to mount the model in", str),
            "requestSettings": {
                "maxConcurrentRequestsPerInstance": used(_SLOW, int),
                "requestTimeout": used(_SLOW),
                "maxQueueWait": stored("Azure has deprecated it in favor of requestTimeout"),
            },
            "scaleSettings": choice(
                "scaleType",
                {},
                {
                    "Default": {},
                    "TargetUtilization": refused("the number of instances does not change by itself"),
                },
            ),
            "provisioningState": read_only(str),
        },
        {"Managed": {}, "Kubernetes": refused(_MANAGED)},
        default="Managed",
    ),
}
