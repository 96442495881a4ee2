"""A pause of a feed, a model or everything: nothing starts, what runs ends, and nothing is lost."""

from collections import deque
from pathlib import Path
from typing import Any

import pytest
from tests.support.api_requests import Api, content
from tests.support.clock import Clock
from tests.support.handler_harness import CHECK, MONTH, SCORE, HandlerHarness
from tests.support.installation import Installation
from tests.support.promotions import MODEL, Promotions
from tests.support.rollouts import ROLLOUT, Rollouts
from tests.support.service import take_commands

from tidegate.bootstrap import Service
from tidegate.domain.lifecycle.records import Model, ModelState, Promotion
from tidegate.domain.lifecycle.training_records import Retraining
from tidegate.installation.checks.check import CheckInputs, CheckState
from tidegate.installation.checks.connections import pauses as pause_check
from tidegate.messages.commands import (
    AdvanceRollout,
    AnyCommand,
    CheckPartition,
    JudgeModel,
    Notify,
    PromoteModel,
    Reconcile,
    RetrainModel,
)
from tidegate.messages.queue_messages import encode
from tidegate.service.manual_actions.approve import ApprovalDecision
from tidegate.service.manual_actions.pause import PauseRequest
from tidegate.service.manual_actions.requester import Requester
from tidegate.service.steps.pause_gate import REMEMBERED, CurrentPauses
from tidepool.cloud import StorageAccount, Tidepool

ADA = Requester("ada", "caller")
FEED, ALL = "feed:stories", "all"
FILES = {"a.png": "cat", "b.png": "dog"}
LATER = ["209903", "209904"]


class FeedWork:
    """The worker of an installation with its queue, driven by the test."""

    def __init__(self, installation: Installation, harness: HandlerHarness) -> None:
        self.installation, self.service = installation, harness.service
        self.api = Api(lambda: self.service)

    def run(self, *given: AnyCommand) -> None:
        """Carry out commands and all that follows, until the queue is empty. Jobs run in between."""
        queue = deque(given)
        while queue:
            command = queue.popleft()
            self.service.worker.carry_out(encode(command))
            if not queue:
                self.installation.cloud.settle()
                queue.extend(self.queued())

    def queued(self) -> list[AnyCommand]:
        commands = take_commands(self.installation.cloud, self.installation.account.name)
        return [command for command in commands if not getattr(command, "due", None)]

    def check(self, *months: str) -> None:
        self.run(
            *(
                CheckPartition(cause=f"event-{partition}", feed="stories", partition=partition)
                for partition in months
            )
        )

    def tick(self) -> None:
        self.run(Reconcile(cause="timer-1"))

    def waiting(self) -> list[str]:
        return [f"{row['kind']} {row['what']}" for pause in self.listed() for row in pause["waiting"]]

    def listed(self) -> list[dict[str, Any]]:
        return list(content(self.api.get("/api/pauses")))

    def pause(self, target: str = FEED) -> Any:
        answer = self.api.post("/api/pauses", {"target": target, "by": "ada", "reason": "wrong camera"})
        assert answer.status_code == 200, answer.get_body()
        return content(answer)

    def resume(self, target: str = FEED) -> Any:
        answer = self.api.post("/api/pauses/resume", {"target": target, "by": "bob"})
        assert answer.status_code == 200, answer.get_body()
        return content(answer)

    def ready(self, *months: str) -> None:
        """Bring months to a registered version whose scoring is the next command."""
        for partition in months:
            self.installation.upload(partition, FILES)


@pytest.fixture
def work(installation: Installation, harness: HandlerHarness) -> FeedWork:
    return FeedWork(installation, harness)


