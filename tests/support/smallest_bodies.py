"""The smallest valid body of each resource, and what each of its types and properties needs."""

from typing import Any

ML = "Microsoft.MachineLearningServices"
DATA = "azureml://datastores/workspaceblobstore/paths/data"
CLUSTER = {"vmSize": "Standard_DS3_v2"}
_ACCOUNT = {"accountName": "{account}", "credentials": {"credentialsType": "None"}}
_TEMPLATE: dict[str, Any] = {
    "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    "contentVersion": "1.0.0.0",
    "resources": [],
}
# Resources that are only kept.
KEPT = (
    "Microsoft.KeyVault/vaults",
    "Microsoft.Insights/components",
    "Microsoft.OperationalInsights/workspaces",
    "Microsoft.ContainerRegistry/registries",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.Web/serverfarms",
)

# The smallest body of each resource, and of each of its types. `{...}` is filled in.
BODIES: dict[str, Any] = {
    "jobs": {"properties": {"jobType": "Pipeline"}},
    "data": {"properties": {"dataType": "uri_folder"}},
    "models": {"properties": {}},
    "codes": {"properties": {}},
    "environments": {"properties": {}},
    "components": {"properties": {}},
    "data/versions": {"properties": {"dataUri": DATA}},
    "models/versions": {"properties": {"modelUri": DATA}},
    "codes/versions": {"properties": {"codeUri": DATA}},
    "environments/versions": {"properties": {"image": "python:3.11"}},
    "components/versions": {"properties": {"componentSpec": {"command": "true"}}},
    "computes": {"properties": {"computeType": "AmlCompute", "properties": CLUSTER}},
    "datastores": {"properties": {"datastoreType": "AzureBlob", "containerName": "images", **_ACCOUNT}},
    "schedules": {
        "properties": {
            "action": {"actionType": "CreateJob", "jobDefinition": {"jobType": "Pipeline", "jobs": {}}},
            "trigger": {"triggerType": "Cron", "expression": "0 3 * * *"},
        }
    },
    "onlineEndpoints": {"properties": {"authMode": "Key"}, "location": "japaneast"},
    "onlineEndpoints/deployments": {
        "properties": {
            "endpointComputeType": "Managed",
            "instanceType": "Standard_DS3_v2",
            "model": "{workspace}/models/flow/versions/1",
        },
        "location": "japaneast",
    },
    "batchEndpoints": {"properties": {"authMode": "AADToken"}, "location": "japaneast"},
    "batchEndpoints/deployments": {
        "properties": {
            "compute": "{workspace}/computes/cpu",
            "model": {"referenceType": "Id", "assetId": "{workspace}/models/flow/versions/1"},
        },
        "location": "japaneast",
    },
    "workspaces": {
        "properties": {"storageAccount": "{storage}", "keyVault": "{vault}"},
        "location": "japaneast",
    },
    "registries": {
        "properties": {"regionDetails": [{"location": "japaneast"}]},
        "location": "japaneast",
        "identity": {"type": "SystemAssigned"},
    },
    "connections": {"properties": {"category": "Git", "target": "https://example.com", "authType": "None"}},
    "Microsoft.Resources/deployments": {
        "properties": {"template": _TEMPLATE, "parameters": {}, "mode": "Incremental"}
    },
    "Microsoft.Resources/subscriptions/resourceGroups": {"location": "japaneast"},
    "Microsoft.Storage/storageAccounts": {
        "location": "japaneast",
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "properties": {},
    },
    **{kind: {"location": "japaneast"} for kind in KEPT},
    "Microsoft.EventGrid/eventSubscriptions": {
        "properties": {"destination": {"endpointType": "WebHook", "properties": {"endpointUrl": "{webhook}"}}}
    },
    "Microsoft.Storage/storageAccounts/blobServices": {"properties": {}},
    "Microsoft.Storage/storageAccounts/blobServices/containers": {"properties": {}},
    "Microsoft.Web/sites": {
        "location": "japaneast",
        "kind": "functionapp,linux",
        "properties": {"serverFarmId": "{plan}"},
    },
    "Microsoft.Web/sites/config": {"properties": {}},
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": {"properties": {"allow": False}},
    "Microsoft.EventGrid/topics": {"location": "japaneast", "properties": {}},
    "Microsoft.EventGrid/systemTopics": {
        "location": "japaneast",
        "properties": {"source": "{storage}", "topicType": "Microsoft.Storage.StorageAccounts"},
    },
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": {
        "properties": {"destination": {"endpointType": "WebHook", "properties": {"endpointUrl": "{webhook}"}}}
    },
    "Microsoft.Authorization/roleAssignments": {
        "properties": {
            "principalId": "{principal}",
            "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/{role}",
        }
    },
}
_OPERANDS: dict[str, Any] = {
    "IsNotNull": {},
    "IsNullOrUndefined": {},
    "BoolEquals": {"value": True},
    **{f"Number{name}": {"value": 1} for name in ("GreaterThan", "LessThan")},
    **{f"Number{name}OrEquals": {"value": 1} for name in ("GreaterThan", "LessThan")},
    **{f"Number{name}": {"values": [1]} for name in ("In", "NotIn")},
    **{f"Number{name}Range": {"values": [[1, 2]]} for name in ("In", "NotIn")},
    **{
        f"String{negation}{name}": {"values": ["x"]}
        for name in ("Contains", "BeginsWith", "EndsWith", "In")
        for negation in ("", "Not")
    },
}
# What the credentials of a connection need, by its type.
_AUTHENTICATIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("AAD", "AccountKey", "ApiKey", "CustomKeys", "None", "OAuth2", "PAT", "SAS"), ()),
    "AccessKey": ("accessKeyId", "secretAccessKey"),
    "ManagedIdentity": ("clientId", "resourceId"),
    "ServicePrincipal": ("clientId", "clientSecret", "tenantId"),
    "UsernamePassword": ("username", "password"),
}
# What a chosen type needs, by the property that holds it.
REQUIRED: dict[tuple[str, str], dict[str, Any]] = {
    ("properties", "Command"): {
        "command": "true",
        "environmentId": "{workspace}/environments/plain/versions/1",
    },
    ("properties", "AmlCompute"): {"properties": CLUSTER},
    ("properties", "ComputeInstance"): {"properties": CLUSTER},
    ("properties", "AzureBlob"): {**_ACCOUNT, "containerName": "images"},
    ("properties", "AzureDataLakeGen2"): {**_ACCOUNT, "filesystem": "images"},
    ("credentials", "Sas"): {"secrets": {"sasToken": "sig=x"}},
    ("credentials", "ServicePrincipal"): {
        "tenantId": "x",
        "clientId": "x",
        "secrets": {"clientSecret": "x"},
    },
    ("properties", "mltable"): {"dataUri": DATA},
    ("properties", "uri_file"): {"dataUri": DATA},
    ("jobs", "command"): {"componentId": "{workspace}/components/step/versions/1"},
    ("jobs", "parallel"): {"componentId": "{workspace}/components/slices/versions/1"},
    ("componentSpec", "command"): {"command": "true"},
    ("inputs", "literal"): {"value": "1"},
    **{
        ("inputs", kind): {"uri": DATA}
        for kind in ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")
    },
    **{
        ("properties", name): {
            "category": "Git",
            "target": "https://example.com",
            "credentials": dict.fromkeys(secrets, "x"),
        }
        for name, secrets in _AUTHENTICATIONS.items()
    },
    ("deploymentConfiguration", "PipelineComponent"): {
        "componentId": {"referenceType": "Id", "assetId": "{workspace}/components/whole/versions/1"}
    },
    ("model", "Id"): {"assetId": "{workspace}/models/flow/versions/1"},
    ("properties", "Sweep"): {
        "searchSpace": {"x": ["choice", [["1"]]]},
        "samplingAlgorithm": {"samplingAlgorithmType": "Grid"},
        "objective": {"goal": "Maximize", "primaryMetric": "m"},
        "limits": {"jobLimitsType": "Sweep", "maxTotalTrials": 1},
        "trial": {"command": "true", "environmentId": "{workspace}/environments/plain/versions/1"},
    },
    ("jobs", "pipeline"): {"componentId": "{workspace}/components/whole/versions/1"},
    ("jobs", "sweep"): {
        "trial": {"componentId": "{workspace}/components/step/versions/1"},
        "search_space": {"x": {"type": "choice", "values": ["1"]}},
        "sampling_algorithm": {"type": "grid"},
        "objective": {"goal": "maximize", "primary_metric": "m"},
        "limits": {"max_total_trials": 1},
    },
    ("trigger", "Cron"): {"expression": "0 3 * * *"},
    ("trigger", "Recurrence"): {"frequency": "Day", "interval": 1},
    ("destination", "AzureFunction"): {"properties": {"resourceId": "{site}/functions/none"}},
    ("destination", "StorageQueue"): {"properties": {"resourceId": "{storage}", "queueName": "none"}},
    ("deadLetterDestination", "StorageBlob"): {
        "properties": {"resourceId": "{storage}", "blobContainerName": "dead"}
    },
    **{("advancedFilters", name): {"key": "subject", **operand} for name, operand in _OPERANDS.items()},
}
# A valid value of each property for which the shortest text, number or object is not valid.
VALUES: dict[str, Any] = {
    "properties(Pipeline).componentId": "{workspace}/components/whole/versions/1",
    "instance_count": 1,
    "uri": DATA,
    "dataUri": DATA,
    "modelUri": DATA,
    "codeUri": DATA,
    "codeId": "{workspace}/codes/code/versions/1",
    "environmentId": "{workspace}/environments/plain/versions/1",
    "environment": "{workspace}/environments/plain/versions/1",
    "componentId": "{workspace}/components/step/versions/1",
    "computeId": "{workspace}/computes/cpu",
    "default_compute": "{workspace}/computes/cpu",
    "timeout": "PT1H",
    "requestTimeout": "PT1S",
    "trialTimeout": "PT1H",
    "trial_timeout": "PT1H",
    "max_concurrent_trials": 1,
    "timeZone": "UTC",
    "expirationTimeUtc": "2099-01-01T00:00:00Z",
}

# The resources that the bodies refer to, by their paths in the workspace.
_STEP: dict[str, Any] = {
    "inputs": {"x": {"type": "string", "optional": True}},
    "outputs": {"x": {"type": "uri_folder"}},
}
NEEDED: dict[str, Any] = {
    "environments/plain/versions/1": {"image": "python:3.11"},
    "models/flow/versions/1": {"modelUri": DATA, "modelType": "mlflow_model"},
    "codes/code/versions/1": {"codeUri": DATA},
    "computes/cpu": {"computeType": "AmlCompute", "properties": CLUSTER},
    "components/step/versions/1": {"componentSpec": {"type": "command", "command": "true", **_STEP}},
    "components/slices/versions/1": {"componentSpec": {"type": "parallel", **_STEP}},
    "components/whole/versions/1": {"componentSpec": {"type": "pipeline", "jobs": {}}},
}
