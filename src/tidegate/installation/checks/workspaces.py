"""Checks of the workspaces: what the configuration names must exist in them."""

from collections.abc import Iterable, Iterator

from tidegate.cloud.registrar import read_cluster
from tidegate.cloud.roles import permissions
from tidegate.config.schema import Feed
from tidegate.domain.assets import datastore_name
from tidegate.domain.lifecycle.decoder_check import find_check
from tidegate.domain.lifecycle.evidence import decoder_problem
from tidegate.domain.lifecycle.promotion import champion_in
from tidegate.errors import ConfigError, NotFoundError, PermanentError
from tidegate.installation.asset_files import clusters_in, pipelines_in
from tidegate.installation.checks.check import CheckInputs, CheckResult, fail, ok, warn
from tidegate.service.steps.model_fit import find_model_problem, find_pipeline

_API_VERSION = "2024-04-01"
_DEPLOY = "run: tidegate deploy"
_CREATES_CLUSTERS = "Microsoft.MachineLearningServices/workspaces/computes/write"


def workspaces(inputs: CheckInputs) -> Iterable[CheckResult]:
    for role, workspace in inputs.config.workspaces.by_role().items():
        try:
            location = inputs.arm.get(workspace.arm_id, _API_VERSION)["location"]
        except NotFoundError as error:
            yield fail(
                f"{role}: {error}", f"create the workspace, or correct workspaces.{role} in tidegate.yml"
            )
        else:
            yield ok(f"{role}: workspace {workspace.name} exists, in {location}")


