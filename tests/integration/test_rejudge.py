"""A person has a version judged again, over the API: what counts, what is void then, and what is refused."""

from typing import Any

import pytest
from tests.support.api_requests import Api, content
from tests.support.clock import Clock
from tests.support.model_versions import MODEL, ModelInstallation
from tests.support.pages import principal_headers
from tests.support.service import start_service, take_commands

from tidegate.domain.lifecycle.records import Champion, ModelState, ModelVersion
from tidegate.domain.lifecycle.verdict_records import Approval, Verdict
from tidegate.messages.commands import AnyCommand, JudgeModel
from tidepool.cloud import Tidepool

WORD = {"by": "Ada", "reason": "The holdout was wrong"}


@pytest.fixture(scope="module")
def installation(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> ModelInstallation:
    installation = ModelInstallation(
        tidepool, tmp_path_factory.mktemp("installation"), policy={"promote": {"approval": "required"}}
    )
    for version in ("old", "copy"):
        tags = {"tidegate_source_workspace": "mlw-dev"} if version == "copy" else {}
        installation.register(version, tags=tags)
    return installation


class RejudgeApi:
    """The API of a ledger of its own, on the installation's workspaces."""

    def __init__(self, installation: ModelInstallation, account: str) -> None:
        self.installation, self.account, self.clock = installation, account, Clock()
        self.service = start_service(account, installation.config_file, self.clock, authenticated=True)
        self.api = Api(lambda: self.service)

    def version(self, state: ModelState = ModelState.REFUSED, *, passed: bool = False) -> None:
        """Version 3, judged just now."""
        now = self.clock.now
        verdict = Verdict(
            id="e1-abc",
            passed=passed,
            mode="enforce",
            rules=[],
            data="holdout:4",
            champion=None,
            job="judge-classifier-3-e1-a1",
            at=now,
        )
        record = ModelVersion(model=MODEL, version="3", state=state, registered_at=now, verdict=verdict)
        self.service.ledger.save(record)

    def post(self, version: str = "3", key: str = "", **changes: Any) -> tuple[int, Any]:
        headers = {"idempotency_key": key} if key else {}
        place = f"/api/models/{changes.pop('model', MODEL)}/versions/{version}/verdicts"
        answer = self.api.post(place, {**WORD, **changes}, **headers)
        return answer.status_code, content(answer)

    def record(self, version: str = "3") -> ModelVersion | None:
        return self.service.ledger.model_version(MODEL, version)

    def sent(self) -> list[AnyCommand]:
        return take_commands(self.installation.cloud, self.account)


@pytest.fixture
def rejudge_api(installation: ModelInstallation, tidepool: Tidepool) -> RejudgeApi:
    return RejudgeApi(installation, tidepool.create_storage_account().name)


def test_a_refused_version_is_judged_again_and_keeps_what_was_decided(rejudge_api: RejudgeApi) -> None:
    rejudge_api.version()

    status, view = rejudge_api.post()

    assert (status, view["state"], view["verdict"]) == (202, "registered", None)
    assert [former["verdict"]["id"] for former in view["history"]] == ["e1-abc"]
    assert [(request["number"], request["by"], request["by_source"]) for request in view["requests"]] == [
        (1, "Ada", "caller")
    ]
    assert [(type(command), getattr(command, "version", "")) for command in rejudge_api.sent()] == [
        (JudgeModel, "3")
    ]


def test_an_approval_of_the_old_verdict_is_void(rejudge_api: RejudgeApi) -> None:
    rejudge_api.version(ModelState.PASSED, passed=True)
    record = rejudge_api.record()
    assert record is not None
    record.approval = Approval(
        verdict="e1-abc", approved=True, by="Ada", reason="fine", at=rejudge_api.clock.now
    )
    rejudge_api.service.ledger.save(record)

    rejudge_api.post()

    after = rejudge_api.record()
    assert after is not None
    assert after.approval is None
    assert after.history[0].approval == record.approval
    word = {**WORD, "approved": True, "verdict": "e1-abc"}
    approver = {name.replace("-", "_"): text for name, text in principal_headers("Ada", "approver").items()}
    place = f"/api/models/{MODEL}/versions/3/approval"
    assert rejudge_api.api.post(place, word, **approver).status_code == 409


def test_the_same_key_has_it_judged_once(rejudge_api: RejudgeApi) -> None:
    rejudge_api.version()
    first = rejudge_api.post(key="one")

    assert rejudge_api.post(key="one") == first
    assert rejudge_api.post(key="one", reason="Another one")[0] == 422
    assert rejudge_api.post(key="two")[0] == 409
    record = rejudge_api.record()
    assert record is not None
    assert len(record.requests) == len(record.history) == 1


def test_once_it_has_its_verdict_the_same_key_still_changes_nothing(rejudge_api: RejudgeApi) -> None:
    rejudge_api.version()
    rejudge_api.post(key="one")
    record = rejudge_api.record()
    assert record is not None
    record.state, record.verdict = ModelState.REFUSED, record.history[0].verdict
    rejudge_api.service.ledger.save(record)

    assert rejudge_api.post(key="one")[0] == 202
    after = rejudge_api.record()
    assert after is not None
    assert after.state is ModelState.REFUSED
    assert rejudge_api.post(key="two")[0] == 202


@pytest.mark.parametrize(
    "state",
    [ModelState.EVALUATING, ModelState.PROMOTING, ModelState.CHALLENGER, ModelState.CHAMPION],
)
def test_what_is_under_way_or_champion_is_not_judged_again(
    rejudge_api: RejudgeApi, state: ModelState
) -> None:
    rejudge_api.version(state, passed=True)
    if state is ModelState.CHAMPION:
        model = rejudge_api.service.ledger.model(MODEL)
        model.champion = Champion(version="3", source="3", since=rejudge_api.clock.now, by="verdict")
        rejudge_api.service.ledger.save(model)
    before = rejudge_api.record()

    assert rejudge_api.post()[0] == 409

    assert rejudge_api.record() == before
    assert rejudge_api.sent() == []


@pytest.mark.parametrize("changes", [{"reason": " "}, {"by": None}, {"reason": None}, {"verdict": "e1-abc"}])
def test_without_a_reason_or_by_nobody_nothing_is_judged(
    rejudge_api: RejudgeApi, changes: dict[str, Any]
) -> None:
    rejudge_api.version()

    assert rejudge_api.post(**changes)[0] == 422
    assert rejudge_api.sent() == []


def test_a_version_from_before_its_policy_is_judged_when_somebody_asks(rejudge_api: RejudgeApi) -> None:
    status, view = rejudge_api.post("old")

    assert (status, view["state"], view["history"]) == (202, "registered", [])
    record = rejudge_api.record("old")
    assert record is not None
    assert record.source.uri.startswith("azureml://")
    assert [type(command) for command in rejudge_api.sent()] == [JudgeModel]


def test_what_is_not_there_is_a_copy_or_has_no_policy_is_refused(rejudge_api: RejudgeApi) -> None:
    nowhere, copy, free = (
        rejudge_api.post("nowhere"),
        rejudge_api.post("copy"),
        rejudge_api.post("1", model="quick-model"),
    )

    assert (nowhere[0], nowhere[1]["title"]) == (404, "Not found")
    assert (copy[0], copy[1]["title"]) == (409, "Conflict")
    assert "is a copy" in copy[1]["detail"]
    assert free[0] == 404
    assert rejudge_api.sent() == []


def test_nothing_is_judged_by_looking(rejudge_api: RejudgeApi) -> None:
    rejudge_api.version()

    assert rejudge_api.api.get(f"/api/models/{MODEL}/versions/3/verdicts").status_code == 405


def test_where_the_queue_is_away_the_timer_finds_it(rejudge_api: RejudgeApi) -> None:
    rejudge_api.version()
    rejudge_api.service.queue.send(JudgeModel(cause="test", model=MODEL, version="3"))  # its queue exists
    rejudge_api.sent()
    rejudge_api.installation.cloud.fault(
        "request", "status", match={"host": f"{rejudge_api.account}.queue*"}, value=503, times=None
    )
    try:
        assert rejudge_api.post()[0] == 202
    finally:
        rejudge_api.installation.cloud.clear_faults()

    record = rejudge_api.record()
    assert record is not None
    assert not record.state.final
