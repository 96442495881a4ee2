"""Log lines: a static snake_case name and identifiers as fields. Never whole objects, payloads or secrets.

What the event, its correlation id and its handler are is bound once and stands on every line below.
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
    """Put these identifiers on every line that is logged inside."""
    token = _bound.set({**_bound.get(), **identifiers})
    try:
        yield
    finally:
        _bound.reset(token)


class Log:
    """A standard logger of lines like `month_checked feed=digits month=202611`; `extra` has the fields."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, name: str, **fields: object) -> None:
        self._write(logging.DEBUG, name, fields)

    def info(self, name: str, **fields: object) -> None:
        self._write(logging.INFO, name, fields)

    def warning(self, name: str, **fields: object) -> None:
        self._write(logging.WARNING, name, fields)

    def exception(self, name: str, **fields: object) -> None:
        """To be called while an exception is handled; its traceback goes along."""
        self._write(logging.ERROR, name, fields, exc_info=True)

    def _write(self, level: int, name: str, fields: dict[str, object], *, exc_info: bool = False) -> None:
        if not self._logger.isEnabledFor(level):
            return
        everything = {**_bound.get(), **fields}
        line = " ".join([name, *(f"{key}={_text(value)}" for key, value in everything.items())])
        self._logger.log(level, "%s", line, extra={"tidegate": everything}, exc_info=exc_info, stacklevel=3)


def _text(value: object) -> str:
    text = str(value)
    return repr(text) if not text or " " in text or not text.isprintable() else text


def quiet_sdks() -> None:
    """Azure's SDKs log every request at INFO: their warnings are enough. One warns of its own classes,
    and calls it an error when something that was looked for is not there.
    """
    logging.getLogger("azure").setLevel(logging.WARNING)
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
