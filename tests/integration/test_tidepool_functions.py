"""Tidepool's Functions host: a real app in a real worker, called the ways Azure calls it."""

import json
from typing import Any

import httpx
import pytest
import requests
from azure.identity import DefaultAzureCredential
from tests.support.sample_site import SAMPLE, SETTINGS, Notes, ask, event

from tidepool import default_resources
from tidepool.cloud import Site, StorageAccount, Tidepool

# HTTP


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/api/hello/world", 200, "hello, world"),
        ("GET", "/api/HELLO/world", 200, "hello, world"),
        ("GET", "/api/things/12", 200, "thing 12"),
        ("GET", "/api/things/twelve", 404, ""),
        ("DELETE", "/api/hello/bob", 404, ""),
        ("GET", "/hello/world", 404, ""),
        ("GET", "/api/silent", 204, ""),
        ("GET", "/api/boom", 500, ""),
        ("GET", "/api/hello/bob", 401, ""),
    ],
)
def test_http_routes(site: Site, method: str, path: str, status: int, text: str) -> None:
    answer = ask(site, method, path)

    assert (answer.status_code, answer.text) == (status, text)


def test_function_keys(site: Site) -> None:
    header = {"x-functions-key": site.key}

    answers = {
        "header": ask(site, "GET", "/api/hello/bob", headers=header),
        "query": ask(site, "GET", "/api/hello/bob", params={"code": site.key}),
        "wrong": ask(site, "GET", "/api/hello/bob", headers={"x-functions-key": site.key + "x"}),
        "another": ask(site, "GET", "/api/hello/bob", headers={"x-functions-key": site.event_grid_key}),
        "admin": ask(site, "GET", "/api/admin-only", headers=header),
    }

    assert {name for name, answer in answers.items() if answer.status_code == 200} == {"header", "query"}
    assert {answer.status_code for answer in answers.values()} == {200, 401}


def test_a_function_sees_the_request_and_makes_the_answer(site: Site) -> None:
    answer = ask(
        site,
        "POST",
        "/api/hello/a%2Fb?x=1&x=2&y=%C3%A9",
        content="the body",
        headers={"x-functions-key": site.key},
    )

    assert answer.json() == {"name": "a/b", "params": {"x": "1,2", "y": "é"}, "body": "the body"}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-seen"] == "yes"


def test_an_asgi_app_behind_a_route(site: Site) -> None:
    answer = ask(site, "GET", "/api/asgi/deep/path?q=1")

    assert answer.status_code == 201
    assert answer.json() == {"path": "/api/asgi/deep/path", "query": "q=1"}
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]


# The Event Grid webhook


VALIDATION = [{**event(), "data": {"validationCode": "abc"}}]


@pytest.mark.parametrize(
    ("kind", "function", "body", "status"),
    [
        ("Notification", "arrived", event(), 202),
        ("Notification", "arrived", [event("/a"), event("/b")], 202),
        ("Notification", "arrived", [], 202),
        ("Notification", "ARRIVED", [event()], 202),
        ("Notification", "arrived", [event("/a"), event("/poison"), event("/c")], 500),
        ("Notification", "arrived", ["text"], 500),
        ("Notification", "arrived", [None], 500),
        ("Notification", "arrived", "text", 500),
        ("Notification", "arrived", b"", 500),
        ("Notification", "arrived", b"{no JSON", 500),
        ("Notification", "arrived", [event("/x" * 250_000)], 202),
        ("Notification", "unknown", [event()], 404),
        ("Notification", "work", [event()], 404),
        ("SubscriptionValidation", "arrived", VALIDATION, 200),
        ("SubscriptionValidation", "unknown", VALIDATION, 404),
        ("SubscriptionValidation", "arrived", {}, 400),
        ("Unsubscribe", "arrived", [], 202),
        ("Another", "arrived", [event()], 400),
        (None, "arrived", [event()], 400),
    ],
)
def test_the_event_grid_webhook(  # noqa: PLR0917
    site: Site,
    notes: Notes,
    kind: str | None,
    function: str,
    body: Any,
    status: int,
) -> None:
    headers = {} if kind is None else {"aeg-event-type": kind}
    params = {"functionName": function, "code": site.event_grid_key}

    content = body if isinstance(body, bytes) else json.dumps(body)
    url = f"{site.url}/runtime/webhooks/eventgrid"
    answer = httpx.post(url, params=params, headers=headers, content=content)

    assert answer.status_code == status
    if kind == "SubscriptionValidation" and status == 200:
        assert answer.json() == {"validationResponse": "abc"}
    if kind == "Notification" and status in (202, 500):
        sent = [item for item in (body if isinstance(body, list) else [body]) if isinstance(item, dict)]
        assert sorted(note["subject"] for note in notes("arrived")) == sorted(
            message["subject"] for message in sent
        )


def test_the_webhook_needs_the_system_key(site: Site) -> None:
    url = f"{site.url}/runtime/webhooks/eventgrid?functionName=arrived"

    answers = [httpx.post(f"{url}{code}", json=[event()]) for code in ("", "&code=x", f"&code={site.key}")]

    assert [answer.status_code for answer in answers] == [401, 401, 401]


def test_cloud_events_arrive_as_cloud_events(site: Site, notes: Notes) -> None:
    params = {"functionName": "cloud", "code": site.event_grid_key}
    body = {"specversion": "1.0", "id": "1", "source": "/s", "type": "T", "data": {"n": 1}}

    answer = httpx.post(
        f"{site.url}/runtime/webhooks/eventgrid",
        params=params,
        json=body,
        headers={"aeg-event-type": "Notification"},
    )

    assert answer.status_code == 202
    assert notes("cloud") == [{"function": "cloud", "kind": "CloudEvent", "source": "/s", "data": {"n": 1}}]


def test_event_grid_delivers_to_a_function_and_tries_again(
    tidepool: Tidepool, storage_account: StorageAccount, site: Site, notes: Notes
) -> None:
    token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    function = f"{default_resources.site_id(site.name)}/functions/arrived"
    destination = {"endpointType": "AzureFunction", "properties": {"resourceId": function}}
    created = requests.put(
        f"https://management.azure.com{storage_account.id}/providers/Microsoft.EventGrid/eventSubscriptions/a"
        "?api-version=2025-02-15",
        headers={"Authorization": f"Bearer {token}"},
        json={"properties": {"destination": destination}},
        timeout=30,
    )

    tidepool.inject(storage_account.id, event("/poison"))
    tidepool.settle()
    tidepool.advance(11)
    tidepool.settle()

    assert created.status_code == 201
    assert [note["subject"] for note in notes("arrived")] == ["/poison", "/poison"]


# Timers


def test_a_timer_runs_when_the_time_is_moved_and_by_hand(
    tidepool: Tidepool, site: Site, notes: Notes
) -> None:
    counts = []
    for seconds in (0, 24 * 3600, 24 * 3600):
        tidepool.advance(seconds)
        tidepool.settle()
        counts.append(len(notes("tick")))
    site.fire_timer("tick")

    assert counts == [0, 1, 2]
    assert notes("tick") == [{"function": "tick", "past_due": False}] * 3


# Several apps, and apps with errors


def test_apps_live_side_by_side_with_their_own_keys(tidepool: Tidepool, site: Site) -> None:
    with tidepool.functions_app(SAMPLE, {**SETTINGS, "WORK_QUEUE": "other"}) as other:
        answers = [
            ask(each, "GET", "/api/hello/bob", headers={"x-functions-key": key})
            for each in (site, other)
            for key in (site.key, other.key)
        ]

    assert [answer.status_code for answer in answers] == [200, 401, 401, 200]
