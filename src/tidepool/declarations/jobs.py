"""Jobs, and the steps in the body of a pipeline job."""

from tidepool.declarations.metadata import DESCRIBED, RESOURCE
from tidepool.declarations.words import (
    ANY,
    SCALAR,
    Choice,
    Property,
    Table,
    choice,
    each,
    or_text,
    read_only,
    refused,
    stored,
    unlisted,
    used,
)

_RUNS = "integration/tidepool_jobs::a_command_job_reads_its_inputs_and_its_output_becomes_a_data_asset"
_BINDS = "integration/tidepool_jobs::a_pipeline_binds_its_steps_and_runs_each_as_a_child"
_GRAPH = "unit/tidepool_graph::inputs_follow_references_defaults_and_the_modes_of_the_job"
_NODES = "integration/tidepool_jobs::a_cluster_of_one_node_runs_one_step_at_a_time_and_cancel_ends_both"
_TIMEOUT = "integration/tidepool_jobs::a_job_that_takes_longer_than_its_limit_is_cancelled"
_MODEL = "integration/tidepool_jobs::a_model_that_a_job_writes_is_registered"
_PARALLEL = "integration/tidepool_parallel::init_and_shutdown_run_once_in_each_worker_and_see_the_arguments"
_THRESHOLDS = "unit/tidepool_graph::a_parallel_step_takes_its_thresholds_from_the_arguments_too"
_RETRIES = "integration/tidepool_parallel::a_call_that_takes_too_long_is_killed_and_tried_again"
_SWEEPS = "integration/tidepool_jobs::a_sweep_job_tries_the_grid_and_takes_the_best_trial"
_SWEEP_LIMIT = "integration/tidepool_jobs::a_sweep_that_takes_longer_than_its_limit_is_cancelled"
_SAMPLING = "unit/tidepool_sweeps::random_values_repeat_with_the_seed"
_TABLES = "integration/tidepool_jobs::tables_are_divided_into_rows_partitions_and_files"
_DISTRIBUTED = "integration/tidepool_jobs::a_distribution_starts_the_processes_of_pytorch_and_tensorflow"
_COMPONENT = "unit/tidepool_graph::a_registered_pipeline_component_gives_its_steps_and_defaults_to_the_job"

_CONTAINER = "jobs run as processes and not in containers"
_NO_LAUNCHER = "Tidepool starts the processes of PyTorch and TensorFlow only"
_HERE = "every node is this machine"
_QUEUE = "serverless nodes are always free, so no job waits for a better tier"
_SERVICES = "nothing can connect to a running job; its command runs as without them"
_MAIL = "Tidepool sends no mail, and the job does not depend on it"
_READ_MODES = ("ReadOnlyMount", "Download", "Direct")
_TABLE_MODES = (*_READ_MODES, "EvalMount", "EvalDownload")
_NO_MOUNT = "the job reads a copy, so what it writes there would be lost"
_WRITE_MODES = ("ReadWriteMount", "Upload")

DATA_TYPES = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")
_DATA_INPUT: Table = {
    "uri": used(_RUNS),
    "mode": used(_GRAPH, only=_READ_MODES, reason=_NO_MOUNT),
}
_TABLE_INPUT: Table = {**_DATA_INPUT, "mode": used(_TABLES, only=_TABLE_MODES, reason=_NO_MOUNT)}
INPUT = choice(
    "jobInputType",
    {"description": stored("it describes the input for people")},
    {
        "literal": {"value": used(_RUNS, SCALAR)},
        **dict.fromkeys(DATA_TYPES, _DATA_INPUT),
        "mltable": _TABLE_INPUT,
    },
)
_DATA_OUTPUT: Table = {
    "uri": used(_RUNS),
    "mode": used(_RUNS, only=_WRITE_MODES, reason="outputs are uploaded when the process has ended"),
    "assetName": used(_RUNS),
    "assetVersion": unlisted(used(_MODEL, SCALAR)),
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
        "PyTorch": {"processCountPerInstance": used(_DISTRIBUTED, int)},
        "TensorFlow": {
            "workerCount": used(_DISTRIBUTED, int),
            "parameterServerCount": used(_DISTRIBUTED, int),
        },
        "Mpi": refused(_NO_LAUNCHER),
        "Ray": refused(_NO_LAUNCHER),
    },
)
RESOURCES: Table = {
    "instanceCount": used(_NODES, int),
    "instanceType": stored(_HERE),
    "locations": unlisted(stored(_HERE, list)),
    "maxInstanceCount": unlisted(refused("elastic jobs are not emulated", int)),
    "shmSize": stored("processes share the memory of this machine, which has no such limit"),
    "dockerArgs": refused(_CONTAINER, str),
    "dockerArgsList": refused(_CONTAINER, list),
    "properties": refused("they configure computes that Tidepool does not emulate", dict),
}
QUEUE: Table = {"jobTier": stored(_QUEUE), "priority": unlisted(stored(_QUEUE, SCALAR))}
NOTIFICATION: Table = {
    "emailOn": stored(_MAIL, list),
    "emails": stored(_MAIL, list),
    "webhooks": each(choice("webhookType", {}, {"AzureDevOps": refused("no webhook is called")})),
}
SERVICE: Table = {
    "endpoint": stored(_SERVICES),
    "jobServiceType": stored(_SERVICES),
    "nodes": stored(_SERVICES, dict),
    "port": stored(_SERVICES, int),
    "properties": stored(_SERVICES, dict),
    "status": read_only(str),
    "errorMessage": read_only(str),
}
_JOB: Table = {
    **DESCRIBED,
    "computeId": used(_NODES),
    "displayName": stored("it describes the job for people"),
    "experimentName": used("integration/tidepool_mlflow::a_script_tracks_its_own_experiments_and_runs"),
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
    "codeId": used(_RUNS),
    "command": used(_RUNS),
    "environmentId": used("integration/tidepool_resources::a_job_that_names_a_missing_resource_is_refused"),
    "environmentVariables": used("unit/tidepool_graph::a_command_job_is_a_graph_of_one_step", dict),
    "distribution": DISTRIBUTION,
    "inputs": each(INPUT),
    "outputs": each(OUTPUT),
    "limits": {"jobLimitsType": stored("the type of the job says it already"), "timeout": used(_TIMEOUT)},
    "queueSettings": QUEUE,
    "resources": RESOURCES,
    "parameters": read_only(dict),
}

