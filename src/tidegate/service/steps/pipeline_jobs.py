"""Pipeline jobs: submit one when its cluster is ready, and read a file that a job wrote."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.domain.assets import BLOBSTORE
from tidegate.domain.jobs.plan import JobPlan
from tidegate.errors import NotFoundError, PermanentError
from tidegate.log import Log

if TYPE_CHECKING:
    from tidegate.cloud.workspaces import WorkspaceClients

log = Log(__name__)


@dataclass(frozen=True)
class JobSubmitted:
    """The job exists under the name in its plan."""


@dataclass(frozen=True)
class ClusterNotReady:
    """The cluster is being created: try again later."""


@dataclass(frozen=True)
class SubmissionRefused:
    """Azure ML refused the job, and would refuse it again."""

    reason: str


Submission = JobSubmitted | ClusterNotReady | SubmissionRefused


def submit_pipeline(workspace: "WorkspaceClients", plan: JobPlan, cluster: str) -> Submission:
    """Submit a job of the newest version of a pipeline. If the cluster does not exist, begin to create it."""
    if not workspace.computes.is_ready(cluster):
        return ClusterNotReady()
    pipeline = workspace.assets.newest_component(plan.pipeline)
    try:
        workspace.jobs.submit(plan, pipeline)
    except PermanentError as error:
        return SubmissionRefused(f"it could not begin: {error}")
    log.info("job_submitted", job=plan.job, compute=cluster)
    return JobSubmitted()


def read_output(workspace: "WorkspaceClients", path: str) -> bytes | None:
    """Return a file that a job wrote to the workspace's blob store, or None if it does not exist."""
    try:
        return workspace.datastores.read(BLOBSTORE, path)
    except NotFoundError:
        return None
