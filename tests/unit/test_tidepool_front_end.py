"""App Service's authentication in front of a functions app, as Tidepool emulates it."""

import base64
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient
from tests.support.pages import principal_headers

from tidepool.functions.front_end import (
    CALLBACK,
    COOKIE,
    LOGIN,
    FrontEnd,
    Person,
    session_token,
    sign_in_url,
)

HOST = "http://127.0.0.1:7071"
AIKO = Person("aiko@contoso.com", ["operator", "approver"])


def a_browser(*, on: bool = True, secret: str = "secret") -> TestClient:
    """Return a browser before an app that answers with the headers that it got."""

    async def echo(scope, receive, send):  # type: ignore[no-untyped-def]
        await JSONResponse(dict(Request(scope).headers))(scope, receive, send)

    front_end = FrontEnd(echo, is_on=lambda: on, secret=secret)
    return TestClient(front_end, base_url=HOST, follow_redirects=False)


def test_session_gives_the_app_name_and_roles() -> None:
    browser = a_browser()

    answer = browser.get(sign_in_url(HOST, AIKO, "/feeds/digits?only=late"))
    headers = browser.get("/").json()

    assert (answer.status_code, answer.headers["location"]) == (302, "/feeds/digits?only=late")
    assert headers["x-ms-client-principal-name"] == "aiko@contoso.com"
    claims = json.loads(base64.b64decode(headers["x-ms-client-principal"]))["claims"]
    assert [claim["val"] for claim in claims if claim["typ"] == "roles"] == ["operator", "approver"]


def test_headers_that_a_caller_sends_do_not_reach_the_app() -> None:
    forged = principal_headers("mallory", "approver")

    headers = a_browser().get("/", headers={**forged, "X-Ms-Token-Aad-Id-Token": "x", "x-other": "y"}).json()

    assert [name for name in headers if name.startswith("x-ms-")] == []
    assert headers["x-other"] == "y"


def test_while_it_is_off_everything_passes() -> None:
    headers = a_browser(on=False).get("/.auth/me", headers=principal_headers("mallory", "approver")).json()

    assert headers["x-ms-client-principal-name"] == "mallory"


def test_choice_leads_back_to_the_address_that_was_asked_for() -> None:
    page = a_browser().get(f"{LOGIN}?post_login_redirect_uri=%2F%3Fonly%3Dlate%26a%3D%22").text

    assert 'value="/?only=late&amp;a=%22"' in page


@pytest.mark.parametrize(
    "foreign",
    [
        "https://example.com/",
        "//example.com/",
        "/\\example.com",
        "javascript:alert(1)",
        "https://127.0.0.1:7071.example.com/",
        "/x\r\nSet-Cookie: a=b",
        "https://127.0.0.1:7071//example.com",
        "",
    ],
)
def test_foreign_return_address_leads_to_the_first_screen(foreign: str) -> None:
    answer = a_browser().get(CALLBACK, params={"name": "a", "post_login_redirect_uri": foreign})

    assert answer.headers["location"] == "/"


def test_own_address_may_have_the_host() -> None:
    answer = a_browser().get(CALLBACK, params={"post_login_redirect_uri": f"{HOST}/jobs?all=true"})

    assert answer.headers["location"] == "/jobs?all=true"


def test_me_and_sign_out() -> None:
    browser = a_browser()
    assert browser.get("/.auth/me").status_code == 401

    browser.get(sign_in_url(HOST, AIKO))
    assert browser.get("/.auth/me").json()[0]["user_id"] == "aiko@contoso.com"

    assert browser.get("/.auth/logout?post_logout_redirect_uri=/jobs").headers["location"] == "/jobs"
    assert browser.get("/.auth/me").status_code == 401


def test_session_that_the_front_end_did_not_sign_is_none() -> None:
    signed = a_browser(secret="another")
    signed.get(sign_in_url(HOST, AIKO))
    forged = a_browser()
    forged.cookies.set(COOKIE, str(signed.cookies.get(COOKIE)))

    assert forged.get("/.auth/me").status_code == 401


def test_sign_in_address_names_the_person() -> None:
    query = parse_qs(urlsplit(sign_in_url(HOST, AIKO)).query)

    assert query["role"] == ["operator", "approver"]


def test_bearer_token_signs_a_program_in() -> None:
    token = session_token(AIKO, "secret")
    browser = a_browser()
    browser.get(sign_in_url(HOST, AIKO))
    assert '"' not in str(browser.cookies.get(COOKIE))

    headers = a_browser().get("/", headers={"Authorization": f"Bearer {token}"}).json()

    assert headers["x-ms-client-principal-name"] == "aiko@contoso.com"
    assert a_browser().get("/", headers={"Authorization": "Bearer wrong"}).status_code == 401
