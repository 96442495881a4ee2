"""The two ways to send notifications: Apprise for people, and a custom Event Grid topic for programs."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from tidegate.cloud.azure_errors import azure_errors

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.eventgrid import EventGridPublisherClient


class NotificationSender:
    """Sends messages to people over Teams, Slack, e-mail, webhooks and whatever else Apprise supports."""

    def send(self, url: str, title: str, text: str) -> bool:
        """Send a message and return whether the channel accepted it. If not, Apprise logs the reason."""
        from apprise import Apprise, NotifyFormat

        apprise = Apprise()
        return bool(apprise.add(url)) and bool(
            apprise.notify(title=title, body=text, body_format=NotifyFormat.TEXT)
        )


def is_supported_url(url: str) -> bool:
    """Return whether Apprise can send to this URL. Nothing is sent."""
    from apprise import Apprise

    return Apprise.instantiate(url) is not None


class EventPublisher:
    """Publishes the service's own events to a custom topic of Event Grid, if an endpoint is configured."""

    def __init__(self, *, endpoint: str | None, credential: "TokenCredential") -> None:
        self._endpoint = endpoint
        self._credential = credential

    def publish(self, event_type: str, *, id: str, subject: str, data: dict[str, Any]) -> None:
        """Publish an event under an id that the caller derives, so that receivers can detect a repetition."""
        if not self._endpoint:
            return
        from azure.eventgrid import EventGridEvent

        event = EventGridEvent(id=id, subject=subject, event_type=event_type, data=data, data_version="1")
        with azure_errors(f"publish {event_type}"):
            self._client.send(event)

    @cached_property
    def _client(self) -> "EventGridPublisherClient":
        from azure.eventgrid import EventGridPublisherClient

        return EventGridPublisherClient(self._endpoint or "", self._credential)
