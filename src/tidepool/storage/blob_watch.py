"""The events of blob requests. A request is inspected before Azurite gets it and after Azurite's response."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tidepool.storage.azurite_client import OpenResponse
from tidepool.storage.blob_batches import answers_in, is_batch, requests_in
from tidepool.storage.blob_events import (
    DELETE,
    Event,
    api_of,
    event,
    stated_properties,
    states_properties,
)
from tidepool.storage.request import Headers, StorageRequest, header

Head = Callable[[StorageRequest], Awaitable[Headers]]


@dataclass(frozen=True)
class Change:
    """A request that changes a blob if it succeeds.

    `former` contains the blob's properties before a deletion.
    """

    request: StorageRequest
    api: str
    former: Headers | None


class BlobWatch:
    """The detection of changes of blobs.

    `head` returns the properties of the blob that a request is about. `sequence` returns the next sequence
    number for an event. `account_id` returns the id of an account by its name.
    """

    def __init__(self, *, head: Head, sequence: Callable[[], int], account_id: Callable[[str], str]) -> None:
        self._head = head
        self._account_id = account_id
        self._sequence = sequence

    async def before(self, request: StorageRequest, body: object) -> dict[str, Change]:
        """Return the changes that a request asks for.

        The keys are Content-IDs for a batch, and "" otherwise.
        """
        batch = is_batch(request) and isinstance(body, bytes)
        requests = requests_in(request, body) if batch and isinstance(body, bytes) else {"": request}
        changes: dict[str, Change] = {}
        for content_id, change in requests.items():
            if api := api_of(change):
                former = await self._head(change) if api == DELETE else None
                changes[content_id] = Change(change, api, former)
        return changes

    async def after(self, changes: dict[str, Change], response: OpenResponse) -> list[Event]:
        """Return the events of the changes that succeeded according to the response."""
        if not changes or response.status >= 300:
            return []
        answers = {"": (response.status, response.headers)}
        if "" not in changes:
            answers = answers_in(await response.read(), header(response.headers, "content-type"))
        return [
            await self._event(changes[content_id], headers)
            for content_id, (status, headers) in answers.items()
            if content_id in changes and status < 300
        ]

    async def _event(self, change: Change, answered: Headers) -> Event:
        properties = change.former
        if properties is None:
            properties = (
                stated_properties(change.request)
                if states_properties(change.request, change.api)
                else await self._head(change.request)
            )
        return event(
            change.request,
            change.api,
            topic=self._account_id(change.request.account),
            answered=answered,
            properties=properties,
            number=self._sequence(),
        )
