"""Requests to the pages in this process, as App Service's authentication passes them on."""

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
from selectolax.lexbor import LexborHTMLParser as HTMLParser
from starlette.testclient import TestClient

from tidegate.bootstrap import Service
from tidegate.pages.app import create_pages

HOST = "https://tidegate.azurewebsites.net"


def principal_headers(name: str, *roles: str) -> dict[str, str]:
    """Return the headers that App Service adds for a person with these app roles."""
    claims = [{"typ": "name", "val": name}, *({"typ": "roles", "val": role} for role in roles)]
    principal = {"auth_typ": "aad", "name_typ": "name", "role_typ": "roles", "claims": claims}
    encoded = base64.b64encode(json.dumps(principal).encode()).decode()
    return {"X-MS-CLIENT-PRINCIPAL": encoded, "X-MS-CLIENT-PRINCIPAL-NAME": name}


class Pages:
    """The pages of a service, for a person with some roles. No role at all means that nobody is signed in."""

    def __init__(self, service: Callable[[], Service], *roles: str, name: str = "aiko@contoso.com") -> None:
        headers = principal_headers(name, *roles) if roles else {}
        self.http = TestClient(create_pages(service), base_url=HOST, headers=headers, follow_redirects=False)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def page(self, path: str) -> HTMLParser:
        """Return a page that must be there."""
        response = self.get(path)
        assert response.status_code == 200, (path, response.status_code, response.text[:2000])
        return HTMLParser(response.text)

    def press(self, path: str, action: str, **fields: Any) -> httpx.Response:
        """Fill in and send the form of a page whose address ends with `action`, as a browser would."""
        for form in self.page(path).css("form[method=post]"):
            if str(form.attributes["action"]).endswith(action):
                inputs = {
                    str(field.attributes["name"]): field.attributes.get("value") or ""
                    for field in form.css("input[type=hidden]")
                }
                return self.http.post(str(form.attributes["action"]), data={**inputs, **fields})
        raise AssertionError(f"{path} has no form for {action}")


def count(page: HTMLParser, name: str) -> int:
    """Return a number that a page shows, 0 if it does not show it."""
    node = page.css_first(f'[data-count="{name}"]')
    return int(node.text()) if node else 0
