"""The time limits of live jobs: announce a job that is stuck, and cancel it if its policy says so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidegate.config.schema import Config
from tidegate.config.types import JobClusters
from tidegate.domain.activities import stuck_texts
from tidegate.domain.activities.activity import Trigger
from tidegate.domain.jobs.records import Job, StuckRun
from tidegate.domain.jobs.run_snapshot import RunSnapshot
from tidegate.domain.jobs.time_limits import (
    WithinLimits,
    decide_limits,
    first_check,
    next_cluster,
    steps_with_logs,
    usual_time,
)
from tidegate.log import Log
from tidegate.messages.commands import Follows
from tidegate.service.context import ServiceContext
from tidegate.service.job_runner import clusters_for

if TYPE_CHECKING:
    from tidegate.cloud.workspaces import WorkspaceClients

log = Log(__name__)

_CANCEL_AGAIN = timedelta(minutes=10)


@dataclass(frozen=True)
class JobLimitChecks:
    """The checks of live jobs. The row of a job says when its next check is due."""

    context: ServiceContext

    def due(self, jobs: Sequence[Job], config: Config) -> list[Job]:
        """Return the jobs whose time limits are to be checked now. This makes no requests."""
        now = self.context.now()
        return [
            job for job in jobs if (clusters := clusters_for(job, config)) and _is_due(job, clusters, now)
        ]

    def check(self, job: Job, clusters: JobClusters, cause: str) -> Follows:
        """Check a live job if its check is due, and return the notification if it is stuck.

        The decision to cancel is saved first. If the cancellation gets lost, it is repeated.
        """
        now = self.context.now()
        if not _is_due(job, clusters, now):
            return []
        workspace = self.context.workspaces[job.workspace]
        run = workspace.jobs.get(job.name, with_steps=True)
        if run.final:
            return []
        if job.resubmit_on:
            self._cancel(workspace, job, run)
            return []
        earlier = self.context.ledger.jobs_like(job)
        usual, limits = usual_time(earlier), clusters.limits
        silent = {step.id for step in steps_with_logs(run, limits, now)}
        steps = [
            replace(step, last_output=workspace.jobs.last_output(step.id)) if step.id in silent else step
            for step in run.children
        ]
        run = replace(run, children=tuple(steps))
        decision = decide_limits(job, run, limits, usual, now)
        if isinstance(decision, WithinLimits):
            job.limits_due = decision.check_at
            self.context.ledger.save(job)
            return []
        compute = next_cluster(job, decision, clusters, run, _resubmitted(job, earlier))
        stuck = decision.model_copy(update={"resubmit_on": compute})
        return self._announce(workspace, job, run, stuck, cause)

    def _announce(
        self, workspace: "WorkspaceClients", job: Job, run: RunSnapshot, stuck: StuckRun, cause: str
    ) -> Follows:
        cluster = next((step.target for step in run.children if step.name == stuck.run), None) or job.cluster
        link = f"https://ml.azure.com/runs/{job.name}?wsid={workspace.config.arm_id}"
        facts = workspace.cluster_state.describe(cluster)
        trigger = Trigger(self.context.now(), cause)
        announced = self.context.announce(stuck_texts.job_stuck(job, stuck, facts, link, trigger))
        job.stuck, job.limits_due = [*job.stuck, stuck], self.context.now()
        self.context.ledger.save(job)
        log.warning("job_stuck", job=job.name, limit=stuck.limit.value, resubmit_on=stuck.resubmit_on)
        if stuck.resubmit_on:
            self._cancel(workspace, job, run)
        return [announced]

    def _cancel(self, workspace: "WorkspaceClients", job: Job, run: RunSnapshot) -> None:
        """Begin to cancel a stuck job. After its end, CheckJob submits the next attempt."""
        if run.status != "CancelRequested":
            workspace.jobs.cancel(job.name)
        job.limits_due = self.context.now() + _CANCEL_AGAIN
        self.context.ledger.save(job)


def _is_due(job: Job, clusters: JobClusters, now: datetime) -> bool:
    return not job.end and (job.limits_due or first_check(job, clusters.limits)) <= now


def _resubmitted(job: Job, jobs: Sequence[Job]) -> int:
    """Return how often the work of a job was submitted again because an earlier attempt was stuck."""
    stem = job.name.removesuffix(f"-a{job.attempt}")
    names = {f"{stem}-a{attempt}" for attempt in range(1, job.attempt)}
    return sum(earlier.resubmit_on is not None for earlier in jobs if earlier.name in names)
