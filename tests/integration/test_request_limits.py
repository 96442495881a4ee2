"""Requests that nobody should send: large bodies, and a Host of somebody else. Both apps take them alike."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from starlette.testclient import TestClient
from tests.support import config_yaml
from tests.support.clock import Clock
from tests.support.page_rows import an_estate
from tests.support.pages import HOST, principal_headers
from tests.support.service import start_service

from tidegate.api.app import create_app
from tidegate.api.body_limit import MOST_BODY_BYTES
from tidegate.bootstrap import Service
from tidegate.pages.app import create_pages

if TYPE_CHECKING:
    from tidepool.cloud import Tidepool

EVIL = "evil.example"
MOST = f"{MOST_BODY_BYTES:,} bytes"


@pytest.fixture(scope="module")
def service(tidepool: "Tidepool", tmp_path_factory: pytest.TempPathFactory) -> Service:
    account = tidepool.create_storage_account().name
    file = config_yaml.write(tmp_path_factory.mktemp("limits"), config_yaml.values())
    service = start_service(account, file, Clock(), authenticated=True)
    an_estate(service)
    return service


@pytest.fixture(params=["api", "pages"])
def client(request: pytest.FixtureRequest, service: Service) -> TestClient:
    app = create_app(lambda: service) if request.param == "api" else create_pages(lambda: service)
    headers = principal_headers("aiko@contoso.com", "operator", "approver")
    return TestClient(app, base_url=HOST, headers=headers, follow_redirects=False)


def _path(client: TestClient) -> str:
    return "/api/pauses" if "openapi" in str(client.app.__dict__.get("openapi_url")) else "/pauses/pause"


def _in_parts(size: int) -> Iterator[bytes]:
    """Yield a body without a declared length."""
    for _ in range(size // 1024):
        yield b" " * 1024


def test_large_body_is_refused_with_what_is_accepted(client: TestClient) -> None:
    for content in (b" " * (MOST_BODY_BYTES + 1), _in_parts(2 * MOST_BODY_BYTES)):
        answer = client.post(_path(client), content=content)

        assert answer.status_code == 413
        assert MOST in answer.text


def test_body_of_the_greatest_size_reaches_the_route(client: TestClient) -> None:
    answer = client.post(_path(client), content=b" " * MOST_BODY_BYTES)

    assert answer.status_code != 413


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "X-Original-Host", "Forwarded"])
def test_no_answer_names_the_host_that_a_request_claims(client: TestClient, header: str) -> None:
    claimed = f"host={EVIL}" if header == "Forwarded" else EVIL
    for path in (
        "/",
        "/jobs",
        "/jobs/",
        "/feeds/digits/",
        "/api/jobs?limit=1&all=true",
        "/api/jobs/",
        "/nothing",
    ):
        answer = client.get(path, headers={header: claimed})

        assert EVIL not in answer.text
        assert EVIL not in str(answer.headers)
        assert answer.status_code in {200, 404}


def test_sign_in_leads_back_to_this_host_only(service: Service) -> None:
    nobody = TestClient(create_pages(lambda: service), base_url=HOST, follow_redirects=False)

    for path in ("//evil.example/", "/jobs", "/\\evil.example"):
        answer = nobody.get(path, headers={"Host": EVIL})
        assert not answer.headers.get("location", "/").startswith(("//", "http"))
        assert "redirect_uri=%2F%2F" not in answer.headers.get("location", "")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_no_address_of_the_pages_makes_an_error_of_the_server(service: Service) -> None:
    import schemathesis
    from schemathesis.checks import not_a_server_error

    pages = create_pages(lambda: service)
    pages.add_api_route("/openapi.json", pages.openapi, include_in_schema=False)
    headers = principal_headers("aiko@contoso.com", "operator", "approver")
    some = settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    for found in schemathesis.openapi.from_asgi("/openapi.json", pages).get_all_operations():

        @some
        @given(case=found.ok().as_strategy())
        def ask(case: Any) -> None:
            case.call_and_validate(headers=headers, checks=[not_a_server_error])

        ask()
