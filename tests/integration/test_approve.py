"""A person's word on a verdict, over the API, on a real ledger and queue: what counts and what does not."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.api_requests import Api, content
from tests.support.clock import Clock
from tests.support.model_versions import POLICY
from tests.support.pages import principal_headers
from tests.support.service import a_service, take_commands

from tidegate.bootstrap import Service
from tidegate.domain.lifecycle.records import Champion, ModelState, ModelVersion
from tidegate.domain.lifecycle.verdict_records import Verdict
from tidegate.messages.commands import Notify, PromoteModel, RollbackModel
from tidepool.cloud import StorageAccount, Tidepool

MODEL = "classifier"
PLACE = f"/api/models/{MODEL}/versions/3/approval"
ROLLBACK = f"/api/models/{MODEL}/rollback"
YES = {"approved": True, "reason": "Better on every camera", "verdict": "e1-abc"}
APPROVER = principal_headers("", "approver")["X-MS-CLIENT-PRINCIPAL"]
ADA = {"x_ms_client_principal": APPROVER, "x_ms_client_principal_name": "Ada"}
GRACE = {**ADA, "x_ms_client_principal_name": "Grace"}
PROMOTE = {**POLICY, "promote": {"approval": "required", "within": "3d"}}


class ApprovalApi:
    def __init__(self, folder: Path, account: str, tidepool: Tidepool, policy: dict[str, Any]) -> None:
        self.tidepool, self.account, self.clock = tidepool, account, Clock()
        self.service: Service = a_service(folder, account, self.clock, models={MODEL: policy})
        self.api = Api(lambda: self.service)
        self.turn_authentication(on=True)

    def version(
        self, state: ModelState = ModelState.PASSED, *, passed: bool = True, mode: str = "enforce"
    ) -> None:
        """Version 3, judged just now."""
        now = self.clock.now
        verdict = Verdict.model_validate(
            {
                "id": "e1-abc",
                "passed": passed,
                "mode": mode,
                "rules": [],
                "data": "holdout:4",
                "champion": None,
                "job": "judge-classifier-3-e1-a1",
                "at": now,
            }
        )
        why = None if passed else "accuracy: 0.7; required: at least 0.8"
        self.service.ledger.save(
            ModelVersion(model=MODEL, version="3", state=state, registered_at=now, verdict=verdict, error=why)
        )

    def post(self, signed_in: dict[str, str] | None = None, **changes: Any) -> tuple[int, str]:
        answer = self.api.post(PLACE, {**YES, **changes}, **(ADA if signed_in is None else signed_in))
        return answer.status_code, answer.get_body().decode()

    def turn_authentication(self, *, on: bool) -> None:
        """Turn App Service's authentication on or off."""
        settings = replace(self.service.settings, authenticated=on)
        self.service = replace(self.service, settings=settings)

    @property
    def record(self) -> ModelVersion:
        found = self.service.ledger.model_version(MODEL, "3")
        assert found is not None
        return found

    def sent(self) -> list[Any]:
        return take_commands(self.tidepool, self.account)


@pytest.fixture
def approval_api(tmp_path: Path, storage_account: StorageAccount, tidepool: Tidepool) -> ApprovalApi:
    return ApprovalApi(tmp_path, storage_account.name, tidepool, PROMOTE)


def test_an_approval_is_recorded_told_and_sends_the_promotion_on(approval_api: ApprovalApi) -> None:
    approval_api.version()

    status, body = approval_api.post()

    assert (status, approval_api.record.approval and approval_api.record.approval.by) == (200, "Ada")
    assert '"verdict":"e1-abc"' in body
    sent = approval_api.sent()
    assert [
        command.model_dump(include={"model", "version"})
        for command in sent
        if isinstance(command, PromoteModel)
    ] == [{"model": MODEL, "version": "3"}]
    assert len([command for command in sent if isinstance(command, Notify)]) == 1
    (told,) = approval_api.service.ledger.activities(f"model:development:{MODEL}")
    assert (told.kind, told.title) == ("model.approved", "Ada approved classifier:3")


def test_a_refusal_is_recorded_and_the_promotion_takes_it(approval_api: ApprovalApi) -> None:
    approval_api.version()

    assert approval_api.post(approved=False)[0] == 200

    assert approval_api.record.approval is not None
    assert not approval_api.record.approval.approved
    assert [type(command) for command in approval_api.sent()] == [PromoteModel]


