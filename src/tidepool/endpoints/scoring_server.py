"""The server of one deployment: `python -m tidepool.endpoints.scoring_server --fd N`.

It also needs `--mlflow FOLDER` or `--script FILE`. It runs in the environment of the deployment, so it
imports only the standard library, and MLflow for MLflow models.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import socket
import sys
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tidepool.endpoints.scoring_requests import HttpBody, as_response, call_with_request, takes_request
from tidepool.endpoints.scoring_script import RefusedInputError, Run, script_run
from tidepool.endpoints.scoring_swagger import swagger, takes_schema

log = logging.getLogger("scoring_server")


class ScoringServer(ThreadingHTTPServer):
    """A server on an open socket. It calls `run` for one request at a time."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, run: Run, folder: Path | None = None) -> None:
        super().__init__(listener.getsockname(), ScoringHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self._run = run
        self._folder = folder
        self._lock = threading.Lock()

    def answer(self, body: HttpBody) -> tuple[int, bytes, str]:
        """Return (status, body, content type) of the response to a request body."""
        with self._lock:
            try:
                result = self._call(body)
                if response := as_response(result):
                    return response.status, response.data, response.content_type
                return 200, json.dumps(result, default=_plain).encode(), "application/json"
            except RefusedInputError as error:
                log.warning("input_refused %s", error)
                return 400, str(error).encode(), "text/plain"
            except Exception as error:  # noqa: BLE001  # whatever the user's code raises
                traceback.print_exc()
                return 500, f"An unexpected error occurred in scoring script: {error}".encode(), "text/plain"

    def describe(self, query: str) -> tuple[int, bytes, str]:
        """Return (status, body, content type) of the OpenAPI description that a query asks for."""
        version = parse_qs(query).get("version", ["2"])[0]
        description = swagger(version, self._folder, self._run)
        if description is None:
            return 404, b"The version must be 2 or 3.", "text/plain"
        return 200, json.dumps(description, default=_plain).encode(), "application/json"

    def _call(self, body: HttpBody) -> Any:
        if takes_request(self._run):
            return call_with_request(self._run, body)
        try:
            text = body.data.decode()
            if takes_schema(self._run):
                return self._run(**json.loads(text))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise RefusedInputError(f"The body cannot be read: {error}") from error
        return self._run(text)


class ScoringHandler(BaseHTTPRequestHandler):
    """The routes: `GET /` is the health check, and `POST /score` returns predictions."""

    server: ScoringServer
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/swagger.json":
            self._send(*self.server.describe(query))
            return
        self._send(200 if self.path == "/" else 404, b"Healthy" if self.path == "/" else b"", "text/plain")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path != "/score":
            self._send(404, b"", "text/plain")
            return
        started = time.perf_counter()
        kind = self.headers.get("content-type") or "application/json"
        status, answer, content_type = self.server.answer(HttpBody(body, kind))
        log.info("POST /score %d %.1f ms", status, (time.perf_counter() - started) * 1000)
        self._send(status, answer, content_type)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: `do_POST` logs requests with their duration."""

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _plain(value: Any) -> Any:
    """Convert a value that JSON does not know, such as a NumPy array, to plain lists and numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


def main() -> None:
    """Load the model, then serve requests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--mlflow", type=Path)
    parser.add_argument("--script", type=Path)
    arguments = parser.parse_args()
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    log.info("starting")
    gc.disable()  # the objects that imports and the model create live on
    if arguments.mlflow:
        from tidepool.endpoints.scoring_mlflow import mlflow_run

        run = mlflow_run(arguments.mlflow)
    else:
        run = script_run(arguments.script)
    gc.freeze()
    gc.enable()
    log.info("ready")
    with socket.socket(fileno=arguments.fd) as listener:
        folder = arguments.script.parent if arguments.script else None
        ScoringServer(listener, run, folder).serve_forever()


if __name__ == "__main__":
    main()
