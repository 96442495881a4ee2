"""A backfill scores old months again as new generations, some at a time, and can be paused and cancelled."""

from collections import Counter, deque
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.api_requests import Api, content
from tests.support.handler_harness import FEED, HandlerHarness
from tests.support.installation import LIVE, MLMODEL, Installation
from tests.support.killing import Killed, KillSwitch
from tests.support.service import take_commands

from tidegate.messages.commands import (
    AdvanceBackfill,
    AnyCommand,
    CheckJob,
    CheckPartition,
    FinishPartition,
    Notify,
    Reconcile,
    ScorePartition,
)
from tidegate.messages.queue_messages import encode
from tidepool.cloud import Tidepool

AGAIN = ["202401", "202402", "202403"]  # each test has months of its own
PAUSED = ["202501", "202502"]
KILLED = ["202601", "202602"]
BACKFILLS = f"/api/feeds/{FEED}/backfills"


@pytest.fixture(scope="module")
def months(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> HandlerHarness:
    """Return an installation with scored months, and a second version of the model."""
    from azure.ai.ml.entities import Model

    folder = tmp_path_factory.mktemp("backfills")
    installation = Installation(tidepool, folder)
    harness = HandlerHarness(installation)
    installation.configure(starts=AGAIN[0], catch_up={"from": "all", "max_live": 4})
    score(harness, [*AGAIN, *PAUSED])
    model = folder / "model-2"
    model.mkdir()
    (model / "MLmodel").write_text(MLMODEL)
    installation.ml.models.create_or_update(
        Model(name="quick-model", version="2", path=model, type="mlflow_model")
    )
    take(harness)
    return harness


def score(harness: HandlerHarness, months: list[str]) -> None:
    """Upload months, and have them scored."""
    for month in months:
        harness.installation.upload(month, {"a.png": "cat"})
    harness.clock.now = datetime.now(UTC)
    run(harness, *(CheckPartition(cause="test", feed=FEED, partition=month) for month in months))


def take(harness: HandlerHarness) -> list[AnyCommand]:
    installation = harness.installation
    return take_commands(installation.cloud, installation.account.name)


def run(harness: HandlerHarness, *given: AnyCommand) -> int:
    """Carry out commands and all that follows. Return the most jobs that were live at once."""
    queue, most = deque(given), 0
    while queue:
        command = queue.popleft()
        if isinstance(command, CheckJob):
            harness.installation.cloud.settle()
        follows = harness.do(command)
        queue.extend(step.command for step in follows if not getattr(step.command, "due", None))
        most = max(most, live(harness)) if isinstance(command, ScorePartition | AdvanceBackfill) else most
    return most


def live(harness: HandlerHarness) -> int:
    states = (claim.generation.state for each in harness.ledger.partitions(FEED) for claim in each.claims)
    return sum(state in LIVE for state in states)


def post(harness: HandlerHarness, body: dict[str, Any], action: str = "") -> Any:
    response = Api(lambda: harness.service).post(f"{BACKFILLS}{action}", {"by": "Aoi", **body})
    assert response.status_code in (200, 202), response.get_body()
    return content(response)


def advance(harness: HandlerHarness) -> list[AnyCommand]:
    """Carry out the AdvanceBackfill that was sent, and return the commands that follow."""
    sent = {command for command in take(harness) if isinstance(command, AdvanceBackfill)}
    return [step.command for command in sent for step in harness.do(command)]


def models(harness: HandlerHarness, months: list[str]) -> list[list[str]]:
    """Return the model version of each generation of each month; the current result is the last one."""
    records = [harness.ledger.partition(FEED, month) for month in months]
    assert [record.result for record in records] == [record.claims[-1].name for record in records]
    return [[claim.generation.model_version for claim in record.claims] for record in records]


def counts(harness: HandlerHarness, id: str) -> tuple[str, dict[str, int]]:
    """Return the state of a backfill, and its counts that are not zero."""
    backfill = content(Api(lambda: harness.service).get(f"{BACKFILLS}/{id}"))
    return backfill["state"], {name: count for name, count in backfill["counts"].items() if count}


def kinds(harness: HandlerHarness, id: str) -> Counter[str]:
    return Counter(activity.kind for activity in harness.ledger.activities(f"backfill:{FEED}:{id}"))


def test_a_backfill_scores_the_months_that_a_model_version_has_not_scored(months: HandlerHarness) -> None:
    api, body = Api(lambda: months.service), {"range": "202401..202404", "model": "quick-model:2", "max": 2}
    promised = content(api.get(f"{BACKFILLS}/check?range=202401..202404&model=quick-model:2"))

    started, repeated = post(months, body), post(months, body)
    take(months)  # its command is lost
    most = run(months, Reconcile(cause="timer-1"))

    assert promised["partitions"] == started["partitions"] == AGAIN
    assert started["skipped"] == [{"partition": "202404", "why": "does not exist: no file has arrived"}]
    assert (started["id"], repeated["id"]) == ("202401-202404-1", "202401-202404-1")
    assert most == 2
    assert models(months, AGAIN) == [["1", "2"]] * 3
    assert counts(months, started["id"]) == ("done", {"total": 4, "done": 3, "skipped": 1})
    assert kinds(months, started["id"]) == {"backfill.started": 1, "backfill.done": 1}
    assert post(months, body)["id"] == started["id"]
    assert [each["id"] for each in content(api.get(BACKFILLS))] == [started["id"]]


def test_a_paused_backfill_goes_on_and_a_cancelled_one_starts_nothing_more(months: HandlerHarness) -> None:
    backfill = post(months, {"range": "202501..202502", "max": 1})["id"]
    scoring = advance(months)
    paused = post(months, {}, f"/{backfill}/pause")
    run(months, *scoring, *take(months))
    refused = Api(lambda: months.service).post(BACKFILLS, {"range": "202502", "by": "Ren"})

    assert paused["state"] == "paused"
    assert counts(months, backfill) == ("paused", {"total": 2, "done": 1, "waiting": 1})
    assert (refused.status_code, backfill in content(refused)["detail"]) == (409, True)

    post(months, {}, f"/{backfill}/resume")
    scoring = advance(months)
    post(months, {}, f"/{backfill}/cancel")
    run(months, *scoring, *take(months))

    assert counts(months, backfill) == ("cancelled", {"total": 2, "done": 1, "waiting": 1})
    assert kinds(months, backfill) == {"backfill.started": 1, "backfill.cancelled": 1}
    record = months.ledger.partition(FEED, "202502")
    assert [claim.generation.state for claim in record.claims] == ["scored", "cancelled"]
    assert list(months.installation.jobs("202502")) == [f"score-{FEED}-202502-1-g1-a1"]
    cancelled = content(Api(lambda: months.service).get(f"{BACKFILLS}/{backfill}"))
    assert [change["action"] for change in cancelled["changes"]] == ["pause", "resume", "cancel"]


@pytest.mark.long
def test_killed_after_every_write_a_backfill_scores_each_month_once_more(months: HandlerHarness) -> None:
    installation, switch = months.installation, KillSwitch()
    score(months, KILLED)
    take(months)
    backfill = post(months, {"range": "202601..202602", "max": 1})["id"]
    service, queue = installation.service(months.clock), deque(take(months))
    while queue:
        command = queue.popleft()
        if isinstance(command, CheckJob | FinishPartition):
            installation.cloud.settle()
        try:
            with switch.armed():
                service.worker.carry_out(encode(command))
        except Killed:
            service = installation.service(months.clock)
            queue.append(command)  # the queue gives it to the next one
        queue.extend(each for each in take(months) if not isinstance(each, Notify))

    assert counts(months, backfill) == ("done", {"total": 2, "done": 2})
    assert models(months, KILLED) == [["2", "2"]] * 2
    assert len(installation.jobs("2026")) == 4
    assert kinds(months, backfill) == {"backfill.started": 1, "backfill.done": 1}
    assert len(switch.writes) > 10
