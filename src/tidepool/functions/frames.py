"""The format of messages between the functions host and its worker: a length, then marshalled values."""

import marshal
import struct
from typing import Any

Message = dict[str, Any]

_LENGTH = struct.Struct(">I")


def pack(message: Message) -> bytes:
    body = marshal.dumps(message)
    return _LENGTH.pack(len(body)) + body


class Unpacker:
    """A parser that splits a stream of bytes into messages."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        self._rest += data
        messages = []
        start = 0
        while len(self._rest) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._rest, start)
            end = start + _LENGTH.size + length
            if len(self._rest) < end:
                break
            messages.append(marshal.loads(memoryview(self._rest)[start + _LENGTH.size : end]))
            start = end
        del self._rest[:start]
        return messages