def test_months_and_a_rerun_wait_while_the_running_job_is_published(work: FeedWork) -> None:
    work.ready("209901", "209902", *LATER)
    work.check("209901")
    running = SCORE.model_copy(update={"partition": "209902"})
    work.service.worker.carry_out(encode(CHECK.model_copy(update={"partition": "209902"})))
    work.service.worker.carry_out(encode(running))
    started = work.installation.jobs()
    follows = work.queued()

    work.pause()
    work.run(*follows)
    work.check(*LATER)
    again = work.api.post("/api/feeds/stories/partitions/209901/jobs", {"reason": "new labels"})
    work.run(*work.queued())
    work.tick()
    work.tick()

    assert again.status_code == 202
    assert work.service.ledger.partition("stories", "209902").result == "209902-1-g1"
    assert sorted(work.waiting()) == [
        f"ScorePartition stories:{partition}" for partition in ("209901", *LATER)
    ]
    assert work.installation.jobs().keys() == started.keys()
    assert work.queued() == []

    assert work.resume() == {"target": FEED, "sent": 3}
    work.run(*work.queued())
    work.tick()

    assert work.listed() == []
    assert work.service.ledger.waiting() == []
    new = {f"score-stories-{partition}-1-g1-a1" for partition in LATER} | {"score-stories-209901-1-g2-a1"}
    assert work.installation.jobs() == dict.fromkeys(started.keys() | new, "Completed")


def test_a_job_that_was_submitted_and_not_recorded_is_published_during_a_pause(
    work: FeedWork, harness: HandlerHarness
) -> None:
    work.ready(MONTH)
    harness.until_submitted()
    partition = harness.partition
    generation = partition.claims[-1].generation
    generation.state, generation.job = generation.state.CLAIMED, None
    work.service.ledger.save(partition)

    work.pause()
    work.run(SCORE)

    assert harness.partition.result == f"{MONTH}-1-g1"
    assert work.waiting() == []


def test_a_resume_that_is_killed_between_its_two_writes_sends_twice_and_starts_one_job(
    work: FeedWork, tidepool: Tidepool
) -> None:
    work.ready(MONTH)
    work.pause()
    work.check(MONTH)
    tables = f"{work.installation.account.name}.table.*"
    tidepool.fault(
        "request",
        "status",
        match={"host": tables, "method": "DELETE", "path": "/tidegateWaiting*"},
        value=403,
    )

    killed = work.api.post("/api/pauses/resume", {"target": FEED, "by": "bob"})
    tidepool.clear_faults()
    sent = work.queued()

    assert killed.status_code == 503
    assert [command.kind for command in sent if not isinstance(command, Notify)] == ["ScorePartition"]
    assert len(work.service.ledger.waiting()) == 1
    work.run(*sent)
    work.tick()
    assert work.service.ledger.waiting() == []
    assert list(work.installation.jobs()) == [f"score-stories-{MONTH}-1-g1-a1"]


def test_a_command_that_is_held_just_after_the_end_of_a_pause_is_sent(
    service: Service, tidepool: Tidepool, storage_account: StorageAccount
) -> None:
    service.pauses.waiting.hold(SCORE, "feed:digits")

    assert service.ledger.waiting() == []
    assert take_commands(tidepool, storage_account.name) == [SCORE]


def test_a_command_that_waits_again_while_it_is_sent_is_kept(service: Service) -> None:
    service.pauses.pause(PauseRequest(target=ALL, reason="x"), ADA)
    service.pauses.waiting.hold(SCORE, ALL)
    read_before = service.ledger.waiting()
    service.pauses.waiting.hold(SCORE, ALL)

    service.pauses.waiting.release(read_before)

    [row] = service.ledger.waiting()
    assert row.repeated == 1


def test_pausing_twice_is_one_pause_that_is_announced_once(service: Service, clock: Clock) -> None:
    first = service.pauses.pause(PauseRequest(target="feed:digits", reason="camera"), ADA)
    clock.move(hours=1)
    second = service.pauses.pause(
        PauseRequest(target="feed:digits", reason="other"), Requester("bob", "caller")
    )

    assert second == first
    [activity] = service.ledger.activities("pause:feed:digits")
    assert (activity.kind, activity.title) == ("work.paused", "Feed digits is paused")


