"""Whether a judged version may go on into production, and who is champion then. Pure."""

from dataclasses import dataclass
from datetime import datetime

from tidegate.config.model_policy import Promote
from tidegate.domain.lifecycle.records import Approval, Champion, Model, ModelState, ModelVersion, Verdict
from tidegate.messages.commands import RollbackModel

IN_PROMOTION = (ModelState.PASSED, ModelState.PROMOTING, ModelState.CHALLENGER)
OTHER_CHAMPION = "another version became champion meanwhile"
OTHER_FILES = "its files are not those that were judged"


@dataclass(frozen=True)
class PromotionSettled:
    """Nothing is to be done about it, or not by promotion."""


@dataclass(frozen=True)
class StopPromotion:
    """It goes no further."""

    state: ModelState
    why: str


@dataclass(frozen=True)
class JudgeAgain:
    """The verdict no longer says what it said: it and its approval are void."""

    why: str


@dataclass(frozen=True)
class AwaitApproval:
    until: datetime


@dataclass(frozen=True)
class AwaitOtherPromotion:
    """One promotion at a time: that of `version` is under way."""

    version: str


@dataclass(frozen=True)
class BeginPromotion:
    """Claim the model's one place for what is on its way, and copy."""


@dataclass(frozen=True)
class ContinueCopy:
    """The place is claimed; the copy is not registered yet."""


@dataclass(frozen=True)
class InProduction:
    """It is in production: to its rollout, or to the throne."""


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
    """The next step of a version, seen together with the record of its model."""
    if record.state not in IN_PROMOTION:
        return PromotionSettled()
    if champion_source(model) == record.version:
        return InProduction()
    verdict = record.verdict
    if verdict is None or not verdict.passed or verdict.mode != "enforce":
        return StopPromotion(ModelState.REFUSED, "it has no verdict that lets it pass")
    if not verdict_is_current(verdict, model):
        return JudgeAgain(_changed(verdict, model))
    if record.state is ModelState.CHALLENGER:
        return InProduction()
    return _unapproved(record, verdict, promote, now) or _in_turn(record, model)


def verdict_is_current(verdict: Verdict, model: Model) -> bool:
    """Whether the champion that a verdict compared with still is the champion."""
    return verdict.champion == champion_source(model)


def champion_source(model: Model) -> str | None:
    """The champion's version in development, where there is a champion."""
    return model.champion.source if model.champion else None


def champion_in(model: Model, role: str) -> str | None:
    """The champion's version as the development or the production workspace has it."""
    if model.champion is None:
        return None
    return model.champion.version if role == "production" else model.champion.source


def with_champion(model: Model, record: ModelVersion, at: datetime) -> Model:
    """The model's record once the version is champion; the same where it is already."""
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
        update={"champion": champion, "previous": model.champion, "rolling": _without(model, record)}
    )


def rolled_back(model: Model, command: RollbackModel, at: datetime, *, unrestored: bool) -> Model | None:
    """The model's record once production's version `to` is champion again; None where it never was.

    What was taken back is nobody's previous: saying it twice does not bring it back. `unrestored`: it is
    champion again, and its endpoint could not be brought back; that begins anew.
    """
    champion, previous = model.champion, model.previous
    if champion and champion.version == command.to:
        begins = unrestored and command.champion == command.to
        return (
            model.model_copy(update={"champion": champion.model_copy(update={"since": at})})
            if begins
            else model
        )
    if previous is None or champion is None:
        return None
    if (champion.version, previous.version) != (command.champion, command.to):
        return None
    again = previous.model_copy(update={"since": at, "by": _words(command)})
    return model.model_copy(update={"champion": again, "previous": None})


def without_claim(model: Model, record: ModelVersion) -> Model:
    """The model's record without the version's claim on its place."""
    return model.model_copy(update={"rolling": _without(model, record)})


def valid_approval(record: ModelVersion) -> Approval | None:
    """Somebody's word on the verdict that the version has now."""
    approval, verdict = record.approval, record.verdict
    return (
        approval if approval and verdict and approval.verdict == verdict.id and approval.by.strip() else None
    )


def _unapproved(
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
            ModelState.EXPIRED, f"{late}, after its time was over at {until:%Y-%m-%d %H:%M %Z}"
        )
    if now >= until:
        return StopPromotion(ModelState.EXPIRED, f"nobody approved it until {until:%Y-%m-%d %H:%M %Z}")
    return AwaitApproval(until)


def _in_turn(record: ModelVersion, model: Model) -> AwaitOtherPromotion | BeginPromotion | ContinueCopy:
    if model.rolling not in (None, record.version):
        return AwaitOtherPromotion(str(model.rolling))
    claimed = record.state is ModelState.PROMOTING and model.rolling == record.version
    return ContinueCopy() if claimed else BeginPromotion()


def _changed(verdict: Verdict, model: Model) -> str:
    then = f"version {verdict.champion}" if verdict.champion else "no champion"
    now = champion_source(model)
    return f"it was compared with {then}, and now {f'version {now}' if now else 'nobody'} is champion"


def _without(model: Model, record: ModelVersion) -> str | None:
    return None if model.rolling == record.version else model.rolling


def _words(command: RollbackModel) -> str:
    signed_in = " (signed in with Entra ID)" if command.by_source == "entra" else ""
    return f"rollback by {command.by}{signed_in}: {command.reason}"
