"""The steps in the body of a pipeline job, and its settings.

Azure does not type them. Their properties have the names of the YAML schema.
"""

from tidepool.declarations.job_reasons import (
    BINDS,
    CONTAINER,
    DISTRIBUTED,
    ENVIRONMENT_NAME,
    GRAPH,
    HERE,
    MINI_BATCHES,
    MODEL,
    NO_LAUNCHER,
    NO_MOUNT,
    NO_TIERS,
    NODES,
    READS,
    SAMPLING,
    SERVICES,
    STOPS_EARLY,
    SWEEP_LIMIT,
    SWEEP_STEP,
    TABLE_MODES,
    TABLES,
    THRESHOLDS,
    TIMEOUT,
    WRITE_MODES,
)
from tidepool.declarations.words import (
    ANY,
    SCALAR,
    Property,
    Table,
    choice,
    each,
    or_text,
    refused,
    stored,
    used,
)

_NODE_INPUT = or_text(
    {
        "job_input_type": used(BINDS),
        "value": used(BINDS, SCALAR),
        "uri": used(READS),
        "mode": used(GRAPH, only=TABLE_MODES, reason=NO_MOUNT),
    }
)
_NODE_OUTPUT = or_text(
    {
        "job_output_type": stored("the component of the step declares the type"),
        "type": stored("the component of the step declares the type"),
        "value": used(BINDS),
        "uri": used(MODEL),
        "mode": refused("outputs are uploaded when the process has ended", str, only=WRITE_MODES),
        "name": used(MODEL),
        "version": used(MODEL, SCALAR),
    }
)
NODE_RESOURCES: Table = {
    "instance_count": used(THRESHOLDS, SCALAR),
    "instance_type": stored(HERE),
    "locations": stored(HERE, list),
    "max_instance_count": refused("elastic jobs are not emulated"),
    "shm_size": stored("processes share the memory of this machine, which has no such limit"),
    "docker_args": refused(CONTAINER),
    "properties": refused("they configure computes that Tidepool does not emulate", dict),
}
_DISTRIBUTIONS: dict[str, Table | Property] = {
    "pytorch": {"process_count_per_instance": used(DISTRIBUTED, SCALAR)},
    "tensorflow": {
        "worker_count": used(DISTRIBUTED, SCALAR),
        "parameter_server_count": used(DISTRIBUTED, SCALAR),
    },
    "mpi": refused(NO_LAUNCHER),
    "ray": refused(NO_LAUNCHER),
}
_NODE_DISTRIBUTION = choice("distribution_type", {}, _DISTRIBUTIONS)
COMPONENT_DISTRIBUTION = choice("type", {}, _DISTRIBUTIONS)
PARALLEL_TASK: Table = {
    "type": refused("only Python functions run in parallel", str, only=("run_function",)),
    "code": used(MINI_BATCHES),
    "entry_script": used(MINI_BATCHES),
    "program_arguments": used(MINI_BATCHES),
    "append_row_to": used(MINI_BATCHES),
    "environment": used(ENVIRONMENT_NAME),
    "model": refused("only Python functions run in parallel"),
}
PARALLEL: Table = {
    "task": PARALLEL_TASK,
    "input_data": used(MINI_BATCHES),
    "mini_batch_size": used(MINI_BATCHES, SCALAR),
    "partition_keys": used(TABLES, (str, list)),
    "max_concurrency_per_instance": used(MINI_BATCHES, SCALAR),
    "error_threshold": used(THRESHOLDS, SCALAR),
    "mini_batch_error_threshold": used(THRESHOLDS, SCALAR),
    "retry_settings": {"max_retries": used(MINI_BATCHES, SCALAR), "timeout": used(MINI_BATCHES, SCALAR)},
    "logging_level": used(MINI_BATCHES),
    "environment_variables": used("unit/tidepool_graph::a_command_job_is_a_graph_of_one_step", dict),
}
_NODE: Table = {
    "name": stored("the name of the step is its key in the pipeline"),
    "display_name": stored("it describes the step for people"),
    "description": stored("it describes the step for people"),
    "comment": stored("it describes the step for people"),
    "tags": stored("steps are not searched by tags", dict),
    "properties": stored("they describe the step for people", dict),
    "_source": stored("it says which part of the SDK made the step"),
    "componentId": used(BINDS),
    "computeId": used(NODES),
    "inputs": each(_NODE_INPUT),
    "outputs": each(_NODE_OUTPUT),
    "resources": NODE_RESOURCES,
    "environment_variables": used("unit/tidepool_graph::a_command_job_is_a_graph_of_one_step", dict),
    "identity": refused("a step acts as its cluster, or as the workspace if the cluster has no identity"),
}
_SWEEP_NODE: Table = {
    "trial": {"componentId": used(SWEEP_STEP)},
    "search_space": used(SWEEP_STEP, dict),
    "sampling_algorithm": or_text(
        choice(
            "type",
            {},
            {
                "grid": {},
                "random": {
                    "seed": used(SAMPLING, int),
                    "rule": refused("values are drawn independently", str, only=("random",)),
                    "logbase": refused("values are drawn independently"),
                },
                "bayesian": refused("values are drawn without regard to earlier trials"),
            },
        )
    ),
    "objective": {"goal": used(SWEEP_STEP), "primary_metric": used(SWEEP_STEP)},
    "limits": {
        "job_limits_type": stored("the type of the step says it already"),
        "max_total_trials": used(SWEEP_STEP, SCALAR),
        "max_concurrent_trials": used(SWEEP_STEP, SCALAR),
        "timeout": used(SWEEP_LIMIT, SCALAR),
        "trial_timeout": used(SWEEP_LIMIT, SCALAR),
    },
    "early_termination": refused(STOPS_EARLY, dict),
    "queue_settings": {"job_tier": stored(NO_TIERS), "priority": stored(NO_TIERS, SCALAR)},
}
NODE = choice(
    "type",
    _NODE,
    {
        "command": {
            "limits": {
                "job_limits_type": stored("the type of the step says it already"),
                "timeout": used(TIMEOUT, SCALAR),
            },
            "distribution": _NODE_DISTRIBUTION,
            "queue_settings": {"job_tier": stored(NO_TIERS), "priority": stored(NO_TIERS, SCALAR)},
            "services": stored(SERVICES, dict),
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
    "default_compute": used(NODES),
    "default_datastore": used(BINDS),
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
