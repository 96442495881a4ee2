"""The service is killed after the writes between the registration of a model and its promotion.

`make test` kills it after each third write, `make test-long` after every single one.
"""

from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clock import Clock
from tests.support.killing import Killed, KillSwitch
from tests.support.model_versions import MODEL, ModelInstallation
from tests.support.service import take_commands
from tidegate.bootstrap import Service
from tidegate.domain.activities.subjects import model_subject
from tidegate.domain.lifecycle.records import ModelState, ModelVersion
from tidegate.messages.commands import AnyCommand, JudgeModel, Notify, PromoteModel
from tidegate.messages.queue_messages import encode
from tidegate.service.manual_actions.approve import ApprovalDecision
from tidegate.service.manual_actions.requester import Requester
from tidepool.cloud import Tidepool

PROMOTION = {"promote": {"to": "production", "approval": "required"}}
TOLD = ("model.registered", "model.judged", "model.needs_approval", "model.approved", "model.promoted")


@pytest.fixture
def installation(tidepool: Tidepool, tmp_path: Path) -> Iterator[ModelInstallation]:
    yield ModelInstallation(tidepool, tmp_path, policy=PROMOTION)
    tidepool.clear_faults()


class Journey:
    """One model on its way, with a person who approves it when asked."""

    def __init__(self, installation: ModelInstallation, every: int) -> None:
        self.installation = installation
        self.clock = Clock()
        self.switch = KillSwitch(every)
        installation.register("1")
        self.messages: deque[AnyCommand] = deque([self._command(JudgeModel)])
        self.service = self._start()

    def go(self) -> bool:
        """As far as it gets without Azure ML; whether it waits for that."""
        while self.messages:
            self._carry_out(self.messages.popleft())
            self.messages.extend(self._sent())
            state = self.record.state if self.record else None
            if state is ModelState.EVALUATING and not any(self.messages_of(PromoteModel)):
                self.messages = deque([self._command(JudgeModel)])
                return True
            while state is ModelState.PASSED and not self.messages:
                self._approve()
        return False

    def messages_of(self, kind: type[AnyCommand]) -> Iterator[bool]:
        return (isinstance(command, kind) for command in self.messages)

    def _start(self) -> Service:
        return self.installation.service(self.clock)

    def _carry_out(self, command: AnyCommand) -> None:
        try:
            with self.switch.armed():
                self.service.worker.carry_out(encode(command))
        except Killed:
            self.service = self._start()
            self.messages.append(command)  # the queue gives it to the next one

    def _sent(self) -> list[AnyCommand]:
        sent = take_commands(self.installation.cloud, self.installation.account.name)
        return [command for command in sent if not isinstance(command, Notify)]

    def _approve(self) -> None:
        """A person who hears nothing says it again."""
        service, verdict = self.service, self.verdict
        approvals = service.approvals
        decision = ApprovalDecision(approved=True, reason="right", verdict=verdict)
        try:
            with self.switch.armed():
                approvals.decide(MODEL, "1", decision, Requester("ada", "caller"))
        except Killed:
            self.service = self._start()
        else:
            self.messages.extend(self._sent())

    def _command(self, kind: type[JudgeModel] | type[PromoteModel]) -> AnyCommand:
        return kind(cause="test", model=MODEL, version="1")

    @property
    def record(self) -> ModelVersion | None:
        return self.service.ledger.model_version(MODEL, "1")

    def arrived(self) -> dict[str, Any]:
        ledger, production = self.service.ledger, self.service.workspaces["production"]
        record, model = self.record, ledger.model(MODEL)
        assert record is not None
        there = production.models.find(MODEL, "1")
        return {
            "state": record.state.value,
            "champion": model.champion and model.champion.version,
            "rolling": model.rolling,
            "told": dict(Counter(activity.kind for activity in ledger.activities(model_subject(MODEL)))),
            "in_production": there and there.tags["tidegate_verdict_id"],
        }

    @property
    def verdict(self) -> str:
        assert self.record is not None
        assert self.record.verdict is not None
        return self.record.verdict.id


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.long)])
def test_killed_after_its_writes_a_model_becomes_champion_once(
    installation: ModelInstallation, every: int
) -> None:
    journey = Journey(installation, every)

    while journey.go():
        installation.cloud.settle()

    assert journey.arrived() == {
        "state": "champion",
        "champion": "1",
        "rolling": None,
        "told": dict.fromkeys(TOLD, 1),
        "in_production": journey.verdict,
    }
    assert len(journey.switch.writes) > 20 // every
    assert installation.evaluations() == {f"judge-{MODEL}-1-e1-a1": "Completed"}
