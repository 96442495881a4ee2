"""The URL of a channel is a secret: no part of it may be in a log, also if the URL is malformed."""

import logging

import pytest

from tidegate.cloud.notification_sender import NotificationSender, is_supported_url
from tidegate.config.types import url_scheme
from tidegate.domain.activities.channel_texts import Message

TOKEN = "SECRETTOKEN"
MESSAGE = Message("title", "text")
MALFORMED = [
    f"hooks.slack.com/services/T000/B000/{TOKEN}",
    f"https//example.com/webhook/{TOKEN}",
    f"slack://{TOKEN}",
    f"slak://{TOKEN}/b/c",
    f"nonsense://user:{TOKEN}@host",
    f"json://[{TOKEN}",
    f"{TOKEN}:x",
    f"tgram://{TOKEN}/1",
    f"mailto://u:{TOKEN}@",
]


@pytest.mark.parametrize("url", MALFORMED)
def test_a_malformed_url_is_never_logged(
    url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)

    assert NotificationSender().send(url, MESSAGE) is not None
    assert not is_supported_url(url)

    written = "".join([caplog.text, *capfd.readouterr(), url_scheme(url)])
    assert TOKEN not in written
    assert "channel_failed" in caplog.text
    assert "not a URL that Apprise can send to" in caplog.text


def test_a_channel_that_cannot_be_reached_is_named_by_its_scheme(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    problem = NotificationSender().send(f"json://user:{TOKEN}@127.0.0.1:1/{TOKEN}", MESSAGE)

    assert problem == "the channel did not accept the message"

    assert "channel_failed scheme=json" in caplog.text
    assert TOKEN not in caplog.text
