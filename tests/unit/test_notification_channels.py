"""Which activities a channel receives."""

from typing import Any

import pytest
from pydantic import ValidationError
from tests.support import config_yaml

from tidegate.config.schema import Channel, Config
from tidegate.domain.activities.notification_channels import wants
from tidegate.domain.activities.owners import Owner, owner_of

FEED, MODEL, NEITHER = Owner(feed="digits"), Owner(model="classifier"), Owner()


@pytest.mark.parametrize(
    ("channel", "kind", "owner", "wanted"),
    [
        ({"events": ["*"]}, "partition.scored", FEED, True),
        ({"events": ["partition.*"]}, "partition.late", FEED, True),
        ({"events": ["partition.*"]}, "work.failed", FEED, False),
        ({"events": ["partition.late", "work.failed"]}, "work.failed", NEITHER, True),
        ({"feeds": ["digits"]}, "work.failed", FEED, True),
        ({"feeds": ["digits"]}, "model.judged", MODEL, False),
        ({"feeds": ["digits"]}, "work.failed", NEITHER, False),
        ({"feeds": ["d*"], "models": ["classifier"]}, "model.judged", MODEL, True),
        ({"feeds": ["digits"], "events": ["model.*"]}, "work.failed", FEED, False),
    ],
)
def test_a_channel_gets_what_it_asked_for(
    channel: dict[str, Any], kind: str, owner: Owner, wanted: bool
) -> None:
    assert wants(Channel(url="json://x", **channel), kind, owner) is wanted


@pytest.mark.parametrize(
    ("subject", "data", "owner"),
    [
        ("digits:202611", {}, FEED),
        ("files:feed:digits", {}, FEED),
        ("model:development:classifier", {}, MODEL),
        ("pause:model:classifier", {}, MODEL),
        ("pause:all", {}, NEITHER),
        ("rejected:digits 202613", {}, FEED),
        ("endpoint:production:x", {"model": "classifier"}, MODEL),
        ("queue", {"message": "m"}, NEITHER),
    ],
)
def test_an_activity_belongs_to_a_feed_or_a_model(subject: str, data: dict[str, Any], owner: Owner) -> None:
    assert owner_of(subject, data) == owner


def test_a_channel_that_names_an_unknown_feed_is_refused() -> None:
    values = config_yaml.values() | {"notify": [{"url": "json://x", "feeds": ["digts"]}]}

    with pytest.raises(ValidationError, match="no feed is called digts; feeds are: digits"):
        Config.model_validate(values)
