"""Plain requests to Azure Resource Manager, for what the SDKs never send."""

from functools import cache
from typing import Any

import requests

from tidepool.cloud import Tidepool


def token(tidepool: Tidepool, principal: str, audience: str = "https://management.azure.com") -> str:
    """Return a token of a principal, as its managed identity asks for it."""
    environ = tidepool.environment(principal)
    answer = requests.get(
        environ["IDENTITY_ENDPOINT"],
        params={"api-version": "2019-08-01", "resource": audience},
        headers={"X-IDENTITY-HEADER": environ["IDENTITY_HEADER"]},
        timeout=10,
    )
    return str(answer.json()["access_token"])


def arm(method: str, path: str, bearer: str | None, body: Any = None) -> requests.Response:
    """Send a request to Azure Resource Manager; without `bearer` it is not signed in."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    url, version = f"https://management.azure.com{path}", {"api-version": "2025-12-01"}
    return _session().request(method, url, params=version, headers=headers, json=body, timeout=10)


@cache
def _session() -> requests.Session:
    """Return the session whose connections all requests share."""
    return requests.Session()
