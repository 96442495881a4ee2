"""A webhook for tests: an HTTP endpoint to which Event Grid delivers."""

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Delivery:
    headers: Message
    body: Any
    path: str = ""

    @property
    def subjects(self) -> list[str]:
        return [event["subject"] for event in self.events]

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.body if isinstance(self.body, list) else [self.body]


@dataclass
class WebhookReceiver:
    """A webhook that validates subscriptions, unless `shakes_hands` is False, and keeps its deliveries.

    It answers with the statuses in `answers`, then with 200. `refuses` has paths that it answers with 500.
    """

    answers: deque[int] = field(default_factory=deque)
    deliveries: list[Delivery] = field(default_factory=list)
    shakes_hands: bool = True
    refuses: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/events"

    @property
    def subjects(self) -> list[str]:
        return [subject for delivery in self.deliveries for subject in delivery.subjects]

    def receive(self, headers: Message, body: Any, path: str = "") -> tuple[int, Any]:
        if headers["aeg-event-type"] == "SubscriptionValidation":
            code = body[0]["data"]["validationCode"]
            return 200, {"validationResponse": code if self.shakes_hands else "something else"}
        self.deliveries.append(Delivery(headers, body, path))
        if path in self.refuses:
            return 500, None
        return (self.answers.popleft() if self.answers else 200), None

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the request's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status, answer = receiver.receive(self.headers, body, self.path)
                content = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_OPTIONS(self) -> None:
                self.send_response(200)
                if receiver.shakes_hands:
                    self.send_header("WebHook-Allowed-Origin", self.headers["WebHook-Request-Origin"])
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler
