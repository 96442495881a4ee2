"""Log lines: a static snake_case name, and identifiers as flat fields. They hold no payloads and no secrets.

Only the text of a line crosses from the worker to the Functions host, so the fields are in the text. The
event, its correlation id and its command are set once, by `bound`, and are then on every line of the block.
"""

import asyncio
import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from contextvars import ContextVar
from typing import Any, TextIO

_BLANK = re.compile(r"(\x1b\[\d*m|\s)*")
_PLAIN = re.compile(r'[^\s"=]+')
_bound: ContextVar[dict[str, object]] = ContextVar("bound", default={})  # noqa: B039 - never changed in place


# The thread-local of the Functions worker, and the id of the invocation that is served.
_invocation: ContextVar[tuple[Any, str] | None] = ContextVar("invocation", default=None)


@contextmanager
def invocation(worker_thread_local: Any, id: str) -> Iterator[None]:
    """Give log lines the invocation `id` in all threads that the `with` block starts with its context.

    The host drops lines without an id, and the worker knows the id in its own threads only. Call
    `keep_invocations` once before.
    """
    token = _invocation.set((worker_thread_local, id))
    try:
        yield
    finally:
        _invocation.reset(token)


def keep_invocations() -> None:
    """Make every log call, also those of libraries, set the invocation id on the worker's thread-local.

    On the event loop the worker knows the id by the task.
    """
    make_record = logging.getLogRecordFactory()

    def make(*arguments: Any, **options: Any) -> logging.LogRecord:
        call = _invocation.get()
        if call is not None and asyncio._get_running_loop() is None:
            call[0].invocation_id = call[1]
        return make_record(*arguments, **options)

    logging.setLogRecordFactory(make)


@contextmanager
def bound(**identifiers: object) -> Iterator[None]:
    """Add these identifiers to every line that is logged inside the `with` block."""
    token = _bound.set({**_bound.get(), **identifiers})
    try:
        yield
    finally:
        _bound.reset(token)


class Log:
    """A standard logger that writes lines such as `command_failed feed=digits error="not allowed"`.

    A value with white space, quotes or `=` is written as a JSON string.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, name: str, **fields: object) -> None:
        self._write(logging.DEBUG, name, fields)

    def info(self, name: str, **fields: object) -> None:
        self._write(logging.INFO, name, fields)

    def warning(self, name: str, **fields: object) -> None:
        self._write(logging.WARNING, name, fields)

    def exception(self, name: str, **fields: object) -> None:
        """Log an error with the traceback of the exception that is being handled."""
        self._write(logging.ERROR, name, fields, exc_info=True)

    def _write(self, level: int, name: str, fields: dict[str, object], *, exc_info: bool = False) -> None:
        if not self._logger.isEnabledFor(level):
            return
        all_fields = {**_bound.get(), **fields}
        line = " ".join([name, *(f"{key}={_text(value)}" for key, value in all_fields.items())])
        self._logger.log(level, "%s", line, exc_info=exc_info, stacklevel=3)


def _text(value: object) -> str:
    text = str(value)
    is_plain = _PLAIN.fullmatch(text) and text.isprintable()
    return text if is_plain else json.dumps(text, ensure_ascii=not text.isprintable())


def quiet_sdks() -> None:
    """Reduce the log lines of Azure's SDKs to warnings, because they log every request at INFO.

    azure-ai-ml also warns of its own experimental classes, and logs an error for each missing resource.
    """
    logging.getLogger("azure").setLevel(logging.WARNING)
    logging.getLogger("azure.identity").setLevel(
        logging.ERROR
    )  # its warning repeats the error that it raises
    logging.getLogger("urllib3").setLevel(logging.INFO)  # its debug lines have the URLs of channels
    logging.getLogger("azure.ai.ml._telemetry").setLevel(logging.CRITICAL)
    logging.getLogger("azure.ai.ml._utils._experimental").setLevel(logging.ERROR)


@contextmanager
def quiet_uploads() -> Iterator[None]:
    """Hide the blank lines that azure-ai-ml prints to stderr after each upload, and nothing else.

    They hold the escape code that ends the colour of its progress bar, even if the bar is switched off.
    """
    with redirect_stderr(_WithoutBlankLines(sys.stderr)):
        yield


class _WithoutBlankLines(io.TextIOBase):
    """A stream that passes on all lines but those with only escape codes and white space."""

    def __init__(self, target: TextIO) -> None:
        self._target = target
        self._line = ""

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if not _BLANK.fullmatch(line):
                self._target.write(line + "\n")
        return len(text)

    def flush(self) -> None:
        if not _BLANK.fullmatch(self._line):
            self._target.write(self._line)
            self._line = ""
        self._target.flush()
