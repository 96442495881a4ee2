"""Show a verdict in Azure ML: beside the evaluation's metrics, and as tags of the model version."""

from typing import TYPE_CHECKING

from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.lifecycle.verdict_records import Verdict
from tidegate.errors import NotFoundError
from tidegate.log import Log

if TYPE_CHECKING:
    from tidegate.cloud.workspaces import WorkspaceClients

log = Log(__name__)

_VERDICT_FILE = "verdict.json"


def publish_verdict(workspace: "WorkspaceClients", record: ModelVersion, verdict: Verdict) -> None:
    """Attach the verdict to the evaluation's job, and tag the model version with its result."""
    attach_verdict(workspace, record, verdict)
    tags = {
        "tidegate_verdict": "passed" if verdict.passed else "failed",
        "tidegate_verdict_id": verdict.id,
        "tidegate_verdict_job": verdict.job,
        "tidegate_verdict_champion": verdict.champion or "none",
        "tidegate_verdict_mode": verdict.mode,
    }
    try:
        workspace.assets.tag_model(record.model, record.version, tags)
    except NotFoundError as error:  # the version was deleted while it was judged
        log.warning("model_not_tagged", model=record.model, version=record.version, error=error)


def attach_verdict(workspace: "WorkspaceClients", record: ModelVersion, verdict: Verdict) -> None:
    """Attach the verdict to the evaluation's job, if there is one."""
    if workspace.jobs.exists(verdict.job):
        content = verdict.model_dump_json(indent=2).encode()
        workspace.runs.attach(verdict.job, record.model, _VERDICT_FILE, content)
