"""The two ways to send notifications: Apprise for people, and a custom Event Grid topic for programs."""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tidegate.cloud.azure_errors import azure_errors
from tidegate.cloud.connection import request_options
from tidegate.config.types import url_scheme
from tidegate.domain.activities.channel_texts import Message, written_for
from tidegate.errors import TransientError
from tidegate.log import Log

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.eventgrid import EventGridPublisherClient

log = Log(__name__)

_HANGS_AFTER_S, _LEFT_ALONE_S = 4, 60
_CARDS = ("workflow", "workflows")
_LONGEST_CARD = 10_000  # Teams takes 28 KB: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
_STATUS = re.compile(r"\berror=(\d{3})\b")


class NotificationSender:
    """Sends messages to people over Teams, Slack, e-mail, webhooks and whatever else Apprise supports."""

    def send(self, url: str, message: Message) -> str | None:
        """Send a message, and return why the channel did not accept it, or None if it did.

        The reason is logged with the scheme of the URL. The URL itself is a secret.
        """
        from apprise import Apprise, NotifyFormat

        scheme = url_scheme(url)
        with _quiet_apprise() as statuses:
            try:
                service = Apprise.instantiate(url)
                if service is None:
                    return _failed(scheme, "not a URL that Apprise can send to", [])
                title, text = written_for(message, scheme, _longest_text(service, scheme))
                # The text is escaped for an Adaptive Card. To all other services it is plain text.
                body_format = NotifyFormat.MARKDOWN if scheme in _CARDS else NotifyFormat.TEXT
                apprise = Apprise()
                apprise.add(service)
                sent = bool(apprise.notify(title=title, body=text, body_format=body_format))
            except Exception as error:  # noqa: BLE001 - its message may contain the URL
                return _failed(scheme, type(error).__name__, [])
        return None if sent else _failed(scheme, "the channel did not accept the message", statuses)


def _longest_text(service: Any, scheme: str) -> int:
    """Return how many characters of text a service takes. Discord counts the title, too."""
    if scheme in _CARDS:
        return _LONGEST_CARD
    return int(service.body_maxlen) - (int(service.title_maxlen) + 2 if scheme == "discord" else 0)


def _failed(scheme: str, reason: str, statuses: list[str]) -> str:
    log.warning("channel_failed", scheme=scheme, reason=reason, statuses=",".join(statuses))
    return f"{reason} (HTTP {', '.join(statuses)})" if statuses else reason


def is_supported_url(url: str) -> bool:
    """Return whether Apprise can send to this URL. Nothing is sent."""
    from apprise import Apprise

    with _quiet_apprise():
        try:
            return Apprise.instantiate(url) is not None
        except Exception:  # noqa: BLE001 - a malformed URL can raise anything
            return False


class _OnlyStatuses(logging.Filter):
    """A filter that drops all lines of a logger, and keeps the HTTP statuses in those of each context.

    Apprise sends in threads of its own, to which it gives the context of its caller.
    """

    def __init__(self) -> None:
        super().__init__()
        self._statuses: ContextVar[list[str] | None] = ContextVar("statuses", default=None)

    @contextmanager
    def on(self, logger: logging.Logger) -> Iterator[list[str]]:
        """Drop the lines of a logger from now on. Yield a list that gets the statuses within the block."""
        logger.addFilter(self)  # adding it twice changes nothing
        statuses: list[str] = []
        token = self._statuses.set(statuses)
        try:
            yield statuses
        finally:
            self._statuses.reset(token)

    def filter(self, record: logging.LogRecord) -> bool:
        match = _STATUS.search(record.getMessage()) if record.levelno >= logging.WARNING else None
        statuses = self._statuses.get()
        if match and statuses is not None:
            statuses.append(match[1])
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
