"""How a deployment does: by its own metrics where there were enough requests, else by probes. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidegate.config.model_policy import Rollout

_OF_THE_MODEL = frozenset({408, 424, 429})  # time-out, the model failed, too slow for what comes in


@dataclass(frozen=True)
class RequestMetrics:
    """Requests by status, and the 95th percentile of their times, as Azure Monitor has them."""

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
    """What came of one request; status 0: nothing."""

    status: int
    ms: float
    text: str


@dataclass(frozen=True)
class SmokeTestResult:
    ok: bool
    words: str


@dataclass(frozen=True)
class DeploymentHealth:
    """`figures` go into the record, with where they came from; `problem` fails the step."""

    figures: dict[str, Any]
    problem: str | None


def is_fault(status: int) -> bool:
    """Whether an answer speaks against the deployment; other 4xx are the caller's own."""
    return status == 0 or status >= 500 or status in _OF_THE_MODEL


def read_smoke(answer: ScoringAnswer) -> SmokeTestResult:
    """Only 200 is success: the request is one that the model has to understand."""
    if answer.status == 200:
        return SmokeTestResult(True, f"200 in {answer.ms:.0f} ms")
    what = f"status {answer.status}" if answer.status else "no answer"
    return SmokeTestResult(False, f"{what} after {answer.ms:.0f} ms: {answer.text[:500]}".rstrip(": "))


def health_by_metrics(figures: RequestMetrics, policy: Rollout) -> DeploymentHealth | None:
    """None where there were too few requests to say anything, or no times where the policy asks for them."""
    untimed = policy.max_p95_ms is not None and figures.p95_ms is None
    if figures.requests < policy.min_requests or untimed:
        return None
    return _health("metrics", figures, figures.errors, policy)


def health_by_probes(
    answers: Sequence[ScoringAnswer], counted: RequestMetrics, policy: Rollout
) -> DeploymentHealth:
    """Our own requests, one after the other: only 200 is success; the slowest is the 95th percentile."""
    by_status: dict[int, int] = {}
    for answer in answers:
        by_status[answer.status] = by_status.get(answer.status, 0) + 1
    slowest = max((answer.ms for answer in answers), default=None)
    errors = sum(answer.status != 200 for answer in answers)
    health = _health("probes", RequestMetrics(by_status, slowest), errors, policy)
    few = f"metrics have {counted.requests} requests, {policy.min_requests} are needed"
    health.figures["because"] = few if counted.requests < policy.min_requests else "metrics have no times"
    return health


def too_early(counted: RequestMetrics) -> DeploymentHealth:
    return DeploymentHealth({"source": "metrics", "requests": counted.requests, "too_few": True}, None)


def _health(source: str, figures: RequestMetrics, errors: int, policy: Rollout) -> DeploymentHealth:
    rate = errors / figures.requests if figures.requests else 1.0
    told = {
        "source": source,
        "requests": figures.requests,
        "errors": errors,
        "error_rate": round(rate, 4),
        "p95_ms": round(figures.p95_ms, 1) if figures.p95_ms is not None else None,
    }
    problems = []
    if rate > policy.max_error_rate:
        failed = f"{errors} of {figures.requests} requests failed"
        problems.append(f"{failed} ({rate:.1%}, at most {policy.max_error_rate:.1%})")
    if policy.max_p95_ms and figures.p95_ms and figures.p95_ms > policy.max_p95_ms:
        problems.append(f"the 95th percentile is {figures.p95_ms:.0f} ms, at most {policy.max_p95_ms:.0f} ms")
    return DeploymentHealth(told, f"{' and '.join(problems)}, by {source}" if problems else None)
