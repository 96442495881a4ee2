"""A person has a version judged again, over the API: what counts, what is void then, and what is refused."""

import os
from typing import Any

import pytest
from tests.support.api_requests import Api, content
from tests.support.clock import Clock
from tests.support.model_versions import MODEL, ModelInstallation
from tests.support.service import taken

from tidegate.bootstrap import Service, build
from tidegate.domain.lifecycle.records import Champion, ModelState, ModelVersion
from tidegate.domain.lifecycle.verdict_records import Approval, Verdict
from tidegate.messages.commands import AnyCommand, JudgeModel
from tidegate.settings import Settings
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


class Bench:
    """The API of a ledger of its own, on the installation's workspaces."""

    def __init__(self, installation: ModelInstallation, account: str) -> None:
        self.installation, self.account, self.clock = installation, account, Clock()
        file = installation.config_file
        settings = Settings(storage_account=account, config_file=file, environ=dict(os.environ))
        self.service: Service = build(settings, now=self.clock)
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
        return taken(self.installation.cloud, self.account)


@pytest.fixture
def bench(installation: ModelInstallation, tidepool: Tidepool) -> Bench:
    return Bench(installation, tidepool.create_storage_account().name)


def test_a_refused_version_is_judged_again_and_keeps_what_was_decided(bench: Bench) -> None:
    bench.version()

    status, view = bench.post()

    assert (status, view["state"], view["verdict"]) == (202, "registered", None)
    assert [one["verdict"]["id"] for one in view["history"]] == ["e1-abc"]
    assert [(one["number"], one["by"], one["by_source"]) for one in view["requests"]] == [
        (1, "Ada", "caller")
    ]
    assert [(type(one), getattr(one, "version", "")) for one in bench.sent()] == [(JudgeModel, "3")]


def test_an_approval_of_the_old_verdict_is_void(bench: Bench) -> None:
    bench.version(ModelState.PASSED, passed=True)
    record = bench.record()
    assert record is not None
    record.approval = Approval(verdict="e1-abc", approved=True, by="Ada", reason="fine", at=bench.clock.now)
    bench.service.ledger.save(record)

    bench.post()

    after = bench.record()
    assert after is not None
    assert after.approval is None
    assert after.history[0].approval == record.approval
    word = {**WORD, "approved": True, "verdict": "e1-abc"}
    assert bench.api.post(f"/api/models/{MODEL}/versions/3/approval", word).status_code == 409


def test_the_same_key_has_it_judged_once(bench: Bench) -> None:
    bench.version()
    first = bench.post(key="one")

    assert bench.post(key="one") == first
    assert bench.post(key="one", reason="Another one")[0] == 422
    assert bench.post(key="two")[0] == 409
    record = bench.record()
    assert record is not None
    assert len(record.requests) == len(record.history) == 1


def test_once_it_has_its_verdict_the_same_key_still_changes_nothing(bench: Bench) -> None:
    bench.version()
    bench.post(key="one")
    record = bench.record()
    assert record is not None
    record.state, record.verdict = ModelState.REFUSED, record.history[0].verdict
    bench.service.ledger.save(record)

    assert bench.post(key="one")[0] == 202
    after = bench.record()
    assert after is not None
    assert after.state is ModelState.REFUSED
    assert bench.post(key="two")[0] == 202


@pytest.mark.parametrize(
    "state",
    [ModelState.EVALUATING, ModelState.PROMOTING, ModelState.CHALLENGER, ModelState.CHAMPION],
)
def test_what_is_under_way_or_champion_is_not_judged_again(bench: Bench, state: ModelState) -> None:
    bench.version(state, passed=True)
    if state is ModelState.CHAMPION:
        model = bench.service.ledger.model(MODEL)
        model.champion = Champion(version="3", source="3", since=bench.clock.now, by="verdict")
        bench.service.ledger.save(model)
    before = bench.record()

    assert bench.post()[0] == 409

    assert bench.record() == before
    assert bench.sent() == []


@pytest.mark.parametrize("changes", [{"reason": " "}, {"by": None}, {"reason": None}, {"verdict": "e1-abc"}])
def test_without_a_reason_or_by_nobody_nothing_is_judged(bench: Bench, changes: dict[str, Any]) -> None:
    bench.version()

    assert bench.post(**changes)[0] == 422
    assert bench.sent() == []


def test_a_version_from_before_its_policy_is_judged_when_somebody_asks(bench: Bench) -> None:
    status, view = bench.post("old")

    assert (status, view["state"], view["history"]) == (202, "registered", [])
    record = bench.record("old")
    assert record is not None
    assert record.source.uri.startswith("azureml://")
    assert [type(one) for one in bench.sent()] == [JudgeModel]


def test_what_is_not_there_is_a_copy_or_has_no_policy_is_refused(bench: Bench) -> None:
    nowhere, copy, free = bench.post("nowhere"), bench.post("copy"), bench.post("1", model="quick-model")

    assert (nowhere[0], nowhere[1]["title"]) == (404, "There is no such version")
    assert (copy[0], copy[1]["title"]) == (409, "It is a copy")
    assert free[0] == 404
    assert bench.sent() == []


def test_nothing_is_judged_by_looking(bench: Bench) -> None:
    bench.version()

    assert bench.api.get(f"/api/models/{MODEL}/versions/3/verdicts").status_code == 405


def test_where_the_queue_is_away_the_timer_finds_it(bench: Bench) -> None:
    bench.version()
    bench.service.queue.send(JudgeModel(cause="test", model=MODEL, version="3"))  # its queue exists
    bench.sent()
    bench.installation.cloud.fault(
        "request", "status", match={"host": f"{bench.account}.queue*"}, value=503, times=None
    )
    try:
        assert bench.post()[0] == 202
    finally:
        bench.installation.cloud.clear_faults()

    record = bench.record()
    assert record is not None
    assert not record.state.final
