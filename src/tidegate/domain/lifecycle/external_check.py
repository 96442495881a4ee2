"""The rule of the gate that waits for the verdict of a CI pipeline: when it is asked, and what it decides."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.config.gate import External
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.lifecycle.verdict_records import ExternalCheck, ExternalVerdict, RuleResult, Verdict
from tidegate.errors import RefusedError

RULE = "external"


@dataclass(frozen=True)
class AskPipeline:
    """The other rules have passed: the pipeline is asked for its verdict until `check.until`."""

    check: ExternalCheck


@dataclass(frozen=True)
class AwaitPipeline:
    """The pipeline was asked, and has time to answer."""

    check: ExternalCheck
    left: timedelta


@dataclass(frozen=True)
class ExternalDecided:
    """The verdict with the line of this rule, or without one if the policy has no such rule."""

    verdict: Verdict


ExternalStep = AskPipeline | AwaitPipeline | ExternalDecided


def decide_external(
    rule: External | None, record: ModelVersion, verdict: Verdict, now: datetime
) -> ExternalStep:
    """Decide the rule `external`, after the others gave `verdict`. Without an answer in time it fails."""
    if rule is None:
        return ExternalDecided(verdict)
    if not verdict.passed:
        return _decided(verdict, False, "the pipeline was not asked, because other rules failed")
    number = record.evaluation.number if record.evaluation else 0
    check = record.external
    if check is None or check.evaluation != number:
        return AskPipeline(ExternalCheck(evaluation=number, asked_at=now, until=now + rule.within))
    if result := check.result:
        word = "passed" if result.passed else "failed"
        link = f" ({result.url})" if result.url else ""
        return _decided(verdict, result.passed, f"{result.by} says {word}: {result.detail}{link}")
    if now < check.until:
        return AwaitPipeline(check, check.until - now)
    return _decided(verdict, False, f"no verdict came until {check.until:%Y-%m-%d %H:%M %Z}")


def with_result(record: ModelVersion, result: ExternalVerdict, evaluation: int | None) -> ModelVersion:
    """Return the version with the verdict of a pipeline. The same verdict by the same sender changes nothing.

    Raise RefusedError if no verdict is awaited, if the time is over, or if another one was given.
    """
    name, check = model_reference(record.model, record.version), record.external
    if check is None:
        raise RefusedError(409, "Conflict", f"{name} awaits no verdict of a pipeline, it is {record.state}")
    if evaluation not in (None, check.evaluation):
        detail = f"The gate awaits a verdict on evaluation {check.evaluation} of {name}, not on {evaluation}"
        raise RefusedError(409, "Conflict", detail)
    if given := check.result:
        if given.model_copy(update={"at": result.at}) == result:
            return record
        word = "passed" if given.passed else "failed"
        given_at = f"{given.at:%Y-%m-%d %H:%M %Z}"
        detail = f"The rule is closed: {given.by} gave the verdict {word} on {name} at {given_at}"
        raise RefusedError(409, "Conflict", detail)
    if result.at >= check.until or not record.being_judged:
        until = f"{check.until:%Y-%m-%d %H:%M %Z}"
        again = f"have the version judged again (tidegate judge {record.model} {record.version})"
        detail = f"The rule is closed: the time for a verdict on {name} ended at {until}"
        raise RefusedError(409, "Conflict", f"{detail}. To ask again, {again}")
    return record.model_copy(update={"external": check.model_copy(update={"result": result})})


def _decided(verdict: Verdict, passed: bool, why: str) -> ExternalDecided:
    line = RuleResult(rule=RULE, metric="", value=None, threshold=None, passed=passed, why=why)
    rules = [*verdict.rules, line]
    return ExternalDecided(verdict.model_copy(update={"rules": rules, "passed": verdict.passed and passed}))
