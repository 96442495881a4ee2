"""Versions in use are archived or deleted behind the service's back: the timer notices and restores them."""

from tests.support.arm_requests import arm
from tests.support.azure_clients import MANAGEMENT, token
from tests.support.promotions import MODEL, Promotions

from tidegate.messages.commands import Reconcile


def tick(promotions: Promotions) -> None:
    promotions.service.handlers[Reconcile](Reconcile(cause="timer-1"))


def told(promotions: Promotions) -> list[str]:
    """Return the titles of the activities about lost versions, and forget none of them."""
    return sorted(title for title in promotions.activity_titles() if "version_" in title)


def test_archived_versions_in_use_are_restored_and_a_deleted_one_is_announced_once(
    promotions: Promotions,
) -> None:
    promotions.version("7")
    promotions.promote("7")
    tick(promotions)
    assert told(promotions) == []

    promotions.production_ml.models.archive(MODEL, "7")
    promotions.ml.models.archive(MODEL)  # the model as a whole
    tick(promotions)

    assert [model.version for model in promotions.production_ml.models.list(MODEL)] == ["7"]
    assert [model.name for model in promotions.ml.models.list()] == [MODEL]
    lost = [
        f"model.version_lost: {MODEL}:7 was archived in development while it is in use",
        f"model.version_lost: {MODEL}:7 was archived in production while it is in use",
    ]
    assert told(promotions) == lost
    [text] = {each.text for each in promotions.activities() if each.title in lost[1]}
    assert "- champion" in text

    tick(promotions)
    tick(promotions)

    back = [
        f"model.version_back: {MODEL}:7 is there again in {place}" for place in ("development", "production")
    ]
    assert told(promotions) == [*back, *lost]

    version = f"{promotions.production.id}/models/{MODEL}/versions/7"
    arm("DELETE", version, token(MANAGEMENT))
    promotions.clock.move(minutes=5)
    tick(promotions)
    tick(promotions)

    deleted = f"model.version_lost: {MODEL}:7 was deleted in production while it is in use"
    assert told(promotions) == sorted([*back, *lost, deleted])
    assert [lost.what for lost in promotions.model.lost] == ["deleted"]
