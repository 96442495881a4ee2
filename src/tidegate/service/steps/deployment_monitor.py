"""The monitor of a new deployment: its smoke test, and its health by metrics or by probes."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tidegate.config.model_policy import BatchRollout, Rollout
from tidegate.domain.lifecycle.health import (
    DeploymentHealth,
    SmokeTestResult,
    health_by_metrics,
    health_by_probes,
    read_smoke_job,
    read_smoke_test,
    too_few_requests,
)
from tidegate.domain.lifecycle.rollout_progress import after_smoke
from tidegate.domain.lifecycle.rollout_records import RolloutRecord
from tidegate.domain.lifecycle.rollout_steps import RolloutTarget
from tidegate.errors import PermanentError
from tidegate.service.context import ServiceContext

_PROBES = 5


@dataclass(frozen=True)
class DeploymentMonitor:
    """The measurements of a deployment. `folder` has tidegate.yml and the file of the smoke test."""

    context: ServiceContext
    folder: Path

    def run_smoke_test(self, target: RolloutTarget, rollout: Rollout) -> SmokeTestResult:
        """Send the smoke test's request once, and return its result."""
        body = self._smoke_request(rollout)
        [answer] = self.context.production.scoring_client.send(target.endpoint, target.deployment, body)
        return read_smoke_test(answer)

    def follow_smoke_job(
        self, record: RolloutRecord, target: RolloutTarget, rollout: BatchRollout
    ) -> RolloutRecord:
        """Start the job that is the smoke test of a batch deployment, or read its result if it has ended.

        Azure gives the job its name, so a stop before the record is saved leads to a second job.
        """
        production = self.context.production
        if record.smoke_job is None:
            job = production.batch_endpoints.invoke(target, rollout.smoke)
            return record.model_copy(update={"smoke_job": job})
        run = production.jobs.get(record.smoke_job)
        return after_smoke(record, read_smoke_job(run), rollout, self.context.now()) if run.final else record

    def running_smoke_job(self, record: RolloutRecord) -> str | None:
        """Return what the smoke test's job does, or None if none is running."""
        if record.smoke_job is None:
            return None
        run = self.context.production.jobs.get(record.smoke_job)
        return None if run.final else f"the smoke job {record.smoke_job} is {run.status}"

    def measure_health(
        self, target: RolloutTarget, rollout: Rollout, since: datetime, *, last: bool
    ) -> DeploymentHealth:
        """Return the deployment's health by its metrics since a time.

        If the metrics count too few requests and this is the `last` measurement, the smoke test's request is
        sent several times instead.
        """
        production = self.context.production
        deployment = production.endpoints.id(target.endpoint, target.deployment)
        figures = production.endpoint_metrics.figures(deployment, since, self.context.now())
        if health := health_by_metrics(figures, rollout):
            return health
        if not last:
            return too_few_requests(figures)
        body = self._smoke_request(rollout)
        answers = production.scoring_client.send(target.endpoint, target.deployment, body, _PROBES)
        return health_by_probes(answers, figures, rollout)

    def _smoke_request(self, rollout: Rollout) -> bytes:
        file = self.folder / rollout.smoke
        if not file.is_file():
            raise PermanentError(f"rollout.smoke of endpoint {rollout.endpoint}: there is no file {file}")
        return file.read_bytes()
