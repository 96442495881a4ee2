"""The buttons of the pages: each asks once, does what the API does, and says what came of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient
from tests.support import config_yaml
from tests.support.clock import Clock
from tests.support.page_rows import NOW, POLICY, a_version, an_activity, save_all
from tests.support.pages import HOST, Pages, principal_headers
from tests.support.service import start_service, take_commands

from tidegate.api.app import create_app
from tidegate.bootstrap import Service
from tidegate.domain.lifecycle.records import Champion, Model
from tidegate.messages.commands import CheckPartition, PromoteModel, RollbackModel

if TYPE_CHECKING:
    from tidepool.cloud import Tidepool

VERSION = "/models/classifier/versions/4"
CHECK = CheckPartition(cause="test", feed="digits", partition="202609").model_dump(mode="json")


@pytest.fixture
def service(tidepool: "Tidepool", tmp_path: Path) -> Service:
    account = tidepool.create_storage_account().name
    values = {**config_yaml.values(digits=config_yaml.a_feed(account)), "models": {"classifier": POLICY}}
    service = start_service(account, config_yaml.write(tmp_path, values), Clock(), authenticated=True)
    save_all(
        service,
        [
            a_version("classifier", "4"),
            Model(
                model="classifier",
                champion=Champion(version="3", source="3", since=NOW, by="verdict"),
                previous=Champion(version="2", source="2", since=NOW, by="verdict"),
            ),
            *(
                an_activity(number, kind="work.failed", title=f"Failure {number}", data={"command": CHECK})
                for number in range(3)
            ),
        ],
    )
    return service


@pytest.fixture
def approver(service: Service) -> Iterator[Pages]:
    return Pages(lambda: service, "approver")


@pytest.fixture
def operator(service: Service) -> Iterator[Pages]:
    return Pages(lambda: service, "operator")


def _commands(tidepool: "Tidepool", service: Service) -> list[Any]:
    return take_commands(tidepool, service.settings.storage_account)


def test_approver_approves_in_the_name_of_the_session(
    tidepool: "Tidepool", service: Service, approver: Pages
) -> None:
    answer = approver.press(VERSION, "/approval", decision="approve", reason="better at night")

    assert answer.status_code == 200
    assert "approved" in answer.text
    record = service.ledger.model_version("classifier", "4")
    assert record
    assert record.approval
    assert (record.approval.by, record.approval.by_source) == ("aiko@contoso.com", "entra")
    assert any(isinstance(command, PromoteModel) for command in _commands(tidepool, service))


def test_approver_refuses(service: Service, approver: Pages) -> None:
    approver.press(VERSION, "/approval", decision="refuse", reason="too slow")

    record = service.ledger.model_version("classifier", "4")
    assert record
    assert record.approval
    assert not record.approval.approved


def test_rollback_needs_the_approver(
    tidepool: "Tidepool", service: Service, approver: Pages, operator: Pages
) -> None:
    assert not operator.page("/models/classifier").css('form[action$="/rollback"]')

    answer = approver.press("/models/classifier", "/rollback", reason="wrong at night")

    assert "classifier:2 becomes champion again" in answer.text
    assert [command.to for command in _commands(tidepool, service) if isinstance(command, RollbackModel)] == [
        "2"
    ]


@pytest.mark.parametrize(
    "path", [f"{VERSION}/approval", "/models/classifier/rollback"], ids=["approve", "roll back"]
)
def test_operator_cannot_approve_or_roll_back(service: Service, operator: Pages, path: str) -> None:
    token = operator.page("/failures").css_first("input[name=csrf]").attributes["value"]

    answer = operator.http.post(
        path, data={"csrf": token, "decision": "approve", "reason": "r", "verdict": "v"}
    )

    assert answer.status_code == 403
    assert "without the role approver" in answer.text


@pytest.mark.parametrize("action", ["versions/4/approval", "rollback"])
@pytest.mark.parametrize("roles", [(), ("operator",)], ids=["key", "operator"])
def test_function_key_cannot_approve_or_roll_back(
    service: Service, action: str, roles: tuple[str, ...]
) -> None:
    api = TestClient(create_app(lambda: service), base_url=HOST)
    body = {
        "by": "ada",
        "reason": "r",
        **({"approved": True, "verdict": "v"} if "approval" in action else {}),
    }
    headers = principal_headers("ada", *roles) if roles else {}

    answer = api.post(f"/api/models/classifier/{action}", json=body, headers=headers)

    assert answer.status_code == 403
    assert "role approver" in answer.json()["detail"]


def test_signed_in_approver_approves_over_the_api(service: Service) -> None:
    api = TestClient(create_app(lambda: service), base_url=HOST)
    record = service.ledger.model_version("classifier", "4")
    assert record
    assert record.verdict
    body = {"reason": "better", "approved": True, "verdict": record.verdict.id}

    headers = principal_headers("ada@contoso.com", "approver")
    answer = api.post(f"/api{VERSION}/approval", json=body, headers=headers)

    assert answer.status_code == 200
    assert answer.json()["approval"]["by"] == "ada@contoso.com"


def test_operator_pauses_and_resumes(service: Service, operator: Pages) -> None:
    operator.press("/models/classifier", "/pauses/pause", reason="audit")
    assert [paused.pause.by for paused in service.pauses.pauses()] == ["aiko@contoso.com"]

    operator.press("/models/classifier", "/pauses/resume")
    assert service.pauses.pauses() == []


def test_failures_are_replayed_one_some_and_all(
    tidepool: "Tidepool", service: Service, operator: Pages
) -> None:
    ids = [failure.short_id for failure in service.replays.failures(replayed=False)]

    one = operator.press(f"/failures/{ids[0]}", "/replay")
    assert "1 of 1 are replayed" in one.text
    rest = operator.press("/failures", "/replay", which="all")
    assert "2 of 2 are replayed" in rest.text

    assert service.replays.failures(replayed=False) == []
    assert len(_commands(tidepool, service)) == 3
    assert "No failure waits for a person" in operator.page("/failures").text()


def test_forged_request_is_refused(service: Service, operator: Pages) -> None:
    operator.page("/failures")  # the browser has the cookie
    fields = {"target": "all", "reason": "forged"}

    without = operator.http.post("/pauses/pause", data=fields)
    wrong = operator.http.post("/pauses/pause", data={**fields, "csrf": "wrong"})

    assert (without.status_code, wrong.status_code) == (403, 403)
    assert service.pauses.pauses() == []


def test_request_of_another_site_is_refused_even_with_a_token(service: Service, operator: Pages) -> None:
    token = operator.page("/failures").css_first("input[name=csrf]").attributes["value"]

    answer = operator.http.post(
        "/pauses/pause",
        data={"target": "all", "reason": "forged", "csrf": token},
        headers={"Sec-Fetch-Site": "cross-site"},
    )

    assert answer.status_code == 403
    assert service.pauses.pauses() == []


def test_press_whose_session_is_over_is_told_as_not_done_and_keeps_what_was_typed(service: Service) -> None:
    signed_out = Pages(lambda: service)
    fields = {"target": "all", "reason": "maintenance <b>"}

    page = signed_out.http.post("/pauses/pause", data=fields)
    part = signed_out.http.post("/pauses/pause", data=fields, headers={"HX-Request": "true"})

    assert (page.status_code, part.status_code) == (401, 401)
    assert "Not done" in page.text
    assert "maintenance &lt;b&gt;</textarea>" in page.text
    assert "Not done" in part.text
    assert "<form" not in part.text
    assert service.pauses.pauses() == []


def test_refusal_keeps_what_was_typed(operator: Pages) -> None:
    token = operator.page("/failures").css_first("input[name=csrf]").attributes["value"]

    answer = operator.http.post(
        f"{HOST}/pauses/pause", data={"csrf": token, "target": "feed:nothing", "reason": "why not"}
    )

    assert answer.status_code == 404
    assert "Not done" in answer.text
    assert "why not</textarea>" in answer.text


def test_reason_is_required(operator: Pages, service: Service) -> None:
    answer = operator.press("/models/classifier", "/pauses/pause", reason="  ")

    assert answer.status_code == 422
    assert service.pauses.pauses() == []
