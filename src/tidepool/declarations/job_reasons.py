"""What several properties of jobs and of steps share: the tests of their effect, and the reasons."""

RUNS = "integration/tidepool_jobs::a_command_job_reads_its_inputs_and_its_output_becomes_a_data_asset"
BINDS = "integration/tidepool_jobs::a_pipeline_binds_its_steps_and_runs_each_as_a_child"
READS = (
    "integration/tidepool_jobs::"
    "the_reason_of_a_step_that_never_started_is_in_its_log_and_in_the_stream_of_the_pipeline"
)
ENVIRONMENT_NAME = (
    "integration/tidepool_environments::a_pipeline_with_a_step_in_an_unknown_curated_environment_is_refused"
)
EXPERIMENT = (
    "integration/tidepool_mlflow::a_job_logs_metrics_artifacts_and_a_registered_model_under_its_own_name"
)
GRAPH = "unit/tidepool_graph::inputs_follow_references_defaults_and_the_modes_of_the_job"
NODES = "integration/tidepool_jobs::a_cluster_of_one_node_runs_one_step_at_a_time_and_cancel_ends_both"
TIMEOUT = "integration/tidepool_jobs::a_job_that_takes_longer_than_its_limit_is_cancelled"
MODEL = "integration/tidepool_jobs::a_model_that_a_job_writes_is_registered"
MINI_BATCHES = "integration/tidepool_jobs::a_parallel_step_keeps_its_settings"
THRESHOLDS = "unit/tidepool_graph::a_parallel_step_takes_its_thresholds_from_the_arguments_too"
SWEEPS = "integration/tidepool_jobs::a_sweep_job_tries_the_grid_and_takes_the_best_trial"
SWEEP_STEP = "integration/tidepool_jobs::a_sweep_and_a_pipeline_are_steps_of_a_pipeline"
SWEEP_LIMIT = "integration/tidepool_jobs::a_sweep_that_takes_longer_than_its_limit_is_cancelled"
SAMPLING = "unit/tidepool_sweeps::random_values_repeat_with_the_seed"
TABLES = "integration/tidepool_jobs::tables_are_divided_into_rows_partitions_and_files"
DISTRIBUTED = "integration/tidepool_jobs::a_distribution_starts_the_processes_of_pytorch_and_tensorflow"
DISTRIBUTED_JOB = "integration/tidepool_jobs::a_command_job_with_a_distribution_starts_its_processes"
COMPONENT = "unit/tidepool_graph::a_registered_pipeline_component_gives_its_steps_and_defaults_to_the_job"

CONTAINER = "jobs run as processes and not in containers"
NO_LAUNCHER = "Tidepool starts the processes of PyTorch and TensorFlow only"
HERE = "every node is this machine"
NO_TIERS = "serverless nodes are always free, so no job waits for a better tier"
SERVICES = "nothing can connect to a running job; its command runs as without them"
MAIL = "Tidepool sends no mail, and the job does not depend on it"
READ_MODES = ("ReadOnlyMount", "Download", "Direct")
TABLE_MODES = (*READ_MODES, "EvalMount", "EvalDownload")
NO_MOUNT = "the job reads a copy, so what it writes there would be lost"
WRITE_MODES = ("ReadWriteMount", "Upload")

STOPS_EARLY = "all trials run to their end"
