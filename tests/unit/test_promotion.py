"""What becomes of a judged version: approval, turn, champion, rollback."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.config.model_policy import Promote
from tidegate.domain.lifecycle.promotion import (
    AwaitApproval,
    AwaitOtherPromotion,
    BeginPromotion,
    ContinueCopy,
    InProduction,
    JudgeAgain,
    PromotionSettled,
    PromotionStep,
    StopPromotion,
    decide_promotion,
    rolled_back,
    with_champion,
    without_claim,
)
from tidegate.domain.lifecycle.records import Champion, Model, ModelState, ModelVersion, Promotion
from tidegate.domain.lifecycle.verdict_records import Approval, Verdict
from tidegate.messages.commands import RollbackModel

NOW = datetime(2026, 11, 21, 2, 10, tzinfo=UTC)
PROMOTE = Promote(within=timedelta(days=3))
ONE = Champion(version="1", source="1", since=NOW, by="verdict first")
FIVE = Champion(version="5", source="5", since=NOW, by="verdict fifth")


def _verdict(**changes: Any) -> Verdict:
    given = {"id": "v", "passed": True, "mode": "enforce", "rules": [], "data": "holdout:4", "job": "judge"}
    return Verdict.model_validate({**given, "champion": None, "at": NOW, **changes})


def _approval(**changes: Any) -> Approval:
    given = {"verdict": "v", "approved": True, "by": "ada", "reason": "looks right", "at": NOW}
    return Approval.model_validate({**given, **changes})


def _version(**changes: Any) -> ModelVersion:
    given = {"model": "m", "version": "7", "state": ModelState.PASSED, "registered_at": NOW}
    return ModelVersion.model_validate({**given, "verdict": _verdict(), "approval": _approval(), **changes})


def _decide(
    record: ModelVersion, model: Model | None = None, later: timedelta = timedelta()
) -> PromotionStep:
    return decide_promotion(record, model or Model(model="m"), PROMOTE, NOW + later)


def test_an_approved_version_is_promoted() -> None:
    assert _decide(_version()) == BeginPromotion()


def test_without_approval_required_nobody_is_asked() -> None:
    at_once = Promote(approval="none")

    assert decide_promotion(_version(approval=None), Model(model="m"), at_once, NOW) == BeginPromotion()


@pytest.mark.parametrize(
    "approval",
    [None, _approval(verdict="another"), _approval(by=" "), _approval(verdict="another", approved=False)],
    ids=["none", "of another verdict", "by nobody", "a refusal of another verdict"],
)
def test_only_somebodys_word_on_this_verdict_counts(approval: Approval | None) -> None:
    assert _decide(_version(approval=approval)) == AwaitApproval(NOW + timedelta(days=3))


@pytest.mark.parametrize(
    ("approval", "after", "state", "says"),
    [
        (None, timedelta(days=3), ModelState.EXPIRED, "no person approved"),
        (_approval(at=NOW + timedelta(days=4)), timedelta(days=4), ModelState.EXPIRED, "ada approved it at"),
        (_approval(approved=False, reason="no"), timedelta(), ModelState.REFUSED, "ada refused it: no"),
    ],
    ids=["too late", "approved too late", "refused"],
)
def test_it_ends_where_a_person_is_late_or_refuses(
    approval: Approval | None, after: timedelta, state: ModelState, says: str
) -> None:
    stop = _decide(_version(approval=approval), later=after)

    assert isinstance(stop, StopPromotion)
    assert stop.state is state
    assert says in stop.why


def test_an_approval_in_time_holds_while_it_waits_for_its_turn() -> None:
    model = Model(model="m", rolling="6")

    assert _decide(_version(), model, later=timedelta(days=30)) == AwaitOtherPromotion("6")


@pytest.mark.parametrize(
    "verdict", [None, _verdict(passed=False), _verdict(mode="observe")], ids=["none", "failed", "observed"]
)
@pytest.mark.parametrize("state", [ModelState.PASSED, ModelState.PROMOTING, ModelState.CHALLENGER])
def test_nothing_goes_without_a_verdict_that_passed(verdict: Verdict | None, state: ModelState) -> None:
    stop = _decide(_version(verdict=verdict, state=state))

    assert isinstance(stop, StopPromotion)
    assert stop.state is ModelState.REFUSED


@pytest.mark.parametrize("state", [ModelState.PASSED, ModelState.PROMOTING, ModelState.CHALLENGER])
@pytest.mark.parametrize("champion", ["5", None], ids=["another then", "none then"])
def test_it_is_judged_again_once_the_champion_is_another(state: ModelState, champion: str | None) -> None:
    model = Model(model="m", champion=ONE, rolling="7")

    assert isinstance(_decide(_version(state=state, verdict=_verdict(champion=champion)), model), JudgeAgain)


def test_it_is_judged_again_once_the_champion_is_gone() -> None:
    assert isinstance(_decide(_version(verdict=_verdict(champion="5"))), JudgeAgain)


def test_a_claimed_place_is_kept() -> None:
    held = Model(model="m", rolling="7")

    assert _decide(_version(), held) == BeginPromotion()
    assert _decide(_version(state=ModelState.PROMOTING), held) == ContinueCopy()
    assert _decide(_version(state=ModelState.PROMOTING)) == BeginPromotion()
    assert _decide(
        _version(state=ModelState.PROMOTING), Model(model="m", rolling="6")
    ) == AwaitOtherPromotion("6")


@pytest.mark.parametrize("state", [state for state in ModelState if state.final])
def test_final_states_stay(state: ModelState) -> None:
    assert _decide(_version(state=state), Model(model="m", champion=ONE)) == PromotionSettled()


def test_whoever_is_champion_already_is_handed_over_whatever_else() -> None:
    model = Model(model="m", champion=Champion(version="7", source="7", since=NOW, by="verdict v"))

    assert (
        _decide(_version(state=ModelState.CHALLENGER, verdict=_verdict(champion="5")), model)
        == InProduction()
    )


def test_the_crown_goes_over_once() -> None:
    promotion = Promotion(via="workspace", begun_at=NOW, production_version="7")
    record = _version(state=ModelState.CHALLENGER, promotion=promotion)
    model = Model(model="m", champion=ONE, rolling="7")

    once = with_champion(model, record, NOW)
    twice = with_champion(once, record, NOW + timedelta(hours=1))

    assert once.champion == Champion(version="7", source="7", since=NOW, by="verdict v")
    assert (once.previous, once.rolling) == (ONE, None)
    assert twice == once


def test_nobody_is_crowned_who_is_not_in_production() -> None:
    with pytest.raises(ValueError, match="m:7 is not in production"):
        with_champion(Model(model="m"), _version(), NOW)


def _back(to: str, champion: str) -> RollbackModel:
    return RollbackModel(cause="c", model="m", to=to, champion=champion, by="ada", reason="bad")


def test_a_rollback_goes_back_once() -> None:
    model = Model(model="m", champion=FIVE, previous=ONE, rolling="7")
    later = NOW + timedelta(hours=1)

    once = rolled_back(model, _back("1", "5"), later, unrestored=False)
    assert once is not None
    twice = rolled_back(once, _back("1", "5"), later + timedelta(hours=1), unrestored=False)

    assert once.champion == Champion(version="1", source="1", since=later, by="rollback by ada: bad")
    assert (once.previous, once.rolling) == (None, "7")
    assert twice == once
    assert rolled_back(once, _back("5", "1"), later, unrestored=False) is None


def test_a_rollback_that_comes_late_takes_no_other_champion_back() -> None:
    model = Model(model="m", champion=Champion(version="7", source="7", since=NOW, by="v"), previous=ONE)

    assert rolled_back(model, _back("1", "5"), NOW, unrestored=False) is None


def test_a_champion_whose_endpoint_could_not_be_brought_back_begins_anew_when_asked_for() -> None:
    model, later = Model(model="m", champion=ONE), NOW + timedelta(hours=1)

    again = rolled_back(model, _back("1", "1"), later, unrestored=True)

    assert again is not None
    assert again.champion == ONE.model_copy(update={"since": later})
    assert rolled_back(model, _back("1", "5"), later, unrestored=True) == model
    assert rolled_back(model, _back("1", "1"), later, unrestored=False) == model


def test_only_its_own_claim_is_released() -> None:
    assert without_claim(Model(model="m", rolling="7"), _version()).rolling is None
    assert without_claim(Model(model="m", rolling="6"), _version()).rolling == "6"
