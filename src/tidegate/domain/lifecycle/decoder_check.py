"""The decision whether a champion is judged again before a partition is scored with it.

A champion was judged with the pixels of one image decoder. If the pipeline that scores has another one, the
verdict does not hold for the pixels that the champion is given.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.domain.lifecycle.evidence import decoder_problem
from tidegate.domain.lifecycle.records import ModelVersion
from tidegate.domain.lifecycle.verdict_records import DecoderCheck, Verdict

LONGEST_WAIT = timedelta(days=1)
_MOST_CHECKS = 5


@dataclass(frozen=True)
class ScoreNow:
    """The champion was judged with this decoder, or scoring does not wait for it any longer."""


@dataclass(frozen=True)
class BeginCheck:
    """The champion is to be judged with this decoder."""

    check: DecoderCheck


@dataclass(frozen=True)
class AwaitCheck:
    """The champion is being judged with this decoder."""

    check: DecoderCheck


@dataclass(frozen=True)
class StopWaiting:
    """The check takes too long. Scoring goes on, and people are notified."""

    check: DecoderCheck


CheckDecision = ScoreNow | BeginCheck | AwaitCheck | StopWaiting


def decide_check(record: ModelVersion, decoder: str | None, now: datetime) -> CheckDecision:
    """Decide whether a partition waits until the champion is judged with the decoder of a pipeline."""
    judged_with = record.verdict.decoder if record.verdict else None
    if record.verdict is None or decoder is None or decoder_problem(decoder, judged_with) is None:
        return ScoreNow()
    check = find_check(record, decoder)
    if check is None:
        return BeginCheck(DecoderCheck(decoder=decoder, since=now))
    if check.ended_at or check.not_awaited:
        return ScoreNow()
    return StopWaiting(check) if now - check.since >= LONGEST_WAIT else AwaitCheck(check)


def find_check(record: ModelVersion, decoder: str) -> DecoderCheck | None:
    """Return the check of a decoder, or None if there is none."""
    return next((check for check in record.decoder_checks if check.decoder == decoder), None)


def with_check(record: ModelVersion, check: DecoderCheck) -> ModelVersion:
    """Return the record with a check in place of the earlier one of the same decoder."""
    others = [other for other in record.decoder_checks if other.decoder != check.decoder]
    return record.model_copy(update={"decoder_checks": [*others, check][-_MOST_CHECKS:]})


def with_verdict(check: DecoderCheck, verdict: Verdict, failed: str) -> DecoderCheck:
    """Return a check with the verdict on the champion. `failed` says which rules failed."""
    problem = None if verdict.passed else failed
    if verdict.decoder and decoder_problem(check.decoder, verdict.decoder):
        problem = f"the evaluation pipeline has image decoder {verdict.decoder}: run tidegate deploy"
    return check.model_copy(update={"verdict": verdict, "problem": problem, "ended_at": verdict.at})