_STOPS_EARLY = "all trials run to their end"
_SWEEP: Table = {
    "trial": {
        "codeId": used(_SWEEPS),
        "command": used(_SWEEPS),
        "environmentId": used(_SWEEPS),
        "environmentVariables": used(_SWEEPS, dict),
        "distribution": DISTRIBUTION,
        "resources": RESOURCES,
    },
    "searchSpace": used(_SWEEPS, dict),
    "samplingAlgorithm": choice(
        "samplingAlgorithmType",
        {},
        {
            "Grid": {},
            "Random": {
                "seed": used(_SAMPLING, int),
                "rule": used(_SAMPLING, only=("Random",), reason="values are drawn independently"),
                "logbase": unlisted(refused("values are drawn independently")),
            },
            "Bayesian": refused("values are drawn without regard to earlier trials"),
        },
    ),
    "objective": {"goal": used(_SWEEPS), "primaryMetric": used(_SWEEPS)},
    "limits": {
        "jobLimitsType": stored("the type of the job says it already"),
        "maxTotalTrials": used(_SWEEPS, int),
        "maxConcurrentTrials": used(_SWEEPS, int),
        "timeout": used(_SWEEP_LIMIT),
        "trialTimeout": used(_SWEEP_LIMIT),
    },
    "earlyTermination": refused(_STOPS_EARLY, dict),
    "inputs": each(INPUT),
    "outputs": each(OUTPUT),
    "queueSettings": QUEUE,
}

