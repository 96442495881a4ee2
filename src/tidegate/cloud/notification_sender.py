"""The two ways to send notifications: Apprise for people, and a custom Event Grid topic for programs."""

import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tidegate.cloud.azure_errors import azure_errors
from tidegate.cloud.connection import request_options
from tidegate.errors import TransientError
from tidegate.log import Log

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.eventgrid import EventGridPublisherClient

log = Log(__name__)

_HANGS_AFTER_S, _LEFT_ALONE_S = 4, 60
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,19})://")
_STATUS = re.compile(r"\berror=(\d{3})\b")


class NotificationSender:
    """Sends messages to people over Teams, Slack, e-mail, webhooks and whatever else Apprise supports."""

    def send(self, url: str, title: str, text: str) -> bool:
        """Send a message and return whether the channel accepted it.

        If not, log the scheme of the URL and the HTTP status. The URL itself is a secret.
        """
        from apprise import Apprise, NotifyFormat

        with _quiet_apprise() as statuses:
            try:
                apprise = Apprise()
                known = bool(apprise.add(url))
                sent = known and bool(apprise.notify(title=title, body=text, body_format=NotifyFormat.TEXT))
            except Exception as error:  # noqa: BLE001 - its message may contain the URL
                log.warning("channel_failed", scheme=url_scheme(url), error=type(error).__name__)
                return False
        if not sent:
            reason = (
                "the channel did not accept the message" if known else "not a URL that Apprise can send to"
            )
            log.warning("channel_failed", scheme=url_scheme(url), reason=reason, statuses=",".join(statuses))
        return sent


def is_supported_url(url: str) -> bool:
    """Return whether Apprise can send to this URL. Nothing is sent."""
    from apprise import Apprise

    with _quiet_apprise():
        try:
            return Apprise.instantiate(url) is not None
        except Exception:  # noqa: BLE001 - a malformed URL can raise anything
            return False


def url_scheme(url: str) -> str:
    """Return the scheme of a channel's URL for logs and reports: the rest of the URL is a secret."""
    match = _SCHEME.match(url)
    return match[1].lower() if match else "no scheme"


class _OnlyStatuses(logging.Filter):
    """A filter that drops all lines of a logger, and keeps the HTTP statuses in those of each thread."""

    def __init__(self) -> None:
        super().__init__()
        self._local = threading.local()

    @contextmanager
    def on(self, logger: logging.Logger) -> Iterator[list[str]]:
        """Drop the lines of a logger from now on. Yield a list that gets the statuses within the block."""
        logger.addFilter(self)  # adding it twice changes nothing
        statuses: list[str] = []
        self._local.statuses = statuses
        yield statuses

    def filter(self, record: logging.LogRecord) -> bool:
        match = _STATUS.search(record.getMessage()) if record.levelno >= logging.WARNING else None
        if match and hasattr(self._local, "statuses"):
            self._local.statuses.append(match[1])
        return False


# Apprise's own lines contain the URL of the channel.
_ONLY_STATUSES = _OnlyStatuses()


def _quiet_apprise() -> AbstractContextManager[list[str]]:
    return _ONLY_STATUSES.on(logging.getLogger("apprise"))


class EventPublisher:
    """Publishes the service's own events to a custom topic of Event Grid, if an endpoint is configured."""

    def __init__(self, *, endpoint: str | None, credential: "TokenCredential") -> None:
        self._endpoint = endpoint
        self._credential = credential
        self._hangs_until = 0.0

    @property
    def has_topic(self) -> bool:
        """Return whether a topic is configured."""
        return bool(self._endpoint)

    def publish(self, event_type: str, *, id: str, subject: str, data: dict[str, Any]) -> None:
        """Publish an event under an id that the caller derives, so that receivers can detect a repetition.

        The topic takes the schema of Event Grid, and delivers CloudEvents to subscriptions that ask for them.
        After a topic has hung, raise TransientError at once for a minute, so that it holds no threads.
        """
        if not self._endpoint:
            return
        from azure.eventgrid import EventGridEvent

        begun = time.monotonic()
        if begun < self._hangs_until:
            raise TransientError(f"cannot publish {event_type}: the topic gave no answer a moment ago")
        event = EventGridEvent(id=id, subject=subject, event_type=event_type, data=data, data_version="1")
        try:
            with azure_errors(f"publish {event_type}"):
                self._client.send(event, **request_options())
        except TransientError:
            if time.monotonic() - begun > _HANGS_AFTER_S:
                self._hangs_until = time.monotonic() + _LEFT_ALONE_S
            raise

    @cached_property
    def _client(self) -> "EventGridPublisherClient":
        from azure.eventgrid import EventGridPublisherClient

        return EventGridPublisherClient(self._endpoint or "", self._credential)