@pytest.mark.parametrize("state", [ModelState.REFUSED, ModelState.PASSED])
def test_no_person_can_approve_what_the_gate_refused(approval_api: ApprovalApi, state: ModelState) -> None:
    approval_api.version(state, passed=False)

    status, body = approval_api.post()

    assert status == 409
    assert "no person can approve it: accuracy: 0.7; required: at least 0.8" in body
    assert (approval_api.record.approval, approval_api.sent()) == (None, [])


@pytest.mark.parametrize(
    "changes",
    [
        {"by": ""},
        {"by": "   "},
        {"reason": " "},
        {"approved": "yes"},
        {"approved": 1},
        {"verdict": None},
        {"surprise": 1},
    ],
)
def test_without_a_reason_or_with_an_empty_name_nothing_is_approved(
    approval_api: ApprovalApi, changes: dict[str, Any]
) -> None:
    approval_api.version()

    assert approval_api.post(**changes)[0] == 422

    assert (approval_api.record.approval, approval_api.sent()) == (None, [])


@pytest.mark.parametrize("by", ["Grace", None])
def test_whom_entra_signed_in_decides_whoever_the_caller_names(
    approval_api: ApprovalApi, by: str | None
) -> None:
    approval_api.version()

    status, body = approval_api.post(ADA, by=by)

    assert status == 200
    assert '"by":"Ada","by_source":"entra"' in body
    assert approval_api.post(ADA, by="Somebody else")[0] == 200  # the same person says the same
    assert approval_api.post(GRACE)[0] == 409


def test_an_app_that_entra_signed_in_has_an_id_only(approval_api: ApprovalApi) -> None:
    approval_api.version()

    approval_api.post({"x_ms_client_principal": APPROVER, "x_ms_client_principal_id": "0f1e"})

    assert approval_api.record.approval is not None
    assert (approval_api.record.approval.by, approval_api.record.approval.by_source) == ("0f1e", "entra")


def test_while_nobody_can_sign_in_nobody_can_approve_or_roll_back(approval_api: ApprovalApi) -> None:
    """Anybody can send the headers then, and anybody may have the key."""
    approval_api.turn_authentication(on=False)
    approval_api.version()

    for headers in ({}, ADA):
        status, body = approval_api.post(headers, by="Ada")
        answer = approval_api.api.post(ROLLBACK, {"by": "Ada", "reason": "r"}, **headers)

        assert (status, answer.status_code) == (403, 403)
        assert "TIDEGATE_AUTH_CLIENT_ID" in body
    assert (approval_api.record.approval, approval_api.sent()) == (None, [])


def test_the_same_person_saying_the_same_twice_is_one_approval(approval_api: ApprovalApi) -> None:
    approval_api.version()
    approval_api.post()
    first = approval_api.record.approval
    approval_api.clock.move(hours=1)

    status, _ = approval_api.post()

    assert (status, approval_api.record.approval) == (200, first)
    assert len(approval_api.service.ledger.activities(f"model:development:{MODEL}")) == 1


@pytest.mark.parametrize(("person", "approved"), [(GRACE, True), (ADA, False)])
def test_what_is_decided_stays_decided(
    approval_api: ApprovalApi, person: dict[str, str], approved: bool
) -> None:
    approval_api.version()
    approval_api.post()

    status, body = approval_api.post(person, approved=approved)

    assert status == 409
    assert "Ada approved classifier:3" in body
    assert approval_api.record.approval is not None
    assert (approval_api.record.approval.by, approval_api.record.approval.approved) == ("Ada", True)


@pytest.mark.parametrize(
    ("after", "status"), [(timedelta(days=3, seconds=-1), 200), (timedelta(days=3), 409)]
)
def test_an_approval_counts_until_its_time_is_over(
    approval_api: ApprovalApi, after: timedelta, status: int
) -> None:
    approval_api.version()
    approval_api.clock.now += after

    found, body = approval_api.post()

    assert found == status
    assert ("The time to approve" in body) is (status == 409)


def test_what_has_expired_cannot_be_approved(approval_api: ApprovalApi) -> None:
    approval_api.version(ModelState.EXPIRED)

    assert approval_api.post()[0] == 409


