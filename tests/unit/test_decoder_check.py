"""Whether a champion is judged again, because the image decoder of a pipeline changed."""

from datetime import UTC, datetime, timedelta

import pytest

from tidegate.domain.lifecycle.decoder_check import (
    LONGEST_WAIT,
    AwaitCheck,
    BeginCheck,
    ScoreNow,
    StopWaiting,
    decide_check,
    with_check,
    with_verdict,
)
from tidegate.domain.lifecycle.records import ModelState, ModelVersion
from tidegate.domain.lifecycle.verdict_records import DecoderCheck, Verdict

NOW = datetime(2026, 11, 21, tzinfo=UTC)
CHECK = DecoderCheck(decoder="2", since=NOW)


def verdict(decoder: str | None, *, passed: bool = True) -> Verdict:
    return Verdict(
        id="e1",
        passed=passed,
        mode="enforce",
        rules=[],
        data="holdout:4",
        champion=None,
        job="judge",
        decoder=decoder,
        at=NOW,
    )


def champion(*checks: DecoderCheck) -> ModelVersion:
    state = ModelState.CHAMPION
    record = ModelVersion(model="m", version="1", state=state, registered_at=NOW, verdict=verdict("1"))
    for check in checks:
        record = with_check(record, check)
    return record


@pytest.mark.parametrize("decoder", [None, "1"])
def test_the_decoder_of_the_verdict_needs_no_check(decoder: str | None) -> None:
    assert decide_check(champion(), decoder, NOW) == ScoreNow()


def test_another_decoder_is_checked_once() -> None:
    ended = CHECK.model_copy(update={"ended_at": NOW})

    assert decide_check(champion(), "2", NOW) == BeginCheck(CHECK)
    assert decide_check(champion(CHECK), "2", NOW) == AwaitCheck(CHECK)
    assert decide_check(champion(ended), "2", NOW) == ScoreNow()
    assert isinstance(decide_check(champion(ended), "3", NOW), BeginCheck)


def test_scoring_does_not_wait_for_ever() -> None:
    later = NOW + LONGEST_WAIT

    assert decide_check(champion(CHECK), "2", later) == StopWaiting(CHECK)
    assert decide_check(champion(CHECK.model_copy(update={"not_awaited": True})), "2", later) == ScoreNow()
    assert decide_check(champion(CHECK), "2", later - timedelta(seconds=1)) == AwaitCheck(CHECK)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (verdict("2"), None),
        (verdict("2", passed=False), "accuracy: 0.7"),
        (verdict("1"), "the evaluation pipeline has image decoder 1: run tidegate deploy"),
    ],
)
def test_a_check_says_why_the_champion_does_not_pass(given: Verdict, problem: str | None) -> None:
    assert with_verdict(CHECK, given, "accuracy: 0.7").problem == problem
