"""Links in notifications, and the words around them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.links import activity_url
from tidegate.domain.activities.notification_channels import notification


def an_activity(subject: str, kind: str = "partition.scored", **data: Any) -> Activity:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    return Activity(
        subject=subject, id="one", kind=kind, at=at, title="News", text="Words", cause="test", data=data
    )


@pytest.mark.parametrize(
    ("subject", "path"),
    [
        ("product-images:202611", "/api/feeds/product-images/partitions/202611"),
        ("development:202611", "/api/feeds/development/partitions/202611"),
        ("model:202611", "/api/feeds/model/partitions/202611"),
        ("model:development:a.b-c_d", "/api/models/a.b-c_d"),
        ("production:score-digits-202611-1-g1-a1", "/api/jobs/production/score-digits-202611-1-g1-a1"),
        ("model:production:classifier", None),
        ("endpoint:production:classifier-x7", None),
        ("drift:development:my signal", None),
        ("queue", None),
        ("rejected:digits 202613", None),
    ],
)
def test_a_link_leads_to_what_an_activity_is_about(subject: str, path: str | None) -> None:
    assert activity_url(an_activity(subject)) == path


@pytest.mark.parametrize("kept", ["blob", "command", "message"])
def test_what_failed_leads_to_its_replay(kept: str) -> None:
    failed = an_activity("digits:202611", "work.failed", **{kept: "x"})

    said = notification(failed, "https://tidegate.example.com/").lines().splitlines()

    assert said == [
        "Words",
        f"To try it again: tidegate replay {failed.short_id}",
        f"https://tidegate.example.com/failures/{failed.short_id}",
    ]


def test_what_failed_and_was_not_kept_leads_to_its_subject() -> None:
    failed = an_activity("model:development:classifier", "work.failed", why="no data")

    assert notification(failed, "https://a.example").lines() == "Words\nhttps://a.example/models/classifier"


def test_without_an_address_there_is_no_link() -> None:
    assert notification(an_activity("digits:202611"), None).lines() == "Words"


def test_what_is_nowhere_in_the_api_has_no_link() -> None:
    assert notification(an_activity("drift:development:signal"), "https://a.example").lines() == "Words"
