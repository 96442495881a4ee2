"""Whether the caller is somebody, and may do what the service does."""

from collections.abc import Iterable

from tidegate.checks.findings import Found, Installation, fail, ok
from tidegate.cloud.roles import caller, permissions
from tidegate.cloud.separation import Separation

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


def identity(installation: Installation) -> Iterable[Found]:
    yield ok(f"signed in as {caller(installation.service.credential)}")


def roles(installation: Installation) -> Iterable[Found]:
    """Of whoever runs this: in Azure run it as the function app's identity to see that one's."""
    workspaces = [getattr(installation.config.workspaces, role).arm_id for role in installation.roles()]
    storages = dict.fromkeys(feed.storage.arm_id for _, feed in installation.feeds())
    for scope in workspaces:
        yield from _at(installation, scope, _IN_WORKSPACE)
    for scope in storages:
        yield from _at(installation, scope, _IN_FEED)


def separation(installation: Installation) -> Iterable[Found]:
    """Promotion refuses while those who train could change what is in production."""
    places = installation.config.workspaces
    promoting = [name for name, policy in installation.config.models.items() if policy.promote]
    if not promoting:
        yield ok("no model is promoted")
        return
    found = Separation(installation.arm).trespassers(places.development.arm_id, places.production.arm_id)
    for trespasser in found:
        yield fail(
            f"{trespasser}: {', '.join(promoting)} will not be promoted",
            "take that role away, or assign it in a smaller scope: docs/models.md",
        )
    if not found:
        yield ok("no identity that trains can write to production")


def _at(installation: Installation, scope: str, needed: tuple[tuple[str, str], ...]) -> Iterable[Found]:
    name = scope.rpartition("/")[2]
    held = permissions(installation.arm, scope)
    missing = [(action, role) for action, role in needed if not held.allow(action)]
    if not missing:
        yield ok(f"{name}: all that is needed ({len(needed)} actions)")
    for role in dict.fromkeys(role for _, role in missing):
        actions = ", ".join(action for action, needs in missing if needs == role)
        command = f'az role assignment create --assignee <who runs this> --role "{role}" --scope {scope}'
        yield fail(f"{name}: {actions} is not allowed", f"{command}; it takes effect within ten minutes")