def pipelines(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Check that each pipeline is registered, with the content of its files in this checkout."""
    for role in inputs.roles():
        for name in pipelines_in(inputs.config, role):
            yield _pipeline(inputs, role, name)


def _pipeline(inputs: CheckInputs, role: str, name: str) -> CheckResult:
    try:
        content, problem = inputs.assets.content(name), ""
    except ConfigError as error:
        content, problem = "", str(error)
    try:
        registered = inputs.registrar(role).newest_content(name)
    except NotFoundError:
        what = f"pipeline {name} is not registered in {role}"
        if problem:
            return fail(
                f"{what}, and cannot be registered: {problem}",
                "correct its name in tidegate.yml, or write that pipeline",
            )
        return fail(what, _DEPLOY)
    if problem:
        return warn(
            f"pipeline {name} is registered in {role}, but is not in this checkout: {problem}",
            "run tidegate deploy in the checkout that has it",
        )
    if registered != content:
        return warn(f"pipeline {name} in {role} differs from its files in this checkout", _DEPLOY)
    return ok(f"pipeline {name} is up to date in {role}")


def models(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Check that each feed's model exists, and that it fits the feed's pipeline."""
    uses = ((feed.workspace, feed.score.model, feed.score.pipeline_name) for _, feed in inputs.feeds())
    for role, reference, pipeline in dict.fromkeys(uses):
        yield _model(inputs, role, reference, pipeline)
        yield from _decoder(inputs, role, reference, pipeline)


def _decoder(inputs: CheckInputs, role: str, model: str, pipeline: str) -> Iterator[CheckResult]:
    """Warn if the pipeline decodes images in another way than the evaluation of the champion did."""
    pinned = ":" in model
    champion = None if pinned else inputs.service.ledger.model(model).champion
    record = inputs.service.ledger.model_version(model, champion.source) if champion else None
    if record is None or record.verdict is None:
        return
    try:
        decoder = inputs.service.workspaces[role].assets.newest_pipeline(pipeline).decoder
    except NotFoundError:
        return  # the check `pipelines` reports it
    problem = decoder_problem(decoder, record.verdict.decoder)
    if decoder is None or problem is None:
        return
    check = find_check(record, decoder)
    if check is None or not check.ended_at:
        yield warn(
            f"champion {model}:{record.version}: {problem}",
            "wait: it is judged with this decoder before the next partition is scored",
        )
    elif check.problem:
        yield warn(
            f"champion {model}:{record.version} does not pass with image decoder {decoder}: {check.problem}",
            "train a version with this decoder, and register it",
        )


def _model(inputs: CheckInputs, role: str, reference: str, pipeline: str) -> CheckResult:
    name, _, pinned = reference.partition(":")
    assets, policy = inputs.service.workspaces[role].assets, inputs.config.models.get(name)
    promotes = bool(policy and policy.promotes)
    champion = champion_in(inputs.service.ledger.model(name), role) if promotes else None
    if promotes and not (pinned or champion):
        return warn(
            f"model {name} has no champion yet, so partitions wait",
            "register a version, and approve it once it has passed the gate",
        )
    try:
        version = pinned or champion or assets.newest_model(name)
    except NotFoundError:
        return fail(f"{role} has no model {reference}, so partitions wait", "register the model")
    try:
        problem = find_model_problem(assets, find_pipeline(assets, pipeline), name, version)
    except NotFoundError as error:
        return fail(f"model {reference} in {role} cannot be used: {error}", "register what is missing")
    except PermanentError as error:
        return fail(
            f"model {reference} cannot be used: {error}",
            "log the model with mlflow.<flavour>.log_model, and register the new version",
        )
    if problem:
        return fail(
            f"model {problem} (in {role})",
            "log the model again with a signature of this form, or name a pipeline that takes it",
        )
    return ok(f"model {name}:{version} exists in {role} and fits {pipeline}")


def computes(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Check that each cluster exists, or that there is a YAML file to create it from."""
    for role in inputs.roles():
        for name in clusters_in(inputs.config, role):
            yield _compute(inputs, role, name)


def _compute(inputs: CheckInputs, role: str, name: str) -> CheckResult:
    file = inputs.assets.compute(name)
    if inputs.registrar(role).has_compute(name):
        return ok(f"cluster {name} exists in {role}")
    if file is None:
        return fail(
            f"{role} has no compute {name}, and there is no src/assets/compute/{name}.yml to create it from",
            "create the cluster, or write that file",
        )
    if read_cluster(file).name != name:
        return fail(f"{file.name} describes a cluster of another name", f"set its name to {name}")
    workspace = inputs.config.workspaces.by_role()[role].arm_id
    if not permissions(inputs.arm, workspace).allow(_CREATES_CLUSTERS):
        return fail(
            f"{role} has no compute {name}, and you are not allowed to create it",
            f"add {name} to the clusters of infra/main.bicepparam, and deploy the templates (docs/azure.md)",
        )
    return ok(f"cluster {name} in {role} will be created by the first job, from {file.name}")


def holdouts(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Check that each policy's holdout exists: without it no version is judged."""
    assets = inputs.service.workspaces["development"].assets
    references = dict.fromkeys(policy.evaluate.data for policy in inputs.config.models.values())
    if not references:
        yield ok("not needed, because no model has a policy")
    for reference in references:
        name, _, version = reference.partition(":")
        if assets.data_tags(name, version) is None:
            yield fail(
                f"development has no data asset {reference}, so no model is judged",
                "register the data asset, or correct evaluate.data in tidegate.yml",
            )
        else:
            yield ok(f"data asset {reference} exists in development")


def rollouts(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Check that the request body of each smoke test exists: without it a new deployment fails."""
    folder = inputs.service.settings.config_file.parent
    policies = {name: policy.rollout for name, policy in inputs.config.models.items() if policy.rollout}
    if not policies:
        yield ok("not needed, because no model is rolled out to an online endpoint")
    for name, rollout in policies.items():
        file = folder / rollout.smoke
        if file.is_file():
            yield ok(f"model {name}: the smoke test sends {file}")
        else:
            yield fail(
                f"model {name}: there is no file {file} for the smoke test, so rollouts fail",
                f"write the file, or correct models.{name}.rollout.smoke in tidegate.yml",
            )


def batch_rollouts(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Check that the data of each smoke job is registered in production: without it a deployment fails."""
    models = inputs.config.models.items()
    policies = {name: policy.batch_rollout for name, policy in models if policy.batch_rollout}
    if not policies:
        yield ok("not needed, because no model is rolled out to a batch endpoint")
    for name, rollout in policies.items():
        data, _, version = rollout.smoke.partition(":")
        if inputs.service.production.assets.data_tags(data, version) is None:
            yield fail(
                f"model {name}: production has no data asset {rollout.smoke} for the smoke job",
                f"register the data asset, or correct models.{name}.batch_rollout.smoke in tidegate.yml",
            )
        else:
            yield ok(f"model {name}: the smoke job scores {rollout.smoke}")


def datastores(inputs: CheckInputs) -> Iterable[CheckResult]:
    for name, feed in inputs.feeds():
        yield _datastore(inputs, name, feed)


def _datastore(inputs: CheckInputs, feed_name: str, feed: Feed) -> CheckResult:
    name, role = datastore_name(feed.storage), feed.workspace
    datastore = inputs.registrar(role).find_datastore(name)
    if datastore is None:
        return fail(f"{role} has no datastore {name} for feed {feed_name}", _DEPLOY)
    actual = f"{datastore.account_name}/{datastore.container_name}"
    expected = f"{feed.storage.account}/{feed.storage.container}"
    if actual != expected:
        return fail(f"datastore {name} in {role} points to {actual} instead of {expected}", _DEPLOY)
    return ok(f"datastore {name} exists in {role}")
