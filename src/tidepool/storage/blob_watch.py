"""Watches requests to blobs go by, and tells which events come of them.

Asks storage what requests do not say.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tidepool.storage.azurite_client import Response
from tidepool.storage.blob_batches import answers_in, is_batch, requests_in
from tidepool.storage.blob_events import DELETE, Event, api_of, event, is_told, stated
from tidepool.storage.request import Headers, StorageRequest, header

Head = Callable[[StorageRequest], Awaitable[Headers]]


@dataclass(frozen=True)
class Change:
    """A request that changes a blob if it succeeds; `former` are the properties of a blob that it deletes."""

    request: StorageRequest
    api: str
    former: Headers | None


class BlobWatch:
    """`head` gives the properties of a request's blob, `sequence` the next number of an event."""

    def __init__(self, *, head: Head, sequence: Callable[[], int]) -> None:
        self._head = head
        self._sequence = sequence

    async def before(self, request: StorageRequest, body: object) -> dict[str, Change]:
        """What the request is about to change: by Content-ID in a batch, else under ""."""
        batch = is_batch(request) and isinstance(body, bytes)
        requests = requests_in(request, body) if batch and isinstance(body, bytes) else {"": request}
        changes: dict[str, Change] = {}
        for number, inside in requests.items():
            if api := api_of(inside):
                former = await self._head(inside) if api == DELETE else None
                changes[number] = Change(inside, api, former)
        return changes

    async def after(self, changes: dict[str, Change], response: Response) -> list[Event]:
        """The events of the changes that the answer says have happened."""
        if not changes or response.status >= 300:
            return []
        answers = {"": (response.status, response.headers)}
        if "" not in changes:
            answers = answers_in(await response.read(), header(response.headers, "content-type"))
        return [
            await self._event(changes[number], headers)
            for number, (status, headers) in answers.items()
            if number in changes and status < 300
        ]

    async def _event(self, change: Change, answered: Headers) -> Event:
        properties = change.former
        if properties is None:
            properties = (
                stated(change.request)
                if is_told(change.request, change.api)
                else await self._head(change.request)
            )
        number = self._sequence()
        return event(change.request, change.api, answered=answered, properties=properties, number=number)
