"""The command line's way to the API: sends, and says in a sentence what went wrong. Knows no command."""

from dataclasses import dataclass, field
from typing import Any

from tidegate.errors import TidegateError

_TIMEOUT_S = 60  # a function that has slept takes half a minute to wake


class ApiError(TidegateError):
    """The API refused, or could not be asked; the message says what to do."""


class UnreachableError(ApiError):
    """Nobody answers at that address, or not with the API."""


@dataclass(frozen=True)
class ApiClient:
    url: str
    key: str = field(repr=False)

    def get(self, path: str, **query: str) -> Any:
        return self._ask("GET", path, query=query)

    def post(self, path: str, body: dict[str, Any], *, idempotency_key: str | None = None) -> Any:
        """The key is for routes that take one: with the same key they do the same once."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._ask("POST", path, body=body, headers=headers)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        import requests

        sent = {"x-functions-key": self.key, **(headers or {})}
        try:
            answer = requests.request(
                method, self.url.rstrip("/") + path, params=query, json=body, headers=sent, timeout=_TIMEOUT_S
            )
        except requests.Timeout as error:
            raise UnreachableError(f"{self.url} did not answer in {_TIMEOUT_S} s: try again") from error
        except (requests.ConnectionError, requests.exceptions.InvalidURL) as error:
            raise UnreachableError(
                f"Nobody answers at {self.url}. Is the service running (locally: make up)? "
                "FUNCTIONS_URL or --url says where it is."
            ) from error
        except requests.RequestException as error:
            raise UnreachableError(f"{self.url} cannot be asked: {error}") from error
        return self._content(answer)

    def _content(self, answer: Any) -> Any:
        if answer.status_code in (401, 403):
            raise ApiError(
                f"The key was refused ({answer.status_code}). FUNCTIONS_KEY or --key has it: "
                "az functionapp keys list, or locally: tidepool env"
            )
        try:
            content = answer.json()
        except ValueError as error:
            raise UnreachableError(
                f"{self.url} answered {answer.status_code}, and not as the API does. "
                "Is it the address of the function app? If so, its log says why it did not start."
            ) from error
        if answer.ok:
            return content
        title, detail = content.get("title", "Refused"), content.get("detail", answer.reason)
        raise ApiError(f"{title} ({answer.status_code}). {detail}")
