"""Addresses in Azure ML studio."""

from urllib.parse import quote

from tidegate.bootstrap import Service
from tidegate.config.workspaces import WorkspacePair


def studio_url(service: Service, workspace: str, job: str) -> str | None:
    """Return the page of a job in Azure ML studio, or None if there is no workspace of this role."""
    pair: WorkspacePair = service.config().workspaces
    config = pair.by_role().get(workspace)
    if config is None:
        return None
    return f"https://ml.azure.com/runs/{quote(job, safe='')}?wsid={quote(config.arm_id, safe='/')}"
