"""The messages of the work queue: each is the JSON of a command, in base64."""

import base64
import binascii

from tidegate.messages.commands import AnyCommand, encode

_MAX_MESSAGE = 64 * 1024  # https://learn.microsoft.com/rest/api/storageservices/put-message


def to_message(command: AnyCommand) -> str:
    """Return the message of the queue that carries a command: its JSON in base64."""
    return base64.b64encode(encode(command).encode()).decode()


def fits_in_message(command: AnyCommand) -> bool:
    """Return whether the message of a command is short enough for a storage queue."""
    return len(to_message(command)) <= _MAX_MESSAGE


def message_text(message: str) -> str:
    """Return the text of a message of the queue, which is sent in base64.

    A message that is not base64 of UTF-8 is returned as it is.
    """
    try:
        return base64.b64decode(message, validate=True).decode()
    except (binascii.Error, ValueError):
        return message
