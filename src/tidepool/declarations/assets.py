"""Versioned assets: data, models, code, environments and components."""

from tidepool.declarations.job_reasons import ENVIRONMENT_NAME
from tidepool.declarations.metadata import ARCHIVED, DESCRIBED, RESOURCE
from tidepool.declarations.steps import COMPONENT_DISTRIBUTION, NODE, NODE_RESOURCES, PARALLEL
from tidepool.declarations.words import (
    SCALAR,
    Shape,
    Table,
    choice,
    each,
    read_only,
    refused,
    stored,
    unlisted,
    used,
)

_PATHS = "integration/tidepool_resources::the_path_of_an_asset_never_changes"
_CONDA = "integration/tidepool_environments::a_failed_import_names_the_requirement_that_is_not_installed"
_CODE = "integration/tidepool_resources::equal_code_is_uploaded_once"
_MODEL = "integration/tidepool_jobs::a_model_that_a_job_writes_is_registered"
_STEP = "integration/tidepool_jobs::a_pipeline_binds_its_steps_and_runs_each_as_a_child"
_GRAPH = "unit/tidepool_graph::inputs_follow_references_defaults_and_the_modes_of_the_job"
_REUSE = "integration/tidepool_jobs::unchanged_deterministic_steps_are_reused_unless_forced"

_NOT_BUILT = "no images are built: jobs run in Python environments of this machine"
_LINEAGE = "it says where the asset comes from, and nothing acts on it"
_PEOPLE = "it describes the component for people"
_STAGE = "nothing acts on the stage of an asset"

_VERSION: Table = {
    **DESCRIBED,
    **ARCHIVED,
    "isAnonymous": stored("the name of an anonymous asset keeps it out of lists already", bool),
    "autoDeleteSetting": unlisted(refused("assets are not deleted by themselves")),
    "intellectualProperty": unlisted(refused("protected assets are not emulated")),
}
DATA_CONTAINER: Table = {
    **RESOURCE,
    "properties": {
        **DESCRIBED,
        **ARCHIVED,
        "dataType": stored("each version has a type of its own"),
        "latestVersion": read_only(str),
        "nextVersion": read_only(str),
    },
}
CONTAINER: Table = {
    **RESOURCE,
    "properties": {
        **DESCRIBED,
        **ARCHIVED,
        "latestVersion": read_only(str),
        "nextVersion": read_only(str),
        "provisioningState": read_only(str),
    },
}
DATA: Table = {
    **RESOURCE,
    "properties": choice(
        "dataType",
        {**_VERSION, "dataUri": used(_PATHS), "stage": unlisted(stored(_STAGE))},
        {
            "uri_file": {},
            "uri_folder": {},
            "mltable": {"referencedUris": stored("they are those that the MLTable file names", list)},
        },
        default="uri_folder",
    ),
}
MODEL: Table = {
    **RESOURCE,
    "properties": {
        **_VERSION,
        "provisioningState": read_only(str),
        "modelUri": used("integration/tidepool_resources::a_new_model_is_published_once"),
        "modelType": used("integration/tidepool_endpoints::an_mlflow_model_needs_no_script"),
        "flavors": stored("the MLmodel file has them, and scoring reads them there", dict),
        "jobName": stored(_LINEAGE),
        "system_metadata": unlisted(stored("the SDK sends what it read, for models in registries", dict)),
        "datasets": stored(_LINEAGE, list),
        "stage": stored(_STAGE),
    },
}
CODE: Table = {
    **RESOURCE,
    "properties": {**_VERSION, "provisioningState": read_only(str), "codeUri": used(_CODE)},
}
ENVIRONMENT: Table = {
    **RESOURCE,
    "properties": {
        **_VERSION,
        "provisioningState": read_only(str),
        "image": stored(_NOT_BUILT),
        "condaFile": used(_CONDA),
        "build": stored(_NOT_BUILT, dict),
        "autoRebuild": stored(_NOT_BUILT),
        "environmentType": read_only(str),
        "osType": refused("jobs run on Linux", str, only=("Linux",)),
        "inferenceConfig": refused("containers do not run, so a container cannot answer requests", dict),
        "stage": stored(_STAGE),
    },
}

_INPUT: Table = {
    "type": used(_GRAPH),
    "description": stored(_PEOPLE),
    "optional": used(
        "integration/tidepool_jobs::an_optional_input_that_is_not_given_leaves_its_argument_out", SCALAR
    ),
    "default": used(_GRAPH, SCALAR),
    "mode": used(_GRAPH),
    "min": used("unit/tidepool_graph::a_literal_outside_what_its_component_allows_is_refused", SCALAR),
    "max": used("unit/tidepool_graph::a_literal_outside_what_its_component_allows_is_refused", SCALAR),
    "enum": used("unit/tidepool_graph::a_literal_outside_what_its_component_allows_is_refused", list),
}
_OUTPUT: Table = {
    "type": used(_STEP),
    "description": stored(_PEOPLE),
    "mode": stored("outputs are uploaded when the process has ended, in each mode"),
    "early_available": refused("outputs are uploaded when the process has ended", only=(False,)),
}
_COMPONENT: Table = {
    "$schema": stored(_PEOPLE),
    "name": read_only(str),  # the path of the request has the name and the version
    "version": read_only(SCALAR),
    "id": read_only(str),
    "display_name": stored(_PEOPLE),
    "description": stored(_PEOPLE),
    "tags": stored("the properties of the version have them, too", dict),
    "properties": stored(_PEOPLE, dict),
    "_source": stored("it says which part of the SDK made the component"),
    "is_deterministic": used(_REUSE, bool),
    "inputs": each(_INPUT),
    "outputs": each(_OUTPUT),
    "intellectualProperty": refused("protected assets are not emulated"),
}
_STEP_RESOURCES: Table = {
    "resources": NODE_RESOURCES,
    "environment_variables": used("unit/tidepool_graph::a_command_job_is_a_graph_of_one_step", dict),
    "code": used(_STEP),
}
SPEC: Shape = choice(
    "type",
    _COMPONENT,
    {
        "command": {
            **_STEP_RESOURCES,
            "command": used(_STEP),
            "environment": used(ENVIRONMENT_NAME),
            "distribution": COMPONENT_DISTRIBUTION,
            "additional_includes": stored("the SDK has uploaded these files with the code", list),
        },
        "parallel": {**_STEP_RESOURCES, **PARALLEL},
        "pipeline": {
            "jobs": each(NODE),
            "sourceJobId": used("integration/tidepool_batch::a_pipeline_deployment_can_copy_a_job"),
            "source_job_id": used("integration/tidepool_batch::a_pipeline_deployment_can_copy_a_job"),
        },
        **{
            name: refused("Tidepool has no service that runs it")
            for name in (
                "spark",
                "automl",
                "import",
                "data_transfer",
                "flow_parallel",
                "promptflow_parallel",
                "sweep",
            )
        },
    },
    default="command",
)
COMPONENT: Table = {
    **RESOURCE,
    "properties": {
        **_VERSION,
        "provisioningState": read_only(str),
        "componentSpec": SPEC,
        "stage": unlisted(stored(_STAGE)),
    },
}
