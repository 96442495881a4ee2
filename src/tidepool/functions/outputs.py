"""Queue output bindings. They send the outputs of functions to queues."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidepool.functions.frames import Message
from tidepool.functions.queue_client import QueueClient, encode

Binding = Mapping[str, Any]


class Outputs:
    """The sender of the outputs of invocations. `queue_of` returns the queue of a binding."""

    def __init__(self, *, queue_of: Callable[[Binding], QueueClient], base64_encoded: bool) -> None:
        self._queue_of = queue_of
        self._base64_encoded = base64_encoded

    async def send(self, bindings: Sequence[Binding], result: Message) -> None:
        for binding in bindings:
            if binding["type"] != "queue":
                continue
            name = binding["name"]
            value = result["returned"] if name == "$return" else result["outputs"].get(name)
            for content in _contents(value):
                await self._queue_of(binding).put(encode(content, base64_encoded=self._base64_encoded))


def _contents(value: Message | None) -> list[str | bytes]:
    if value is None:
        return []
    if value["type"] != "json":
        return [value["value"]]
    parsed = json.loads(value["value"])
    return [_text(item) for item in (parsed if isinstance(parsed, list) else [parsed])]


def _text(item: Any) -> str:
    """Return the text of an item, which is a string or a QueueMessage as `{"id", "body"}`."""
    if isinstance(item, dict) and "body" in item:
        return str(item["body"])
    return item if isinstance(item, str) else json.dumps(item)
