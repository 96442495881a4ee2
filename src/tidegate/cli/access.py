"""What the commands of the command line share: where the API is, how it is asked, and output for programs."""

import json
import sys
from typing import Annotated, Any, NoReturn
from urllib.parse import urlsplit

import typer

from tidegate.api_client import ApiClient
from tidegate.cli import tables as terminal

EXIT_CODES = """Exit codes: 0 done; 1 refused, failed, or doctor found something wrong; 2 used wrongly; \
3 the service or Azure cannot be reached."""
FAILED, USED_WRONGLY, UNREACHABLE = 1, 2, 3

Url = Annotated[str, typer.Option(envvar="FUNCTIONS_URL", help="Where the function app is.")]
Key = Annotated[str, typer.Option(envvar="FUNCTIONS_KEY", help="Its function key.", show_envvar=True)]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


def client(url: str, key: str) -> ApiClient:
    if not url:
        _refuse('Set FUNCTIONS_URL or give --url (locally: eval "$(tidepool env)").')
    if not _is_address(url):
        _refuse(f"{url} is no address: FUNCTIONS_URL or --url is as https://NAME.azurewebsites.net")
    return ApiClient(url, key)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _refuse(what: str) -> NoReturn:
    terminal.errors.print(what, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(USED_WRONGLY)


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
