"""The decisions about promotions: whether a judged version may go to production, and which is champion."""

from dataclasses import dataclass
from datetime import datetime

from tidegate.config.model_policy import Promote
from tidegate.domain.lifecycle.records import Champion, Model, ModelState, ModelVersion
from tidegate.domain.lifecycle.verdict_records import Approval, Verdict
from tidegate.messages.commands import RollbackModel

IN_PROMOTION = (ModelState.PASSED, ModelState.PROMOTING, ModelState.CHALLENGER)
OTHER_CHAMPION = "another version became champion after the verdict"
OTHER_FILES = "the files are not the files that were judged"


@dataclass(frozen=True)
class PromotionSettled:
    """The version's state leaves nothing for a promotion to do."""


@dataclass(frozen=True)
class StopPromotion:
    """The version is not promoted, and ends in `state`."""

    state: ModelState
    why: str


@dataclass(frozen=True)
class JudgeAgain:
    """The verdict and its approval are void, because the champion has changed since."""

    why: str


@dataclass(frozen=True)
class AwaitApproval:
    """The version waits for a person's approval until this time."""

    until: datetime


@dataclass(frozen=True)
class AwaitOtherPromotion:
    """The promotion of `version` is under way, and a model has only one at a time."""

    version: str


@dataclass(frozen=True)
class BeginPromotion:
    """Claim the model's one promotion for this version, then copy its files."""


@dataclass(frozen=True)
class ContinueCopy:
    """The promotion is claimed, and the copy is not registered yet."""


@dataclass(frozen=True)
class InProduction:
    """The version is registered in production: its rollout follows, or it becomes champion at once."""


PromotionStep = (
    PromotionSettled
    | StopPromotion
    | JudgeAgain
    | AwaitApproval
    | AwaitOtherPromotion
    | BeginPromotion
    | ContinueCopy
    | InProduction
)


def decide_promotion(record: ModelVersion, model: Model, promote: Promote, now: datetime) -> PromotionStep:
    """Decide the next step of a version's promotion, from the records of the version and of its model."""
    if record.state not in IN_PROMOTION:
        return PromotionSettled()
    if champion_source(model) == record.version:
        return InProduction()
    verdict = record.verdict
    if verdict is None or not verdict.passed or verdict.mode != "enforce":
        return StopPromotion(ModelState.REFUSED, "the version has no passing verdict of an enforcing gate")
    if not verdict_is_current(verdict, model):
        return JudgeAgain(_changed(verdict, model))
    if record.state is ModelState.CHALLENGER:
        return InProduction()
    return _await_approval(record, verdict, promote, now) or _claim_or_wait(record, model)


def is_compared_with_champion(record: ModelVersion, model: Model) -> bool:
    """Return whether the version is champion, or was compared with the present champion."""
    if champion_source(model) == record.version:
        return True
    return record.verdict is not None and verdict_is_current(record.verdict, model)


def verdict_is_current(verdict: Verdict, model: Model) -> bool:
    """Return whether the champion that a verdict compared with is still the champion."""
    return verdict.champion == champion_source(model)


def champion_source(model: Model) -> str | None:
    """Return the champion's version in development, or None if there is no champion."""
    return model.champion.source if model.champion else None


def champion_in(model: Model, role: str) -> str | None:
    """Return the champion's version in the development or the production workspace, or None."""
    if model.champion is None:
        return None
    return model.champion.version if role == "production" else model.champion.source


def with_champion(model: Model, record: ModelVersion, at: datetime) -> Model:
    """Return the model's record with this version as champion, or the same record if it is champion already.

    Raise ValueError if the version is not in production.
    """
    if champion_source(model) == record.version:
        return model
    if record.verdict is None or record.promotion is None or record.promotion.production_version is None:
        raise ValueError(f"{record.model}:{record.version} is not in production")
    champion = Champion(
        version=record.promotion.production_version,
        source=record.version,
        since=at,
        by=f"verdict {record.verdict.id}",
    )
    return model.model_copy(
        update={"champion": champion, "previous": model.champion, "rolling": _rolling_without(model, record)}
    )


def rolled_back(model: Model, command: RollbackModel, at: datetime, *, unrestored: bool) -> Model | None:
    """Return the model's record with production's version `to` as champion, or None if this is impossible.

    The version that was champion until now does not become "previous", so that a repeated command does not
    restore it. `unrestored` means that `to` is champion again, but its endpoint could not be restored: in
    that case the restoration starts again.
    """
    champion, previous = model.champion, model.previous
    if champion and champion.version == command.to:
        if unrestored and command.champion == command.to:
            return model.model_copy(update={"champion": champion.model_copy(update={"since": at})})
        return model
    if previous is None or champion is None:
        return None
    if (champion.version, previous.version) != (command.champion, command.to):
        return None
    restored = previous.model_copy(update={"since": at, "by": _reason(command)})
    return model.model_copy(update={"champion": restored, "previous": None})


def without_claim(model: Model, record: ModelVersion) -> Model:
    """Return the model's record without the version's claim on the model's one promotion."""
    return model.model_copy(update={"rolling": _rolling_without(model, record)})


def valid_approval(record: ModelVersion) -> Approval | None:
    """Return the approval or refusal of the version's present verdict, or None."""
    approval, verdict = record.approval, record.verdict
    return (
        approval if approval and verdict and approval.verdict == verdict.id and approval.by.strip() else None
    )


def _await_approval(
    record: ModelVersion, verdict: Verdict, promote: Promote, now: datetime
) -> StopPromotion | AwaitApproval | None:
    if promote.approval != "required":
        return None
    until, approval = verdict.at + promote.within, valid_approval(record)
    if approval and not approval.approved:
        return StopPromotion(ModelState.REFUSED, f"{approval.by} refused it: {approval.reason}")
    if approval and approval.at <= until:
        return None
    if approval:
        late = f"{approval.by} approved it at {approval.at:%Y-%m-%d %H:%M %Z}"
        return StopPromotion(
            ModelState.EXPIRED, f"{late}, after the time for approval ended at {until:%Y-%m-%d %H:%M %Z}"
        )
    if now >= until:
        return StopPromotion(ModelState.EXPIRED, f"no person approved it until {until:%Y-%m-%d %H:%M %Z}")
    return AwaitApproval(until)


def _claim_or_wait(record: ModelVersion, model: Model) -> AwaitOtherPromotion | BeginPromotion | ContinueCopy:
    if model.rolling not in (None, record.version):
        return AwaitOtherPromotion(str(model.rolling))
    claimed = record.state is ModelState.PROMOTING and model.rolling == record.version
    return ContinueCopy() if claimed else BeginPromotion()


def _changed(verdict: Verdict, model: Model) -> str:
    then = f"version {verdict.champion}" if verdict.champion else "no champion"
    now = champion_source(model)
    return (
        f"the verdict compares with {then}, but now {f'version {now}' if now else 'no version'} is champion"
    )


def _rolling_without(model: Model, record: ModelVersion) -> str | None:
    return None if model.rolling == record.version else model.rolling


def _reason(command: RollbackModel) -> str:
    signed_in = " (signed in with Entra ID)" if command.by_source == "entra" else ""
    return f"rollback by {command.by}{signed_in}: {command.reason}"
