"""The client of the service's API. An error's message says what is wrong, and what to do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.errors import TidegateError

_CONNECT_S = 5
_TIMEOUT_S = 60  # a cold start can take half a minute
TIME_ZONE_HEADER = "Tidegate-Time-Zone"


class ApiError(TidegateError):
    """The API refused the request, or could not be reached."""


class NotFoundApiError(ApiError):
    """The service does not know what the request names."""


class UnreachableError(ApiError):
    """No service responds at the address, or the response is not from the API."""


@dataclass(frozen=True)
class ApiClient:
    """The API at an address. `key` is the function key, and `token` a person's bearer token of Entra ID.

    `on_time_zone` gets the time zone of tidegate.yml with each answer. An answer may take `timeout_s`.
    """

    url: str
    key: str = field(repr=False)
    on_time_zone: Callable[[str], None] | None = field(default=None, repr=False)
    timeout_s: float = _TIMEOUT_S
    token: str = field(default="", repr=False)

    def get(self, path: str, **query: str | list[str]) -> Any:
        """Return what is at a path. A list is complete: all its pages are read."""
        content, following = self._request("GET", path, query=query)
        while following:
            rows, following = self._request("GET", following)
            content += rows
        return content

    def post(self, path: str, body: dict[str, Any], *, idempotency_key: str | None = None) -> Any:
        """Send a body as JSON. A request that is repeated with the same idempotency key takes effect once."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._request("POST", path, body=body, headers=headers)[0]

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | list[str]] | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[Any, str | None]:
        """Return the content of the response, and the address of the list's next page if there is one."""
        import requests

        sent = {"x-functions-key": self.key, **(headers or {})}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        try:
            answer = requests.request(
                method,
                self.url.rstrip("/") + path,
                params=query,
                json=body,
                headers=sent,
                timeout=(_CONNECT_S, self.timeout_s),
            )
        except requests.ReadTimeout as error:
            raise UnreachableError(
                f"{self.url} did not answer within {self.timeout_s:g} s. Try again."
            ) from error
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.InvalidURL) as error:
            raise UnreachableError(
                f"No service answers at {self.url}. Start it (locally: make up), or correct its address: "
                "FUNCTIONS_URL or --url."
            ) from error
        except requests.RequestException as error:
            raise UnreachableError(f"The request to {self.url} failed: {error}") from error
        zone = answer.headers.get(TIME_ZONE_HEADER)
        if zone and self.on_time_zone:
            self.on_time_zone(zone)
        return self._content(answer), answer.links.get("next", {}).get("url")

    def _content(self, answer: Any) -> Any:
        if answer.status_code == 401 and self.token:
            raise ApiError(
                "The service refused the function key or the token (401). Set FUNCTIONS_KEY or --key, "
                "and get a new FUNCTIONS_TOKEN: az account get-access-token, or locally: tidepool env"
            )
        if answer.status_code == 401:
            raise ApiError(
                f"The service refused the function key ({answer.status_code}). Set FUNCTIONS_KEY or --key "
                "to the key that `az functionapp keys list` shows, or locally: tidepool env"
            )
        try:
            content = answer.json()
        except ValueError as error:
            raise UnreachableError(
                f"{self.url} answered {answer.status_code}, but this is not the API. Check that this is the "
                "address of the function app. If so, look in the log of the app why it did not start."
            ) from error
        if answer.ok:
            return content
        title, detail = content.get("title", "Refused"), content.get("detail", answer.reason)
        kind = NotFoundApiError if answer.status_code == 404 else ApiError
        raise kind(f"{title} ({answer.status_code}). {detail}")
