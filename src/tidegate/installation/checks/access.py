"""Checks of the signed-in identity, its roles, the separation of roles, and the custom topic."""

from collections.abc import Iterable

from tidegate.cloud.role_separation import RoleSeparation
from tidegate.cloud.roles import caller, permissions
from tidegate.cloud.subscriptions import custom_topic
from tidegate.errors import TransientError
from tidegate.installation.checks.check import CheckInputs, CheckResult, fail, ok, warn

_ML = "Microsoft.MachineLearningServices/workspaces"
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
# (action, the smallest built-in role that allows it)
_IN_WORKSPACE = (
    (f"{_ML}/jobs/write", "AzureML Data Scientist"),
    (f"{_ML}/data/versions/write", "AzureML Data Scientist"),
    (f"{_ML}/models/versions/read", "AzureML Data Scientist"),
    (f"{_ML}/components/versions/write", "AzureML Data Scientist"),
    (f"{_ML}/environments/versions/write", "AzureML Data Scientist"),
    (f"{_ML}/datastores/write", "AzureML Data Scientist"),
    (f"{_ML}/computes/write", "AzureML Compute Operator"),
)
_IN_FEED = ((f"{_BLOBS}/read", "Storage Blob Data Reader"),)
# A rollout reads the metrics of endpoints.
_FOR_ROLLOUTS = (("Microsoft.Insights/metrics/read", "Monitoring Reader"),)
_ON_TOPIC = (("Microsoft.EventGrid/events/send/action", "EventGrid Data Sender"),)


def identity(inputs: CheckInputs) -> Iterable[CheckResult]:
    yield ok(f"you are signed in as {caller(inputs.service.credential)}")


def roles(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Check the roles of the signed-in identity. To check the function app's, run doctor as that identity."""
    workspaces = [inputs.config.workspaces.by_role()[role].arm_id for role in inputs.roles()]
    storages = dict.fromkeys(feed.storage.arm_id for _, feed in inputs.feeds())
    for scope in workspaces:
        yield from _roles_at(inputs, scope, _IN_WORKSPACE)
    if any(policy.rollout for policy in inputs.config.models.values()):
        yield from _roles_at(inputs, inputs.config.workspaces.production.arm_id, _FOR_ROLLOUTS)
    for scope in storages:
        yield from _roles_at(inputs, scope, _IN_FEED, data=True)


def topic(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Check that the topic of the service's own events exists, and that it accepts them."""
    endpoint = inputs.service.settings.events_endpoint
    if not endpoint:
        yield ok("no custom topic is configured (TIDEGATE_EVENTS_ENDPOINT): no event is published")
        return
    try:
        custom = custom_topic(inputs.arm, _subscriptions(inputs), endpoint)
    except TransientError as error:  # sending events needs no right to read the topic
        yield warn(
            f"the topic could not be read: {error}",
            "run doctor as an identity that has the role Reader at the subscription",
        )
        return
    if custom is None:
        yield fail(
            f"no custom topic has the address {endpoint}",
            "create the topic, or correct TIDEGATE_EVENTS_ENDPOINT in the settings of the function app",
        )
        return
    if not custom.takes_grid_events:
        yield fail(
            f"topic {custom.name} accepts only events of the schema {custom.schema}",
            "delete it and create it again with --input-schema eventgridschema",
        )
    yield from _roles_at(inputs, custom.id, _ON_TOPIC, data=True)


def separation(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Check that no identity that trains models can write to production: otherwise nothing is promoted."""
    workspaces = inputs.config.workspaces
    promoting = {name: policy.promote for name, policy in inputs.config.models.items() if policy.promote}
    if not promoting:
        yield ok("not needed, because no model is promoted")
        return
    models = inputs.service.workspaces["development"].models
    registries = {
        promotion.registry
        for promotion in promoting.values()
        if promotion.via == "registry" and promotion.registry
    }
    problems = RoleSeparation(inputs.arm).principals_with_write_access(
        workspaces.development.arm_id,
        workspaces.production.arm_id,
        map(models.registry_id, sorted(registries)),
    )
    for problem in problems:
        yield fail(
            f"{problem}; until this is corrected, {', '.join(promoting)} is not promoted",
            "remove that role assignment, or assign the role at a smaller scope: docs/models.md",
        )
    if not problems:
        yield ok("no identity that trains models can write to production")


def _subscriptions(inputs: CheckInputs) -> Iterable[str]:
    """Return all subscriptions of the configuration: the topic may be in any resource group of them."""
    workspaces = inputs.config.workspaces
    storages = [feed.storage.subscription for _, feed in inputs.feeds()]
    return dict.fromkeys([workspaces.production.subscription, workspaces.development.subscription, *storages])


def _roles_at(
    inputs: CheckInputs, scope: str, needed: tuple[tuple[str, str], ...], *, data: bool = False
) -> Iterable[CheckResult]:
    name = scope.rpartition("/")[2]
    held = permissions(inputs.arm, scope)
    missing = [(action, role) for action, role in needed if not held.allow(action, data=data)]
    if not missing:
        names = ", ".join(dict.fromkeys(role for _, role in needed))
        yield ok(f"{name}: every needed action is allowed ({names})")
    for role in dict.fromkeys(role for _, role in missing):
        actions = ", ".join(action for action, needed_role in missing if needed_role == role)
        command = f'az role assignment create --assignee <identity> --role "{role}" --scope {scope}'
        yield fail(f"{name}: {actions} is not allowed", f"{command} (takes effect within ten minutes)")
