"""Jobs, as Azure's types describe them."""

from tidepool.declarations.job_reasons import (
    COMPONENT,
    CONTAINER,
    DISTRIBUTED_JOB,
    EXPERIMENT,
    GRAPH,
    HERE,
    MAIL,
    MODEL,
    NO_LAUNCHER,
    NO_MOUNT,
    NO_TIERS,
    NODES,
    READ_MODES,
    RUNS,
    SAMPLING,
    SERVICES,
    STOPS_EARLY,
    SWEEP_LIMIT,
    SWEEPS,
    TABLE_MODES,
    TABLES,
    TIMEOUT,
    WRITE_MODES,
)
from tidepool.declarations.metadata import DESCRIBED, RESOURCE
from tidepool.declarations.steps import NODE, SETTINGS
from tidepool.declarations.words import (
    SCALAR,
    Choice,
    Table,
    choice,
    each,
    read_only,
    refused,
    stored,
    unlisted,
    used,
)

DATA_TYPES = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")
_DATA_INPUT: Table = {
    "uri": used(RUNS),
    "mode": used(GRAPH, only=READ_MODES, reason=NO_MOUNT),
}
_TABLE_INPUT: Table = {**_DATA_INPUT, "mode": used(TABLES, only=TABLE_MODES, reason=NO_MOUNT)}
INPUT = choice(
    "jobInputType",
    {"description": stored("it describes the input for people")},
    {
        "literal": {"value": used(RUNS, SCALAR)},
        **dict.fromkeys(DATA_TYPES, _DATA_INPUT),
        "mltable": _TABLE_INPUT,
    },
)
_DATA_OUTPUT: Table = {
    "uri": used(RUNS),
    "mode": refused("outputs are uploaded when the process has ended", str, only=WRITE_MODES),
    "assetName": used(RUNS),
    "assetVersion": unlisted(used(MODEL, SCALAR)),
}
OUTPUT = choice(
    "jobOutputType",
    {"description": stored("it describes the output for people")},
    dict.fromkeys(DATA_TYPES, _DATA_OUTPUT),
    default="uri_folder",
)
_OTHER_IDENTITY = "a job acts as the first identity of its cluster"
IDENTITY = choice(
    "identityType",
    {},
    {
        "AMLToken": refused("a job acts as its cluster, or as the workspace if the cluster has no identity"),
        "Managed": {name: refused(_OTHER_IDENTITY, str) for name in ("clientId", "objectId", "resourceId")},
        "UserIdentity": {},
    },
)
DISTRIBUTION = choice(
    "distributionType",
    {},
    {
        "PyTorch": {"processCountPerInstance": used(DISTRIBUTED_JOB, int)},
        "TensorFlow": {
            "workerCount": used(DISTRIBUTED_JOB, int),
            "parameterServerCount": used(DISTRIBUTED_JOB, int),
        },
        "Mpi": refused(NO_LAUNCHER),
        "Ray": refused(NO_LAUNCHER),
    },
)
RESOURCES: Table = {
    "instanceCount": used(DISTRIBUTED_JOB, int),
    "instanceType": stored(HERE),
    "locations": unlisted(stored(HERE, list)),
    "maxInstanceCount": unlisted(refused("elastic jobs are not emulated", int)),
    "shmSize": stored("processes share the memory of this machine, which has no such limit"),
    "dockerArgs": refused(CONTAINER, str),
    "dockerArgsList": refused(CONTAINER, list),
    "properties": refused("they configure computes that Tidepool does not emulate", dict),
}
QUEUE: Table = {"jobTier": stored(NO_TIERS), "priority": unlisted(stored(NO_TIERS, SCALAR))}
NOTIFICATION: Table = {
    "emailOn": stored(MAIL, list),
    "emails": stored(MAIL, list),
    "webhooks": each(choice("webhookType", {}, {"AzureDevOps": refused("no webhook is called")})),
}
SERVICE: Table = {
    "endpoint": stored(SERVICES),
    "jobServiceType": stored(SERVICES),
    "nodes": stored(SERVICES, dict),
    "port": stored(SERVICES, int),
    "properties": stored(SERVICES, dict),
    "status": read_only(str),
    "errorMessage": read_only(str),
}
_JOB: Table = {
    **DESCRIBED,
    "computeId": used(NODES),
    "displayName": stored("it describes the job for people"),
    "experimentName": used(EXPERIMENT),
    "identity": IDENTITY,
    "isArchived": used("integration/tidepool_history::jobs_are_listed_newest_first_by_tag_and_view", bool),
    "notificationSetting": NOTIFICATION,
    "services": each(SERVICE),
    "componentId": refused("only a pipeline job can name a component"),
    "status": read_only(str),
    "parentJobName": unlisted(read_only(str)),
    "provisioningState": unlisted(read_only(str)),
}
_COMMAND: Table = {
    "codeId": used(RUNS),
    "command": used(RUNS),
    "environmentId": used("integration/tidepool_resources::a_job_that_names_a_missing_resource_is_refused"),
    "environmentVariables": used("unit/tidepool_graph::a_command_job_is_a_graph_of_one_step", dict),
    "distribution": DISTRIBUTION,
    "inputs": each(INPUT),
    "outputs": each(OUTPUT),
    "limits": {"jobLimitsType": stored("the type of the job says it already"), "timeout": used(TIMEOUT)},
    "queueSettings": QUEUE,
    "resources": RESOURCES,
    "parameters": read_only(dict),
}

_SWEEP: Table = {
    "trial": {
        "codeId": used(SWEEPS),
        "command": used(SWEEPS),
        "environmentId": used(SWEEPS),
        "environmentVariables": used(SWEEPS, dict),
        "distribution": DISTRIBUTION,
        "resources": RESOURCES,
    },
    "searchSpace": used(SWEEPS, dict),
    "samplingAlgorithm": choice(
        "samplingAlgorithmType",
        {},
        {
            "Grid": {},
            "Random": {
                "seed": used(SAMPLING, int),
                "rule": refused("values are drawn independently", str, only=("Random",)),
                "logbase": unlisted(refused("values are drawn independently")),
            },
            "Bayesian": refused("values are drawn without regard to earlier trials"),
        },
    ),
    "objective": {"goal": used(SWEEPS), "primaryMetric": used(SWEEPS)},
    "limits": {
        "jobLimitsType": stored("the type of the job says it already"),
        "maxTotalTrials": used(SWEEPS, int),
        "maxConcurrentTrials": used(SWEEPS, int),
        "timeout": used(SWEEP_LIMIT),
        "trialTimeout": used(SWEEP_LIMIT),
    },
    "earlyTermination": refused(STOPS_EARLY, dict),
    "inputs": each(INPUT),
    "outputs": each(OUTPUT),
    "queueSettings": QUEUE,
}

PIPELINE: Table = {
    "componentId": used(COMPONENT),
    "inputs": each(INPUT),
    "outputs": each(OUTPUT),
    "jobs": each(NODE),
    "settings": SETTINGS,
    "sourceJobId": refused("a job cannot be submitted again by its id"),
}
JOB: Choice = choice(
    "jobType",
    _JOB,
    {
        "Command": _COMMAND,
        "Pipeline": PIPELINE,
        "Sweep": _SWEEP,
        "Spark": refused("Tidepool has no Spark"),
        "AutoML": refused("automated machine learning is a service of Azure"),
        "FineTuning": refused("fine-tuning is a service of Azure"),
        "Labeling": refused("data labeling is a service of Azure"),
    },
)
JOB_BODY: Table = {**RESOURCE, "properties": JOB}
