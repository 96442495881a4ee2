"""Whether the workspaces have what jobs name: pipelines, models, clusters, datastores."""

from collections.abc import Iterable

from tidegate.cloud.registrar import read_cluster
from tidegate.config.schema import Feed
from tidegate.domain.assets import datastore_name
from tidegate.domain.jobs.plan import model_problem
from tidegate.domain.lifecycle.promotion import champion_in
from tidegate.errors import ConfigError, NotFoundError, PermanentError
from tidegate.installation.asset_files import clusters_in, pipelines_in
from tidegate.installation.checks.findings import Found, Installation, fail, ok, warn

_API_VERSION = "2024-04-01"
_DEPLOY = "run: tidegate deploy"


def workspaces(installation: Installation) -> Iterable[Found]:
    for role, place in installation.config.workspaces.by_role().items():
        try:
            location = installation.arm.get(place.arm_id, _API_VERSION)["location"]
        except NotFoundError as error:
            yield fail(f"{role}: {error}", f"create it, or mend workspaces.{role} in tidegate.yml")
        else:
            yield ok(f"{role}: {place.name} in {location}")


def pipelines(installation: Installation) -> Iterable[Found]:
    config = installation.config
    wanted = [(role, name) for role in installation.roles() for name in pipelines_in(config, role)]
    for role, name in wanted:
        yield _pipeline(installation, role, name)


def _pipeline(installation: Installation, role: str, name: str) -> Found:
    try:
        current, why_not = installation.assets.content(name), ""
    except ConfigError as error:
        current, why_not = "", str(error)
    try:
        there = installation.registrar(role).newest_content(name)
    except NotFoundError:
        if why_not:
            what = f"{name} is not registered in {role}, and is not here: {why_not}"
            return fail(what, "mend its name in tidegate.yml, or write that pipeline")
        return fail(f"{name} is not registered in {role}", _DEPLOY)
    if why_not:
        return warn(f"{name} is registered in {role}, but is not here: {why_not}", "deploy from where it is")
    if there != current:
        return warn(f"{name} in {role} is not what is here", _DEPLOY)
    return ok(f"{name} in {role} is what is here")


def models(installation: Installation) -> Iterable[Found]:
    for role, reference in dict.fromkeys(
        (feed.workspace, feed.score.model) for _, feed in installation.feeds()
    ):
        name, _, pinned = reference.partition(":")
        assets, policy = installation.service.workspaces[role].assets, installation.config.models.get(name)
        promotes = bool(policy and policy.promotes)
        champion = champion_in(installation.service.ledger.model(name), role) if promotes else None
        if promotes and not (pinned or champion):
            yield warn(
                f"{name} has no champion yet", "have a version judged and promoted; until then months wait"
            )
            continue
        try:
            version = pinned or champion or assets.newest_model(name)
            problem = model_problem(assets.mlmodel(name, version))
        except NotFoundError:
            yield fail(f"{role} has no model {reference}", "register it; until then months wait")
        except PermanentError as error:
            yield fail(
                f"{reference}: {error}", "log the model with mlflow.<flavour>.log_model, and register that"
            )
        else:
            if problem:
                yield fail(f"{name}:{version} in {role}: {problem}", "log it again with such a signature")
            else:
                yield ok(f"{name}:{version} in {role} takes images")


def computes(installation: Installation) -> Iterable[Found]:
    config = installation.config
    wanted = [(role, name) for role in installation.roles() for name in clusters_in(config, role)]
    for role, name in wanted:
        file = installation.assets.compute(name)
        if installation.registrar(role).has_compute(name):
            yield ok(f"{name} in {role}")
        elif file is None:
            yield fail(
                f"{role} has no compute {name}, and there is no src/assets/compute/{name}.yml to make it",
                "create the cluster, or write that file",
            )
        elif read_cluster(file).name != name:
            yield fail(f"{file.name} makes a cluster of another name", f"name it {name}")
        else:
            yield ok(f"{name} in {role} will be made at the first launch, from {file.name}")


def holdouts(installation: Installation) -> Iterable[Found]:
    """Without its holdout no version of a model is ever judged."""
    assets = installation.service.workspaces["development"].assets
    wanted = dict.fromkeys(policy.evaluate.data for policy in installation.config.models.values())
    if not wanted:
        yield ok("no model has a policy")
    for data in wanted:
        name, _, version = data.partition(":")
        if assets.data_tags(name, version) is None:
            yield fail(f"development has no data asset {data}", "register it; until then no model is judged")
        else:
            yield ok(f"{data} in development")


def rollouts(installation: Installation) -> Iterable[Found]:
    """Without the body of its smoke test a deployment is made, and then fails."""
    folder = installation.service.settings.config_file.parent
    wanted = {name: policy.rollout for name, policy in installation.config.models.items() if policy.rollout}
    if not wanted:
        yield ok("no model is rolled out")
    for name, rollout in wanted.items():
        file = folder / rollout.smoke
        if file.is_file():
            yield ok(f"{name}: its smoke test sends {file}")
        else:
            yield fail(
                f"{name}: there is no file {file} for its smoke test",
                f"write it, or mend models.{name}.rollout.smoke in tidegate.yml; until then rollouts fail",
            )


def datastores(installation: Installation) -> Iterable[Found]:
    for name, feed in installation.feeds():
        yield _datastore(installation, name, feed)


def _datastore(installation: Installation, name: str, feed: Feed) -> Found:
    wanted = datastore_name(feed.storage)
    found = installation.registrar(feed.workspace).find_datastore(wanted)
    if found is None:
        return fail(f"{feed.workspace} has no datastore {wanted} for feed {name}", _DEPLOY)
    if (found.account_name, found.container_name) != (feed.storage.account, feed.storage.container):
        return fail(f"{wanted} is of {found.account_name}/{found.container_name}", _DEPLOY)
    return ok(f"{wanted} in {feed.workspace}")
