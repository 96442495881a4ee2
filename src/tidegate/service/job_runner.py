"""The job runner: submits every kind of job, reads the state of jobs, and keeps their rows in the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.config.schema import Config
from tidegate.config.types import JobClusters
from tidegate.domain.assets import BLOBSTORE
from tidegate.domain.costs import month_of, usage_of
from tidegate.domain.jobs.outcome import JobOutcome, JobRunning, decide_outcome, end_of
from tidegate.domain.jobs.plan import JobPlan
from tidegate.domain.jobs.records import Job, JobKind, NodeUsage
from tidegate.domain.jobs.run_snapshot import FINAL, RunSnapshot
from tidegate.errors import NotFoundError, PermanentError, TidegateError
from tidegate.log import Log
from tidegate.service.budgets import Budgets
from tidegate.service.context import ServiceContext

if TYPE_CHECKING:
    from tidegate.cloud.assets import PipelineComponent
    from tidegate.cloud.workspaces import WorkspaceClients

log = Log(__name__)


@dataclass(frozen=True)
class JobSubmitted:
    """The job exists under the name in its plan, and has a row in the ledger."""


@dataclass(frozen=True)
class ClusterNotReady:
    """A cluster is being created: try again later."""


@dataclass(frozen=True)
class SubmissionRefused:
    """Azure ML refused the job, and would refuse it again."""

    error: PermanentError

    @property
    def reason(self) -> str:
        return f"it could not begin: {self.error}"


Submission = JobSubmitted | ClusterNotReady | SubmissionRefused


@dataclass(frozen=True)
class JobRunner:
    """A job is submitted under its derived name and recorded afterwards, so a repetition finds the job.

    The end of a job is saved in its row last, so that a repetition after a crash leaves nothing out.
    """

    context: ServiceContext

    @property
    def budgets(self) -> Budgets:
        return Budgets(self.context)

    def submit(
        self, role: str, plan: JobPlan, cause: str, pipeline: "PipelineComponent | None" = None
    ) -> Submission:
        """Submit a job unless it exists, and record the job. If clusters do not exist, begin to create them.

        `role` names the workspace. `pipeline` is the version of the pipeline that is run. The default is the
        newest one.
        """
        workspace = self.context.workspaces[role]
        if not _have_clusters(workspace, plan.cluster, *plan.other_clusters):
            return ClusterNotReady()
        pipeline = pipeline or workspace.assets.newest_pipeline(plan.pipeline)
        try:
            workspace.jobs.submit(plan.for_pipeline(pipeline.inputs, pipeline.outputs), pipeline.id)
        except PermanentError as error:
            return SubmissionRefused(error)
        self._record(role, plan, pipeline.reference, cause)
        log.info("job_submitted", job=plan.job, compute=plan.cluster)
        return JobSubmitted()

    def changed(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the jobs whose state in Azure is not that of their rows, with one request a workspace.

        If a workspace does not answer, return all its jobs, so that each is looked at by itself.
        """
        by_workspace: dict[str, list[Job]] = {}
        for job in jobs:
            by_workspace.setdefault(job.workspace, []).append(job)
        return [job for role, group in by_workspace.items() for job in self._changed_in(role, group)]

    def _changed_in(self, role: str, jobs: list[Job]) -> list[Job]:
        try:
            statuses = self.context.workspaces[role].jobs.statuses([job.name for job in jobs])
        except TidegateError as error:
            log.warning("jobs_not_listed", workspace=role, jobs=len(jobs), error=error)
            return jobs
        return [job for job in jobs if statuses.get(job.name) != job.status or job.status in FINAL]

    def look(self, job: Job, clusters: JobClusters) -> JobOutcome:
        """Read the state of a job from Azure, and decide what it means.

        The row of a running job is saved. The caller acts on any other outcome, and then calls `end`.
        """
        run = self.context.workspaces[job.workspace].jobs.get(job.name)
        changed = run.status != job.status
        _update(job, run)
        outcome = decide_outcome(run, job, clusters)
        if changed and isinstance(outcome, JobRunning):
            job.checked_at = self.context.now()
            self.context.ledger.save(job)
        return outcome

    def end(self, job: Job, outcome: JobOutcome) -> None:
        """Record how a job ended. Call this after all consequences of the end are saved."""
        job.end, job.reason = end_of(outcome), getattr(outcome, "reason", None)
        job.preemption = getattr(outcome, "preemption", None)
        job.checked_at = self.context.now()
        job.usage = self._usage(job)
        self.context.ledger.save(job)
        self.budgets.check(job)
        log.info("job_ended", job=job.name, end=job.end, reason=job.reason)

    def _usage(self, job: Job) -> list[NodeUsage] | None:
        """Return the node-seconds of a job that has ended, or None: work never waits for what it cost."""
        try:
            run = self.context.workspaces[job.workspace].jobs.get(job.name, with_steps=True)
        except TidegateError as error:
            log.warning("usage_not_read", job=job.name, error=error)
            return None
        return usage_of(run, job.cluster)

    def _record(self, role: str, plan: JobPlan, pipeline: str, cause: str) -> None:
        if self.context.ledger.job(role, plan.job) is not None:
            return
        job = Job(
            workspace=role,
            name=plan.job,
            kind=plan.kind,
            subject=plan.subject,
            attempt=plan.attempt,
            cluster=plan.cluster,
            pipeline=pipeline,
            tags=dict(plan.tags),
            cause=cause,
            submitted_at=self.context.now(),
            month=month_of(self.context.now(), self.context.config().timezone),
        )
        self.context.ledger.save(job)


def clusters_for(job: Job, config: Config) -> JobClusters | None:
    """Return the section of tidegate.yml about the clusters of a job, or None if it was removed."""
    if job.kind is JobKind.SCORING:
        feed = config.feeds.get(job.owner)
        return feed.score if feed else None
    policy = config.models.get(job.owner)
    if policy is None:
        return None
    return policy.evaluate if job.kind is JobKind.EVALUATION else policy.training


def read_output(workspace: "WorkspaceClients", path: str) -> bytes | None:
    """Return a file that a job wrote to the workspace's blob store, or None if it does not exist."""
    try:
        return workspace.datastores.read(BLOBSTORE, path)
    except NotFoundError:
        return None


def _update(job: Job, run: RunSnapshot) -> None:
    job.status = run.status
    job.started_at, job.ended_at = run.started_at, run.ended_at
    # If the service itself cancelled a stuck job, this is no person's request.
    requested = run.status == "CancelRequested" and not job.resubmit_on
    job.cancel_requested = job.cancel_requested or requested


def _have_clusters(workspace: "WorkspaceClients", *names: str) -> bool:
    """Return whether all clusters exist. All missing clusters are created at the same time."""
    ready = [workspace.computes.is_ready(name) for name in dict.fromkeys(names)]
    return all(ready)
