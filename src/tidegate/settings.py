"""Settings of one installation, read from environment variables. Feeds and models are in tidegate.yml."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tidegate.errors import ConfigError
from tidegate.folders import FOLDERS

# The second one is an output of the templates, which azd keeps. The last one is the account of the feeds.
_STORAGE_ACCOUNT = ("AzureWebJobsStorage__accountName", "TIDEGATE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT")


@dataclass(frozen=True)
class Settings:
    """The settings of one installation."""

    storage_account: str
    config_file: Path = FOLDERS.app / "tidegate.yml"
    events_endpoint: str | None = None
    client_id: str | None = None
    check_delay: timedelta = timedelta(seconds=10)
    public_url: str | None = None
    threads: int | None = None  # of the Functions worker; None outside of it
    authenticated: bool = False  # whether App Service's authentication is on and names the caller
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Return the settings. Raise one ConfigError that names everything that is missing or wrong."""
        environ = dict(os.environ if environ is None else environ)
        faults: list[str] = []
        account = next((environ[name] for name in _STORAGE_ACCOUNT if environ.get(name)), "")
        if not account:
            faults.append(f"{_STORAGE_ACCOUNT[0]}: set it to the name of the function app's storage account")
        settings = cls(
            storage_account=account,
            config_file=Path(environ.get("TIDEGATE_CONFIG") or cls.config_file),
            events_endpoint=_https(environ, "TIDEGATE_EVENTS_ENDPOINT", faults),
            client_id=environ.get("AZURE_CLIENT_ID") or None,
            check_delay=_seconds(environ, "TIDEGATE_CHECK_DELAY_S", cls.check_delay, faults),
            public_url=_https(environ, "TIDEGATE_PUBLIC_URL", faults) or _own_url(environ),
            threads=_threads(environ),
            authenticated=environ.get("WEBSITE_AUTH_ENABLED", "").lower() == "true",
            environ=environ,
        )
        if faults:
            raise ConfigError("The environment has faults:\n" + "\n".join(f"  {line}" for line in faults))
        return settings


def _seconds(environ: Mapping[str, str], name: str, default: timedelta, faults: list[str]) -> timedelta:
    text = environ.get(name)
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if 0 <= seconds <= 3600:
        return timedelta(seconds=seconds)
    faults.append(f"{name}: {text!r} is not a number of seconds from 0 to 3600")
    return default


def _threads(environ: Mapping[str, str]) -> int | None:
    """Return the number of threads in which the Functions worker runs functions.

    Its default is read from its source: https://github.com/Azure/azure-functions-python-worker
    """
    if "FUNCTIONS_WORKER_RUNTIME" not in environ:
        return None
    text = environ.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
    return int(text) if text.isdecimal() else min(32, (os.cpu_count() or 1) + 4)


def _own_url(environ: Mapping[str, str]) -> str | None:
    """Return the URL of the Functions host. A local host is `localhost:7071` and has no TLS.

    https://learn.microsoft.com/azure/app-service/reference-app-settings#app-environment
    """
    host = environ.get("WEBSITE_HOSTNAME")
    scheme = "http" if host and host.startswith(("127.0.0.1", "localhost")) else "https"
    return f"{scheme}://{host}" if host else None


def _https(environ: Mapping[str, str], name: str, faults: list[str]) -> str | None:
    url = environ.get(name)
    if url and not url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        faults.append(f"{name}: {url!r} is not an https:// URL")
    return url or None
