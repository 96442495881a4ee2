"""The health of a deployment: by its own metrics if there were enough requests, otherwise by probes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.config.model_policy import Rollout
from tidegate.domain.jobs.run_snapshot import RunSnapshot
from tidegate.domain.lifecycle.rollout_records import HealthFigures

# A time-out, a failure of the model, and too many requests for its speed.
_CAUSED_BY_DEPLOYMENT = frozenset({408, 424, 429})


@dataclass(frozen=True)
class RequestMetrics:
    """Requests by HTTP status, and the 95th percentile of their latency, as Azure Monitor reports them."""

    by_status: Mapping[int, int] = field(default_factory=dict)
    p95_ms: float | None = None

    @property
    def requests(self) -> int:
        return sum(self.by_status.values())

    @property
    def errors(self) -> int:
        return sum(count for status, count in self.by_status.items() if is_fault(status))


@dataclass(frozen=True)
class ScoringAnswer:
    """The answer to one scoring request. Status 0 means that there was no answer."""

    status: int
    ms: float
    text: str


@dataclass(frozen=True)
class SmokeTestResult:
    ok: bool
    words: str


@dataclass(frozen=True)
class DeploymentHealth:
    """`figures` are stored in the record with their source. A `problem` fails the rollout's step."""

    figures: HealthFigures
    problem: str | None


def is_fault(status: int) -> bool:
    """Return whether an HTTP status is the deployment's fault. Other 4xx are the caller's fault."""
    return status == 0 or status >= 500 or status in _CAUSED_BY_DEPLOYMENT


def read_smoke_test(answer: ScoringAnswer) -> SmokeTestResult:
    """Return the result of a smoke test. Only 200 passes, because the model must understand the request."""
    if answer.status == 200:
        return SmokeTestResult(True, f"200 in {answer.ms:.0f} ms")
    what = f"status {answer.status}" if answer.status else "no answer"
    return SmokeTestResult(False, f"{what} after {answer.ms:.0f} ms: {answer.text[:500]}".rstrip(": "))


def read_smoke_job(run: RunSnapshot) -> SmokeTestResult:
    """Return the result of the ended job that is the smoke test of a batch deployment."""
    if run.status == "Completed":
        return SmokeTestResult(True, f"job {run.id} completed")
    messages = [part.message for part in run.walk() if part.message]
    return SmokeTestResult(False, f"job {run.id} is {run.status}: {' '.join(messages)[:500]}".rstrip(": "))


def health_by_metrics(metrics: RequestMetrics, policy: Rollout) -> DeploymentHealth | None:
    """Return the health by Azure's metrics, or None if they are not enough.

    The metrics are not enough if there were fewer than `min_requests` requests, or if the policy has
    `max_p95_ms` and the metrics have no latency.
    """
    without_latency = policy.max_p95_ms is not None and metrics.p95_ms is None
    if metrics.requests < policy.min_requests or without_latency:
        return None
    return _judge_requests(_figures("metrics", metrics, metrics.errors), policy)


def health_by_probes(
    answers: Sequence[ScoringAnswer], counted: RequestMetrics, policy: Rollout
) -> DeploymentHealth:
    """Return the health by the service's own requests, which are sent one after the other.

    Only 200 is success. The slowest answer counts as the 95th percentile.
    """
    by_status: dict[int, int] = {}
    for answer in answers:
        by_status[answer.status] = by_status.get(answer.status, 0) + 1
    slowest = max((answer.ms for answer in answers), default=None)
    errors = sum(answer.status != 200 for answer in answers)
    few = f"metrics have {counted.requests} requests, {policy.min_requests} are needed"
    because = few if counted.requests < policy.min_requests else "metrics have no latency"
    figures = _figures("probes", RequestMetrics(by_status, slowest), errors)
    return _judge_requests(figures.model_copy(update={"because": because}), policy)


def too_few_requests(counted: RequestMetrics) -> DeploymentHealth:
    """Return the health of a step with too few requests so far: neither good nor bad."""
    return DeploymentHealth(HealthFigures(source="metrics", requests=counted.requests, too_few=True), None)


def _figures(source: str, metrics: RequestMetrics, errors: int) -> HealthFigures:
    rate = errors / metrics.requests if metrics.requests else 1.0
    return HealthFigures.model_validate(
        {
            "source": source,
            "requests": metrics.requests,
            "errors": errors,
            "error_rate": rate,
            "p95_ms": metrics.p95_ms,
        }
    )


def _judge_requests(figures: HealthFigures, policy: Rollout) -> DeploymentHealth:
    rate, p95_ms = figures.error_rate or 0.0, figures.p95_ms
    problems = []
    if rate > policy.max_error_rate:
        failed = f"{figures.errors} of {figures.requests} requests failed"
        problems.append(f"{failed} ({rate:.1%}, at most {policy.max_error_rate:.1%})")
    if policy.max_p95_ms and p95_ms and p95_ms > policy.max_p95_ms:
        problems.append(f"the 95th percentile is {p95_ms:.0f} ms, at most {policy.max_p95_ms:.0f} ms")
    rounded = {"error_rate": round(rate, 4), "p95_ms": round(p95_ms, 1) if p95_ms is not None else None}
    problem = f"{' and '.join(problems)}, by {figures.source}" if problems else None
    return DeploymentHealth(figures.model_copy(update=rounded), problem)