# The steps of pipelines are not typed by Azure. Their properties have the names of the YAML schema.
_NODE_INPUT = or_text(
    {
        "job_input_type": used(_BINDS),
        "value": used(_BINDS, SCALAR),
        "uri": used(_BINDS),
        "mode": used(_GRAPH, only=_TABLE_MODES, reason=_NO_MOUNT),
    }
)
_NODE_OUTPUT = or_text(
    {
        "job_output_type": stored("the component of the step declares the type"),
        "type": stored("the component of the step declares the type"),
        "value": used(_BINDS),
        "uri": used(_BINDS),
        "path": used(_BINDS),
        "mode": used(_BINDS, only=_WRITE_MODES, reason="outputs are uploaded when the process has ended"),
        "name": used(_MODEL),
        "version": used(_MODEL, SCALAR),
    }
)
NODE_RESOURCES: Table = {
    "instance_count": used(_THRESHOLDS, SCALAR),
    "instance_type": stored(_HERE),
    "locations": stored(_HERE, list),
    "max_instance_count": refused("elastic jobs are not emulated"),
    "shm_size": stored("processes share the memory of this machine, which has no such limit"),
    "docker_args": refused(_CONTAINER),
    "properties": refused("they configure computes that Tidepool does not emulate", dict),
}
_DISTRIBUTIONS: dict[str, Table | Property] = {
    "pytorch": {"process_count_per_instance": used(_DISTRIBUTED, SCALAR)},
    "tensorflow": {
        "worker_count": used(_DISTRIBUTED, SCALAR),
        "parameter_server_count": used(_DISTRIBUTED, SCALAR),
    },
    "mpi": refused(_NO_LAUNCHER),
    "ray": refused(_NO_LAUNCHER),
}
_NODE_DISTRIBUTION = choice("distribution_type", {}, _DISTRIBUTIONS)
COMPONENT_DISTRIBUTION = choice("type", {}, _DISTRIBUTIONS)
PARALLEL_TASK: Table = {
    "type": used(_PARALLEL, only=("run_function",), reason="only Python functions run in parallel"),
    "code": used(_PARALLEL),
    "entry_script": used(_PARALLEL),
    "program_arguments": used(_PARALLEL),
    "append_row_to": used(
        "integration/tidepool_parallel::each_file_is_handed_out_once_and_the_rows_are_joined_in_order"
    ),
    "environment": used("integration/tidepool_resources::a_job_that_names_a_missing_resource_is_refused"),
    "model": refused("only Python functions run in parallel"),
}
PARALLEL: Table = {
    "task": PARALLEL_TASK,
    "input_data": used(_PARALLEL),
    "mini_batch_size": used(
        "integration/tidepool_parallel::a_size_in_bytes_fills_mini_batches_up_to_it", SCALAR
    ),
    "partition_keys": used(_TABLES, (str, list)),
    "max_concurrency_per_instance": used(_PARALLEL, SCALAR),
    "error_threshold": used(_THRESHOLDS, SCALAR),
    "mini_batch_error_threshold": used(_THRESHOLDS, SCALAR),
    "retry_settings": {"max_retries": used(_RETRIES, SCALAR), "timeout": used(_RETRIES, SCALAR)},
    "logging_level": used(_PARALLEL),
    "environment_variables": used("unit/tidepool_graph::a_command_job_is_a_graph_of_one_step", dict),
}
_NODE: Table = {
    "name": stored("the name of the step is its key in the pipeline"),
    "type": used(_BINDS),
    "display_name": stored("it describes the step for people"),
    "description": stored("it describes the step for people"),
    "comment": stored("it describes the step for people"),
    "tags": stored("steps are not searched by tags", dict),
    "properties": stored("they describe the step for people", dict),
    "_source": stored("it says which part of the SDK made the step"),
    "componentId": used(_BINDS),
    "computeId": used(_BINDS),
    "inputs": each(_NODE_INPUT),
    "outputs": each(_NODE_OUTPUT),
    "resources": NODE_RESOURCES,
    "environment_variables": used("unit/tidepool_graph::a_command_job_is_a_graph_of_one_step", dict),
    "identity": refused("a step acts as its cluster, or as the workspace if the cluster has no identity"),
}
_SWEEP_NODE: Table = {
    "trial": {"componentId": used(_SWEEPS)},
    "search_space": used(_SWEEPS, dict),
    "sampling_algorithm": used(_SAMPLING, ANY),
    "objective": {"goal": used(_SWEEPS), "primary_metric": used(_SWEEPS)},
    "limits": {
        "job_limits_type": stored("the type of the step says it already"),
        "max_total_trials": used(_SWEEPS, SCALAR),
        "max_concurrent_trials": used(_SWEEPS, SCALAR),
        "timeout": used(_SWEEP_LIMIT, SCALAR),
        "trial_timeout": used(_SWEEP_LIMIT, SCALAR),
    },
    "early_termination": refused(_STOPS_EARLY, dict),
    "queue_settings": {"job_tier": stored(_QUEUE), "priority": stored(_QUEUE, SCALAR)},
}
NODE = choice(
    "type",
    _NODE,
    {
        "command": {
            "limits": {
                "job_limits_type": stored("the type of the step says it already"),
                "timeout": used(_TIMEOUT, SCALAR),
            },
            "distribution": _NODE_DISTRIBUTION,
            "queue_settings": {"job_tier": stored(_QUEUE), "priority": stored(_QUEUE, SCALAR)},
            "services": stored(_SERVICES, dict),
        },
        "parallel": PARALLEL,
        "pipeline": {"settings": refused("the settings of the whole pipeline hold for its pipelines, too")},
        "sweep": _SWEEP_NODE,
        **{
            name: refused("Tidepool has no service that runs it")
            for name in ("automl", "spark", "import", "data_transfer", "if_else", "do_while", "parallel_for")
        },
    },
    default="command",
)
SETTINGS: Table = {
    "default_compute": used(_NODES),
    "default_datastore": used(_BINDS),
    "continue_on_step_failure": used(
        "integration/tidepool_jobs::a_pipeline_that_does_not_continue_on_failure_stops_its_other_steps", bool
    ),
    "force_rerun": used(
        "integration/tidepool_jobs::unchanged_deterministic_steps_are_reused_unless_forced", bool
    ),
    "_source": stored("it says which part of the SDK made the pipeline"),
    "*": stored("Azure ignores settings that it does not know", ANY),
    "on_init": refused("there are no steps at the start and end of a pipeline"),
    "on_finalize": refused("there are no steps at the start and end of a pipeline"),
}
PIPELINE: Table = {
    "componentId": used(_COMPONENT),
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
