"""The ways out: Apprise to people, a custom topic to programs. Decides not what to tell, or to whom."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from tidegate.cloud.azure_errors import azure_errors

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.eventgrid import EventGridPublisherClient


class NotificationSender:
    """Teams, Slack, e-mail, webhooks: whatever Apprise knows."""

    def send(self, url: str, title: str, text: str) -> bool:
        """Whether the channel took it. Apprise logs why where it did not."""
        from apprise import Apprise, NotifyFormat

        apprise = Apprise()
        return bool(apprise.add(url)) and bool(
            apprise.notify(title=title, body=text, body_format=NotifyFormat.TEXT)
        )


def is_supported_url(url: str) -> bool:
    """Whether Apprise knows what to do with such an address; nothing is sent."""
    from apprise import Apprise

    return Apprise.instantiate(url) is not None


class EventPublisher:
    """Our own events, on a custom topic of Event Grid; nowhere where no endpoint is set."""

    def __init__(self, *, endpoint: str | None, credential: "TokenCredential") -> None:
        self._endpoint = endpoint
        self._credential = credential

    def publish(self, event_type: str, *, id: str, subject: str, data: dict[str, Any]) -> None:
        """Under an id of the caller's, so that a repetition can be told from news."""
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
