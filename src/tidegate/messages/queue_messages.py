"""The messages of the work queue: each is the JSON of a command, in base64."""

import base64
import binascii
from typing import get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from tidegate.errors import UnreadableMessageError
from tidegate.messages.commands import MESSAGE_FORMAT, AnyCommand, Command

_MAX_MESSAGE = 64 * 1024  # https://learn.microsoft.com/rest/api/storageservices/put-message

_adapter: TypeAdapter[AnyCommand] = TypeAdapter(Command)
_KINDS = frozenset(str(kind.model_fields["kind"].default) for kind in get_args(AnyCommand))


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


def encode(command: AnyCommand) -> str:
    """Return a command as JSON."""
    return command.model_dump_json(exclude_defaults=False)


class _Header(BaseModel):
    """The fields that every release writes, whatever its format."""

    format_version: int = MESSAGE_FORMAT
    kind: str


def decode(text: str | bytes) -> AnyCommand:
    """Return the command in a message.

    Raise UnreadableMessageError if the message is not a command, or not one that this release knows.
    """
    try:
        header = _Header.model_validate_json(text)
        if header.format_version > MESSAGE_FORMAT:
            raise UnreadableMessageError(
                f"The message {header.kind} has format {header.format_version}. "
                f"This release reads formats up to {MESSAGE_FORMAT}"
            )
        if header.kind not in _KINDS:
            raise UnreadableMessageError(f"This release has no command of the kind {header.kind[:100]!r}")
        command = _adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the message"
        raise UnreadableMessageError(
            f"The message is not a command. It has {error.error_count()} errors. "
            f"The first is at {where}: {first['msg']}"
        ) from error
    return command.model_copy(update={"format_version": MESSAGE_FORMAT})
