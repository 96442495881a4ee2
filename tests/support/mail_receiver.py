"""A mail server for tests, which keeps the messages that it receives."""

import socket
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.controller import Controller


@dataclass
class MailReceiver:
    """An SMTP server on this machine. If `refuses`, it answers 451 to each message."""

    messages: list[EmailMessage] = field(default_factory=list)
    refuses: bool = False

    def __enter__(self) -> Self:
        with socket.socket() as free:  # aiosmtpd looks for its server at the port that it was told
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refuses:
            return "451 try again later"
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        return "250 OK"