def test_a_second_pause_of_the_same_feed_is_announced_again(service: Service, clock: Clock) -> None:
    for _ in range(2):
        service.pauses.pause(PauseRequest(target="feed:digits", reason="camera"), ADA)
        clock.move(hours=1)
        service.pauses.resume("feed:digits", ADA)
        clock.move(hours=1)

    kinds = [activity.kind for activity in service.ledger.activities("pause:feed:digits")]
    assert kinds == ["work.paused", "work.resumed"] * 2


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("", {"target": "feed:cats", "by": "a", "reason": "r"}, 404, "no feed 'cats'; it has: digits"),
        ("", {"target": "model:cats", "by": "a", "reason": "r"}, 404, "no model 'cats'; it has: none"),
        ("", {"target": "digits", "by": "a", "reason": "r"}, 422, "body.target"),
        ("", {"target": "all", "by": "a"}, 422, "body.reason"),
        ("", {"target": "all", "reason": "r"}, 422, "body.by"),
        ("/resume", {"target": "all", "by": "a"}, 409, "all is not paused"),
    ],
)
def test_a_request_that_cannot_count_is_refused(
    api: Api, path: str, body: dict[str, str], status: int, says: str
) -> None:
    answer = api.post(f"/api/pauses{path}", body)

    assert answer.status_code == status
    assert says in content(answer)["detail"]


def test_a_feed_that_is_not_paused_goes_on(work: FeedWork) -> None:
    work.ready(MONTH)
    work.pause("feed:stories")
    work.resume("feed:stories")

    work.check(MONTH)

    assert work.service.ledger.partition("stories", MONTH).result == f"{MONTH}-1-g1"


def test_what_one_resume_sends_waits_for_the_other_pause(work: FeedWork) -> None:
    work.ready(MONTH)
    work.pause(FEED)
    work.check(MONTH)
    work.pause(ALL)

    work.resume(FEED)
    work.run(*work.queued())

    [everything] = work.listed()
    assert (everything["target"], work.waiting()) == (ALL, [f"ScorePartition stories:{MONTH}"])
    assert work.installation.jobs() == {}


def test_pauses_are_read_at_most_once_in_some_seconds(
    service: Service, clock: Clock, tidepool: Tidepool
) -> None:
    current = CurrentPauses(service.ledger, clock)

    def reads() -> int:
        return len(tidepool.find_requests(path="/tidegatePauses"))

    before = reads()
    for _ in range(20):
        assert current.of("feed:digits") is None
    assert reads() == before + 1
    clock.move(seconds=REMEMBERED.total_seconds())
    assert current.of("feed:digits") is None
    assert reads() == before + 2


def test_a_pause_by_another_process_counts_after_some_seconds(service: Service, clock: Clock) -> None:
    current = CurrentPauses(service.ledger, clock)
    assert current.of("feed:digits") is None
    service.pauses.pause(PauseRequest(target=ALL, reason="x"), ADA)

    clock.move(seconds=REMEMBERED.total_seconds())
    assert current.of("feed:digits") == ALL
    service.pauses.resume(ALL, ADA)
    assert current.of("feed:digits") is None


# Models


def pause_model(promotions: Promotions) -> None:
    promotions.service.pauses.pause(PauseRequest(target=f"model:{MODEL}", reason="audit"), ADA)


def waiting_kinds(promotions: Promotions) -> list[str]:
    return [row.kind for row in promotions.service.ledger.waiting()]


def test_an_approval_during_a_pause_counts_and_promotes_after_it(promotions: Promotions) -> None:
    record = promotions.version("7", approved=False)
    pause_model(promotions)
    promotions.promote("7")
    assert record.verdict is not None
    decision = ApprovalDecision(approved=True, reason="better", verdict=record.verdict.id)

    promotions.service.approvals.decide(MODEL, "7", decision, ADA)
    promotions.run(*commands_of(promotions))

    assert "model.needs_approval" in [activity.kind for activity in promotions.activities()]
    assert promotions.states == {"7": "passed"}
    assert waiting_kinds(promotions) == ["PromoteModel"]
    assert promotions.in_production() == {}

    promotions.clock.move(days=30)  # the approval was given in time
    promotions.service.pauses.resume(f"model:{MODEL}", ADA)
    promotions.run(*commands_of(promotions))

    assert promotions.champions == ("7", None, None)


def commands_of(promotions: Promotions) -> list[AnyCommand]:
    return take_commands(promotions.cloud, promotions.account)


