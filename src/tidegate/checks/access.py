"""Whether the caller is somebody, and may do what the service does."""

from collections.abc import Iterable

from tidegate.checks.findings import Found, Installation, fail, ok
from tidegate.cloud.roles import caller, permissions

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