def test_an_approval_of_another_verdict_does_not_serve_this_one(approval_api: ApprovalApi) -> None:
    approval_api.version()

    status, body = approval_api.post(verdict="e0-old")

    assert status == 409
    assert "has another verdict, e1-abc: read that verdict, and decide on it" in body
    assert approval_api.record.approval is None


def test_what_was_only_observed_is_never_approved(approval_api: ApprovalApi) -> None:
    approval_api.version(ModelState.OBSERVED, mode="observe")

    assert "only observed" in approval_api.post()[1]


def test_what_has_no_verdict_yet_waits_for_it(approval_api: ApprovalApi) -> None:
    record = ModelVersion(model=MODEL, version="3", registered_at=approval_api.clock.now)
    approval_api.service.ledger.save(record)

    assert approval_api.post()[0] == 409


def test_what_is_on_its_way_already_needs_no_word(approval_api: ApprovalApi) -> None:
    approval_api.version(ModelState.PROMOTING)

    assert approval_api.post()[0] == 409


def test_where_no_approval_is_asked_none_is_taken(
    tmp_path: Path, storage_account: StorageAccount, tidepool: Tidepool
) -> None:
    approval_api = ApprovalApi(
        tmp_path, storage_account.name, tidepool, {**POLICY, "promote": {"approval": "none"}}
    )
    approval_api.version()

    assert "promoted without approval" in approval_api.post()[1]


def test_an_unknown_version_or_model_is_not_there(approval_api: ApprovalApi) -> None:
    assert approval_api.post()[0] == 404
    assert approval_api.api.post("/api/models/other/versions/3/approval", YES, **ADA).status_code == 404
    assert approval_api.api.get("/api/models/other").status_code == 404
    assert approval_api.api.get(f"/api/models/{MODEL}/versions/9").status_code == 404


def test_nothing_is_approved_by_looking(approval_api: ApprovalApi) -> None:
    approval_api.version()

    assert approval_api.api.get(PLACE).status_code == 405
    assert approval_api.record.approval is None


def test_models_and_versions_are_shown_with_what_was_decided(approval_api: ApprovalApi) -> None:
    approval_api.version()

    (summary,) = content(approval_api.api.get("/api/models"))
    model = content(approval_api.api.get(f"/api/models/{MODEL}"))
    version = content(approval_api.api.get(f"/api/models/{MODEL}/versions/3"))

    assert (summary["name"], summary["mode"], summary["approval"]) == (MODEL, "enforce", "required")
    assert [
        (version["version"], version["state"], version["verdict_id"]) for version in model["versions"]
    ] == [("3", "passed", "e1-abc")]
    assert version["verdict"]["data"] == "holdout:4"


def test_a_rollback_names_where_it_goes_and_only_the_previous_champion_will_do(
    approval_api: ApprovalApi,
) -> None:
    model, now = approval_api.service.ledger.model(MODEL), approval_api.clock.now
    model.champion = Champion(version="5", source="5", since=now, by="verdict")
    model.previous = Champion(version="4", source="4", since=now, by="verdict")
    approval_api.service.ledger.save(model)
    word = {"reason": "Wrong at night"}

    answers = [approval_api.api.post(ROLLBACK, {**word, **to}, **ADA) for to in ({}, {"to": "1"})]

    assert [answer.status_code for answer in answers] == [202, 409]
    (command,) = approval_api.sent()
    assert isinstance(command, RollbackModel)
    assert (command.to, command.by, command.by_source) == ("4", "Ada", "entra")
    assert approval_api.api.post(ROLLBACK, {"by": "Ada"}, **ADA).status_code == 422


def test_without_a_previous_champion_there_is_no_way_back(approval_api: ApprovalApi) -> None:
    answer = approval_api.api.post(ROLLBACK, {"reason": "r"}, **ADA)

    assert answer.status_code == 409


def test_while_the_queue_hangs_an_approval_waits_for_it_once_and_the_timer_sends_the_rest(
    approval_api: ApprovalApi,
) -> None:
    approval_api.version()
    host = f"{approval_api.account}.queue.core.windows.net"
    approval_api.tidepool.fault("request", "timeout", match={"host": host}, value=600, times=None)
    try:
        status, _ = approval_api.post()
    finally:
        approval_api.tidepool.clear_faults()

    assert status == 200
    assert approval_api.record.approval is not None
    tries = approval_api.tidepool.find_requests(host=host)
    assert len(tries) == 2  # the first command and its one retry