def test_a_promotion_in_the_middle_of_its_copy_stops_and_goes_on(promotions: Promotions) -> None:
    begun = Promotion(via="workspace", begun_at=promotions.clock(), files=2, bytes=65, copied_bytes=20)
    promotions.version("7", state=ModelState.PROMOTING, promotion=begun)
    promotions.service.ledger.save(Model(model=MODEL, rolling="7"))
    pause_model(promotions)

    promotions.promote("7")

    assert (promotions.states, promotions.in_production()) == ({"7": "promoting"}, {})
    assert waiting_kinds(promotions) == ["PromoteModel"]
    promotions.service.pauses.resume(f"model:{MODEL}", ADA)
    promotions.run(*commands_of(promotions))
    assert promotions.champions == ("7", None, None)


@pytest.mark.long  # it starts two deployments; another test has the command that waits
def test_a_paused_rollout_keeps_its_traffic_and_takes_its_next_step_afterwards(rollouts: Rollouts) -> None:
    rollouts.arrive("1")
    rollouts.arrive("2", until="10")
    rollouts.roll(until="baking")
    pause_model(rollouts)

    rollouts.roll()

    assert rollouts.traffic == {"v-1": 90, "v-2": 10}
    assert waiting_kinds(rollouts) == ["AdvanceRollout"]
    assert rollouts.rollout("2").steps[0].health is not None
    rollouts.service.pauses.resume(f"model:{MODEL}", ADA)
    rollouts.roll(*[command for command in commands_of(rollouts) if isinstance(command, AdvanceRollout)])
    assert rollouts.traffic == {"v-2": 100}
    assert rollouts.champions == ("2", "1", None)


@pytest.mark.long  # it starts three deployments
def test_a_version_that_fails_during_a_pause_loses_its_traffic(rollouts: Rollouts) -> None:
    rollouts.arrive("1")
    rollouts.arrive("2", until="10")
    rollouts.roll(until="baking")
    pause_model(rollouts)

    rollouts.cloud.fault("scoring", "status", match={"deployment": "v-2"}, value=500, times=None)
    rollouts.ask(20, deployment="v-2")
    rollouts.roll()

    assert rollouts.traffic == {"v-1": 100}
    assert rollouts.record("2").state is ModelState.ROLLED_BACK
    assert waiting_kinds(rollouts) == []


def test_judging_retraining_and_a_rollout_do_not_start(promotions: Promotions) -> None:
    (promotions.folder / "smoke.json").write_text("{}")
    promotions.configure(rollout=ROLLOUT)
    promotions.version("8", state=ModelState.CHALLENGER)
    retraining = Retraining(
        signal="s1", job="retrain-classifier-s1-a1", data=["a:1"], since=promotions.clock()
    )
    promotions.service.ledger.save(Model(model=MODEL, retraining=retraining))
    pause_model(promotions)
    ids = {"cause": "event-1", "model": MODEL}

    promotions.run(
        JudgeModel(**ids, version="9"),
        JudgeModel(**ids | {"cause": "timer-1"}, version="9"),
        AdvanceRollout(**ids, version="8"),
        RetrainModel(**ids, signal="s1"),
    )

    assert sorted(waiting_kinds(promotions)) == ["AdvanceRollout", "JudgeModel", "RetrainModel"]
    assert promotions.service.ledger.model_version(MODEL, "9") is None


def test_a_rollback_is_possible_during_a_pause(promotions: Promotions) -> None:
    promotions.version("7")
    promotions.promote("7")
    promotions.version("8")
    promotions.promote("8")
    promotions.service.pauses.pause(PauseRequest(target=ALL, reason="audit"), ADA)

    promotions.rollback("7")

    assert promotions.champions == ("7", None, None)


def test_doctor_says_what_is_paused_and_how_to_resume(service: Service, tmp_path: Path) -> None:
    inputs: Any = CheckInputs(service=service, config=service.config(), arm=None, assets=None)  # type: ignore[arg-type]
    [fine] = pause_check(inputs)
    service.pauses.pause(PauseRequest(target="feed:digits", reason="camera"), ADA)
    service.pauses.waiting.hold(PromoteModel(cause="c", model="m", version="1"), "feed:digits")

    [warning] = pause_check(inputs)

    assert (fine.state, warning.state) == (CheckState.OK, CheckState.WARN)
    assert (
        "feed:digits is paused since 2026-11-21 02:10 +00:00 by ada: camera. Commands that wait: 1"
        in warning.what
    )
    assert "tidegate resume" in warning.do
