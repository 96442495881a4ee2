"""Log lines: a static snake_case name, and identifiers as flat fields. They hold no payloads and no secrets.

The event, its correlation id and its command are set once, by `bound`, and then appear on every log line of
the block.
"""

import io
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from contextvars import ContextVar
from typing import TextIO

_BLANK = re.compile(r"(\x1b\[\d*m|\s)*")
_bound: ContextVar[dict[str, object]] = ContextVar("bound", default={})  # noqa: B039 - never changed in place


@contextmanager
def bound(**identifiers: object) -> Iterator[None]:
    """Add these identifiers to every line that is logged inside the `with` block."""
    token = _bound.set({**_bound.get(), **identifiers})
    try:
        yield
    finally:
        _bound.reset(token)


class Log:
    """A standard logger that writes lines such as `partition_checked feed=digits partition=202611`.

    The fields are also in the `extra` of each log record.
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
        self._logger.log(level, "%s", line, extra={"tidegate": all_fields}, exc_info=exc_info, stacklevel=3)


def _text(value: object) -> str:
    text = str(value)
    return repr(text) if not text or " " in text or not text.isprintable() else text


def quiet_sdks() -> None:
    """Reduce the log lines of Azure's SDKs to warnings, because they log every request at INFO.

    azure-ai-ml also warns of its own experimental classes, and logs an error for each missing resource.
    """
    logging.getLogger("azure").setLevel(logging.WARNING)
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
