"""Options that the commands share, the client of the API that they make, and output as JSON."""

import json
import sys
from typing import Annotated, Any, NoReturn
from urllib.parse import urlsplit

import typer

from tidegate.api_client import ApiClient
from tidegate.cli import tables

EXIT_CODES = (
    "Exit codes: 0 done; 1 refused or failed, or doctor found a problem; 2 wrong usage; "
    "3 the service or Azure cannot be reached."
)
FAILED, USED_WRONGLY, UNREACHABLE = 1, 2, 3

Url = Annotated[str, typer.Option(envvar="FUNCTIONS_URL", help="Address of the function app.")]
Key = Annotated[str, typer.Option(envvar="FUNCTIONS_KEY", help="Function key of the app.", show_envvar=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


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
    return ApiClient(url, key)


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _end_as_used_wrongly(problem: str) -> NoReturn:
    tables.errors.print(problem, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(USED_WRONGLY)
