"""How a new deployment does: asked with the smoke test's body, counted by Azure Monitor. Changes nothing."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tidegate.config.model_policy import Rollout
from tidegate.domain.lifecycle.health import (
    DeploymentHealth,
    SmokeTestResult,
    health_by_metrics,
    health_by_probes,
    read_smoke_test,
    too_few_requests,
)
from tidegate.domain.lifecycle.rollout_steps import RolloutTarget
from tidegate.errors import PermanentError
from tidegate.service.context import ServiceContext

_PROBES = 5


@dataclass(frozen=True, kw_only=True)
class DeploymentMonitor:
    """`folder` is where tidegate.yml lies: the smoke test's file is named from there."""

    context: ServiceContext
    folder: Path

    def run_smoke_test(self, target: RolloutTarget, rollout: Rollout) -> SmokeTestResult:
        """The smoke test, once."""
        body = self._question(rollout)
        [answer] = self.context.production.scoring_client.send(target.endpoint, target.deployment, body)
        return read_smoke_test(answer)

    def measure_health(
        self, target: RolloutTarget, rollout: Rollout, since: datetime, *, last: bool
    ) -> DeploymentHealth:
        """By metrics from `since` on; where they say too little and it is the `last` look, by probes."""
        deployment = self.context.production.endpoints.id(target.endpoint, target.deployment)
        counted = self.context.production.endpoint_metrics.figures(deployment, since, self.context.now())
        if health := health_by_metrics(counted, rollout):
            return health
        if not last:
            return too_few_requests(counted)
        body = self._question(rollout)
        answers = self.context.production.scoring_client.send(
            target.endpoint, target.deployment, body, _PROBES
        )
        return health_by_probes(answers, counted, rollout)

    def _question(self, rollout: Rollout) -> bytes:
        file = self.folder / rollout.smoke
        if not file.is_file():
            raise PermanentError(f"rollout.smoke of endpoint {rollout.endpoint}: there is no file {file}")
        return file.read_bytes()
