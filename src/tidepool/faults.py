"""Fault injection: the rules, and the decision for each request, event, run or write which fault it gets."""

import fnmatch
import random
from dataclasses import dataclass, field
from typing import Any, Literal

KINDS: dict[str, set[str]] = {
    "request": {"status", "timeout", "slow"},
    "event": {"drop", "duplicate", "delay", "reorder"},
    "run": {"preempt", "never_start", "silent"},
    "worker": {"kill"},
    "provisioning": {"fail", "delay"},
    "scoring": {"status", "slow", "crash"},
    "copy": {"pending", "fail"},
    "share": {"pending", "fail"},
    "clock": {"shift"},
    "quota": {"limit"},
}
MATCHES: dict[str, set[str]] = {
    "request": {"method", "host", "path", "origin"},
    "event": {"type", "subject", "topic"},
    "run": {"workspace", "run", "step"},
    "worker": {"origin"},
    "provisioning": {"workspace", "endpoint", "deployment"},
    "scoring": {"workspace", "endpoint", "deployment"},
    "copy": {"account", "path"},
    "share": {"registry", "name", "version"},
    "clock": {"account"},
    "quota": {"family", "tier"},
}
# The default of a rule's `value`, by action. It is an HTTP status for `status`, and seconds for the others.
_DEFAULTS = {"delay": 900.0, "status": 500.0, "slow": 10.0, "pending": 60.0, "shift": 30.0}


@dataclass
class FaultRule:
    """A rule that adds a fault to all requests, events, runs and other actions that its globs match.

    The rule skips the first `skip` matches. Then it applies with `probability`, and at most `times` times
    (None means without limit). `value` is the status of a request, the seconds of a time-out or a delay, or
    the number of extra copies of an event. For online deployments, `provisioning` can fail or take longer,
    and `scoring` can be slow, answer with a status or crash the process. A server-side `copy`, and the
    `share` of an asset with a registry, can be pending or fail. The `clock` of a storage account can
    be ahead by `value` seconds, or behind if they are negative. The `quota` of a family of VM sizes, of the
    tier Dedicated or LowPriority, can be `value` cores.
    """

    kind: str
    action: str
    match: dict[str, str] = field(default_factory=dict)
    value: float | None = None
    retry_after_s: float = 1.0
    times: int | None = 1
    skip: int = 0
    probability: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}; allowed: {', '.join(KINDS)}")
        if self.action not in KINDS[self.kind]:
            raise ValueError(
                f"action is {self.action!r}; allowed for {self.kind}: {', '.join(sorted(KINDS[self.kind]))}"
            )
        if unknown := set(self.match) - MATCHES[self.kind]:
            raise ValueError(
                f"match has {', '.join(sorted(unknown))}; "
                f"allowed for {self.kind}: {', '.join(sorted(MATCHES[self.kind]))}"
            )

    def matches(self, facts: dict[str, str]) -> bool:
        return all(fnmatch.fnmatch(facts[key].lower(), glob.lower()) for key, glob in self.match.items())


@dataclass(frozen=True)
class RequestFault:
    """The fault of a request.

    It gets the response `status`, its connection is cut after `timeout_s`, or it is handled after `slow_s`.
    """

    status: int | None = None
    retry_after_s: float = 1.0
    timeout_s: float | None = None
    slow_s: float = 0.0


class Faults:
    """The current rules. The same seed and the same order of calls give the same faults."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._rules: list[FaultRule] = []

    def add(self, rule: dict[str, Any]) -> None:
        """Add a rule from the fields of FaultRule, such as `{"kind": ..., "action": ..., "match": {...}}`.

        Raise ValueError, with the allowed values, if it is invalid.
        """
        unknown = set(rule) - set(FaultRule.__dataclass_fields__)
        if unknown:
            raise ValueError(
                f"unknown {', '.join(sorted(unknown))}; allowed: {', '.join(FaultRule.__dataclass_fields__)}"
            )
        if missing := {"kind", "action"} - set(rule):
            raise ValueError(f"{', '.join(sorted(missing))} is missing")
        self._rules.append(FaultRule(**rule))

    def clear(self) -> None:
        self._rules.clear()

    def for_request(self, *, method: str, host: str, path: str, origin: str) -> RequestFault | None:
        rule = self._applicable("request", {"method": method, "host": host, "path": path, "origin": origin})
        if rule is None:
            return None
        if rule.action == "timeout":
            return RequestFault(timeout_s=30.0 if rule.value is None else rule.value)
        if rule.action == "slow":
            return RequestFault(slow_s=_DEFAULTS["slow"] if rule.value is None else rule.value)
        return RequestFault(status=int(rule.value or 503), retry_after_s=rule.retry_after_s)

    def for_event(self, event: dict[str, Any]) -> list[float]:
        """Return the seconds to wait before each delivery of an event.

        `[0.0]` means no fault, `[]` no delivery.
        """
        facts = {
            "type": str(event.get("eventType") or event.get("type", "")),
            "subject": str(event.get("subject", "")),
            "topic": str(event.get("topic") or event.get("source", "")),
        }
        rule = self._applicable("event", facts)
        if rule is None:
            return [0.0]
        match rule.action:
            case "drop":
                return []
            case "duplicate":
                return [0.0] * (1 + int(rule.value or 1))
            case "delay":
                return [30.0 if rule.value is None else rule.value]
        return [self._random.uniform(0, 1.0 if rule.value is None else rule.value)]

    def for_run(
        self, workspace: str, run_id: str, step_name: str | None
    ) -> Literal["preempt", "never_start", "silent"] | None:
        """Return the fault of a step: it is preempted, never leaves the queue, or runs and does nothing."""
        rule = self._applicable("run", {"workspace": workspace, "run": run_id, "step": step_name or ""})
        if rule is None:
            return None
        actions: dict[str, Literal["preempt", "never_start", "silent"]] = {
            "preempt": "preempt",
            "never_start": "never_start",
            "silent": "silent",
        }
        return actions[rule.action]

    def kills_worker_after(self, origin: str) -> bool:
        """Return whether to kill a functions worker now. Call this once for each write that took effect."""
        return self._applicable("worker", {"origin": origin}) is not None

    def value(self, kind: str, action: str, facts: dict[str, str]) -> float | None:
        """Return the `value` of a rule that applies to `facts` now, or None if no rule applies."""
        rule = self._applicable(kind, facts, action)
        if rule is None:
            return None
        return _DEFAULTS.get(action, 0.0) if rule.value is None else rule.value

    def _applicable(self, kind: str, facts: dict[str, str], action: str | None = None) -> FaultRule | None:
        for rule in self._rules:
            if rule.kind != kind or action not in (None, rule.action):
                continue
            if rule.matches(facts) and self._applies(rule):
                return rule
        return None

    def _applies(self, rule: FaultRule) -> bool:
        if rule.skip > 0:
            rule.skip -= 1
            return False
        if rule.times == 0 or self._random.random() >= rule.probability:
            return False
        if rule.times is not None:
            rule.times -= 1
        return True
