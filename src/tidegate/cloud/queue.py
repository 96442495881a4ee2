"""The work queue, to which the service sends commands. The Functions host receives the messages."""

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tidegate.cloud.azure_errors import azure_errors
from tidegate.cloud.connection import RETRIES, client_options
from tidegate.errors import NotFoundError
from tidegate.messages.commands import AnyCommand
from tidegate.messages.queue_messages import to_message

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.queue import QueueClient

WORK_QUEUE = "tidegate-work"
POISON_QUEUE = f"{WORK_QUEUE}-poison"
LONGEST_DELAY = timedelta(hours=1)
# An event is refused within five seconds if the queue does not answer: two tries, each with these time-outs.
_CONNECTION_TIMEOUT_S = 1.0
_READ_TIMEOUT_S = 1.4


class WorkQueue:
    """A client that sends commands. Messages never expire. A delay of more than an hour is cut to an hour."""

    def __init__(self, *, account: str, credential: "TokenCredential", name: str = WORK_QUEUE) -> None:
        self._account = account
        self._credential = credential
        self._name = name

    def send(self, command: AnyCommand, delay: timedelta = timedelta()) -> None:
        """Send a command that becomes visible after `delay`.

        Raise TransientError if the queue cannot be reached. In that case the caller must not report success.
        """
        self._put(to_message(command), delay)

    def send_again(self, message: str, delay: timedelta) -> None:
        """Send a message that was received, unchanged, so that it is delivered again after `delay`.

        Raise TransientError if the queue cannot be reached.
        """
        self._put(message, delay)

    def _put(self, message: str, delay: timedelta) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        hidden_s = int(max(timedelta(), min(delay, LONGEST_DELAY)).total_seconds())
        with azure_errors(f"send to queue {self._name}"):
            try:
                self._client.send_message(message, visibility_timeout=hidden_s, time_to_live=-1)
            except ResourceNotFoundError:  # the queue does not exist yet
                self.create()
                self._client.send_message(message, visibility_timeout=hidden_s, time_to_live=-1)

    def count(self) -> int:
        """Return the approximate number of messages, hidden ones too. A missing queue has none."""
        try:
            with azure_errors(f"count messages of queue {self._name}"):
                return int(self._client.get_queue_properties().approximate_message_count or 0)
        except NotFoundError:
            return 0

    def create(self) -> bool:
        """Create the queue if it does not exist. Return whether it was created."""
        from azure.core.exceptions import ResourceExistsError

        with azure_errors(f"create queue {self._name}"):
            try:
                self._client.create_queue()
            except ResourceExistsError:
                return False
            return True

    @cached_property
    def _client(self) -> "QueueClient":
        from azure.storage.queue import QueueClient

        return QueueClient(
            f"https://{self._account}.queue.core.windows.net",
            self._name,
            credential=self._credential,
            **_options(),
        )


def tidegate_queues(account: str, credential: "TokenCredential") -> set[str]:
    """Return the names of the account's queues that begin with `tidegate`."""
    from azure.storage.queue import QueueServiceClient

    with azure_errors(f"list queues of {account}"):
        endpoint = f"https://{account}.queue.core.windows.net"
        service = QueueServiceClient(endpoint, credential=credential, **_options())
        return {str(queue.name) for queue in service.list_queues(name_starts_with="tidegate")}


def _options() -> dict[str, Any]:
    from azure.storage.queue import LinearRetry

    retry = LinearRetry(backoff=0, retry_total=RETRIES, random_jitter_range=0)
    timeouts = client_options(_READ_TIMEOUT_S, connection_timeout_s=_CONNECTION_TIMEOUT_S)
    return timeouts | {"retry_policy": retry}
