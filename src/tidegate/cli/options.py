"""Options that the commands share, the client of the API that they make, and output as JSON."""

import getpass
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from contextvars import ContextVar
from typing import Annotated, Any, NoReturn, TextIO
from urllib.parse import urlsplit

import typer

from tidegate.api_client import ApiClient
from tidegate.cli import tables

EXIT_CODES = (
    "Exit codes: 0 done; 1 refused or failed, also if only a part of what was waited for failed, or doctor "
    "found a problem; 2 wrong usage; 3 the service or Azure cannot be reached."
)
FAILED, USED_WRONGLY, UNREACHABLE = 1, 2, 3

_json_output: ContextVar[TextIO | None] = ContextVar("json_output", default=None)


@contextmanager
def _stdout_for_json() -> Iterator[None]:
    """Send to stderr whatever else writes to stdout, so that stdout has one JSON document or nothing.

    This includes log handlers, libraries and child processes that have the descriptor of stdout.
    """
    with ExitStack() as undo:
        output = sys.stdout
        with suppress(OSError):  # a stream that a test has put there has no descriptor
            output = undo.enter_context(_swapped_descriptor())
        token = _json_output.set(output)
        undo.callback(_json_output.reset, token)
        undo.enter_context(redirect_stdout(sys.stderr))
        yield


@contextmanager
def _swapped_descriptor() -> Iterator[TextIO]:
    """Let the descriptor of stdout lead to stderr, and yield a stream to where it led before."""
    stdout, stderr = sys.stdout.fileno(), sys.stderr.fileno()
    sys.stdout.flush()
    with os.fdopen(os.dup(stdout), "w", encoding="utf-8") as output:
        os.dup2(stderr, stdout)
        try:
            yield output
        finally:
            sys.stderr.flush()
            os.dup2(output.fileno(), stdout)


def _begin_json(context: typer.Context, as_json: bool) -> bool:
    if as_json:
        context.with_resource(_stdout_for_json())
    return as_json


def _as_tags(tags: list[str] | None) -> list[str]:
    for tag in tags or []:
        if not tag.partition("=")[0] or "=" not in tag:
            raise typer.BadParameter(f"write KEY=VALUE, such as team=vision, not {tag!r}")
    return tags or []


Url = Annotated[str, typer.Option(envvar="FUNCTIONS_URL", help="Address of the function app.")]
Key = Annotated[str, typer.Option(envvar="FUNCTIONS_KEY", help="Function key of the app.", show_envvar=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.", callback=_begin_json)]
By = Annotated[
    str,
    typer.Option(
        help="Your name, for the record.", default_factory=getpass.getuser, show_default="your user name"
    ),
]
Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="KEY=VALUE",
        help="Only what has this tag. Repeated: all of them.",
        callback=_as_tags,
        show_default=False,
    ),
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Wait for the end, and exit with 1 if it is not a success.")
]


def client(url: str, key: str) -> ApiClient:
    """Return a client of the API. End the program with code 2 if the address is missing or not valid."""
    if not url:
        _end_as_used_wrongly(
            "The address of the service is missing. Set FUNCTIONS_URL or --url "
            '(locally: eval "$(tidepool env)").'
        )
    if not _is_address(url):
        _end_as_used_wrongly(
            f"{url!r} is not an address. FUNCTIONS_URL or --url must look like https://NAME.azurewebsites.net"
        )
    token = os.environ.get("FUNCTIONS_TOKEN", "")
    return ApiClient(url, key, on_time_zone=tables.show_times_in, token=token)


def print_json(value: Any) -> None:
    """Write a value as the one JSON document of the command, in UTF-8 whatever the environment says."""
    output = _json_output.get() or sys.stdout
    if isinstance(output, io.TextIOWrapper):
        # Halves of surrogate pairs become escapes that JSON knows, such as \ud800.
        output.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        output.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
        output.flush()
    except BrokenPipeError:
        tables.drop_output(output)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _end_as_used_wrongly(problem: str) -> NoReturn:
    tables.errors.print(problem, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(USED_WRONGLY)
