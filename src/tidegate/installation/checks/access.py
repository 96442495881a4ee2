"""Whether the caller is somebody, and may do what the service does."""

from collections.abc import Iterable

from tidegate.cloud.role_separation import RoleSeparation
from tidegate.cloud.roles import caller, permissions
from tidegate.cloud.subscriptions import custom_topic
from tidegate.errors import TransientError
from tidegate.installation.checks.findings import Found, Installation, fail, ok, warn

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
_OF_ROLLOUTS = (("Microsoft.Insights/metrics/read", "Monitoring Reader"),)  # of endpoints: their health
_ON_TOPIC = (("Microsoft.EventGrid/events/send/action", "EventGrid Data Sender"),)


def identity(installation: Installation) -> Iterable[Found]:
    yield ok(f"signed in as {caller(installation.service.credential)}")


def roles(installation: Installation) -> Iterable[Found]:
    """Of whoever runs this: in Azure run it as the function app's identity to see that one's."""
    workspaces = [installation.config.workspaces.by_role()[role].arm_id for role in installation.roles()]
    storages = dict.fromkeys(feed.storage.arm_id for _, feed in installation.feeds())
    for scope in workspaces:
        yield from _at(installation, scope, _IN_WORKSPACE)
    if any(policy.rollout for policy in installation.config.models.values()):
        yield from _at(installation, installation.config.workspaces.production.arm_id, _OF_ROLLOUTS)
    for scope in storages:
        yield from _at(installation, scope, _IN_FEED, data=True)


def topic(installation: Installation) -> Iterable[Found]:
    """Whether our own events have somewhere to go, and are let in."""
    endpoint = installation.service.settings.events_endpoint
    if not endpoint:
        yield ok("TIDEGATE_EVENTS_ENDPOINT is not set here: no event of our own is published")
        return
    try:
        found = custom_topic(installation.arm, _subscriptions(installation), endpoint)
    except TransientError as error:  # to send needs no right to look
        yield warn(f"not to be seen: {error}", "look again as somebody who can read the subscription")
        return
    if found is None:
        yield fail(
            f"no topic has the address {endpoint}", "create it, or mend TIDEGATE_EVENTS_ENDPOINT of the app"
        )
        return
    if not found.takes_grid_events:
        yield fail(
            f"{found.name} takes events in {found.schema} only",
            "create it anew with --input-schema eventgridschema",
        )
    yield from _at(installation, found.id, _ON_TOPIC, data=True)


def separation(installation: Installation) -> Iterable[Found]:
    """Promotion refuses while those who train could change what is in production."""
    places = installation.config.workspaces
    promoting = {name: one.promote for name, one in installation.config.models.items() if one.promote}
    if not promoting:
        yield ok("no model is promoted")
        return
    models = installation.service.workspaces["development"].models
    registries = {one.registry for one in promoting.values() if one.via == "registry" and one.registry}
    found = RoleSeparation(installation.arm).principals_with_write_access(
        places.development.arm_id, places.production.arm_id, map(models.registry_id, sorted(registries))
    )
    for trespasser in found:
        yield fail(
            f"{trespasser}: {', '.join(promoting)} will not be promoted",
            "take that role away, or assign it in a smaller scope: docs/models.md",
        )
    if not found:
        yield ok("no identity that trains can write to production")


def _subscriptions(installation: Installation) -> Iterable[str]:
    """All that the configuration names; the topic may be in any resource group of theirs."""
    places = installation.config.workspaces
    storages = [feed.storage.subscription for _, feed in installation.feeds()]
    return dict.fromkeys([places.production.subscription, places.development.subscription, *storages])


def _at(
    installation: Installation, scope: str, needed: tuple[tuple[str, str], ...], *, data: bool = False
) -> Iterable[Found]:
    name = scope.rpartition("/")[2]
    held = permissions(installation.arm, scope)
    missing = [(action, role) for action, role in needed if not held.allow(action, data=data)]
    if not missing:
        yield ok(f"{name}: all that is needed ({', '.join(dict.fromkeys(role for _, role in needed))})")
    for role in dict.fromkeys(role for _, role in missing):
        actions = ", ".join(action for action, needs in missing if needs == role)
        command = f'az role assignment create --assignee <who runs this> --role "{role}" --scope {scope}'
        yield fail(f"{name}: {actions} is not allowed", f"{command}; it takes effect within ten minutes")
