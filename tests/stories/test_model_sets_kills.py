"""The service is killed after the writes of a set's training, comparison, judging and promotion.

`make test` has the same kills for months (`test_months_kills`) and for single models (`test_models_kills`).
"""

from collections import Counter, deque
from pathlib import Path
from typing import Any

import pytest

from tests.support.hand_made_sets import SET_POLICY
from tests.support.installation import ROOT
from tests.support.killing import Killed, KillSwitch
from tests.support.service import take_commands
from tests.support.set_installation import SALES, SetInstallation
from tidegate.domain.jobs.records import JobKind
from tidegate.messages.commands import (
    AnyCommand,
    CheckJob,
    CheckPartition,
    JudgeModel,
    Notify,
    Reconcile,
    RetrainModel,
    ScorePartition,
)
from tidegate.messages.queue_messages import encode
from tidepool.cloud import Tidepool

PIPELINES = ("quick_set_training", "quick_set_evaluation", "quick_set_renewal")
ROUNDS = 300


class KilledSets(SetInstallation):
    """Each process of its service ends after a new write, or after each `every`th of them.

    The queue gives the command to the next process, and the timer sends what got lost.
    """

    def __init__(self, cloud: Tidepool, folder: Path, every: int) -> None:
        policy: dict[str, Any] = {**SET_POLICY, "promote": {"to": "production", "approval": "none"}}
        policy["set"] = {**SET_POLICY["set"], "worse": {"pipeline": "quick_set_renewal"}}
        files = [ROOT / f"tests/stories/quick_sets/{name}.yml" for name in PIPELINES]
        score = {"pipeline": "quick", "model": SALES, "compute": "cpu", "max_error_rate": 1}
        super().__init__(cloud, folder, policy, files, score=score)
        self.switch = KillSwitch(every)

    def arrive(self, partition: str, files: dict[str, str], champion: str) -> None:
        """Upload a partition, and go on until its set is champion and nothing is left to do."""
        self.upload(partition, files)
        queue = deque[AnyCommand]([CheckPartition(cause="test", feed="stories", partition=partition)])
        for number in range(ROUNDS):
            if not queue:
                if self.champion == champion:
                    return
                queue.append(Reconcile(cause=f"timer-{partition}-{number}"))
            self._carry_out(queue)
        raise AssertionError(f"it does not end: champion {self.champion}, {queue}")

    @property
    def champion(self) -> str | None:
        champion = self.ledger.model(SALES).champion
        return champion and champion.source

    def _carry_out(self, queue: deque[AnyCommand]) -> None:
        command = queue.popleft()
        if isinstance(command, RetrainModel | JudgeModel | CheckJob):
            self.cloud.settle(300)
        try:
            with self.switch.armed():
                self.served.worker.carry_out(encode(command))
        except Killed:
            self.served = self.service(self.clock)
            self.ledger = self.served.ledger
            queue.append(command)
        sent = take_commands(self.cloud, self.account.name)
        queue += [
            follow
            for follow in sent
            if not isinstance(follow, Notify | ScorePartition) and follow not in queue
        ]


@pytest.mark.long
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.timeout(600))])
def test_killed_after_its_writes_a_set_is_trained_judged_and_promoted_once(
    tidepool: Tidepool, tmp_path: Path, every: int
) -> None:
    sets = KilledSets(tidepool, tmp_path, every)

    sets.arrive("209901", {"a.csv": "001,x\n1,x\n"}, champion="1")
    sets.record_forecasts("209901")
    sets.arrive("209902", {"b.csv": "1,x\n"}, champion="3")

    kinds = Counter(job.kind for job in sets.ledger.jobs(open_only=False))
    told = Counter(activity.kind for activity in sets.ledger.activities(f"model:development:{SALES}"))
    states = {one.version: one.state.value for one in sets.ledger.model_versions(SALES, open_only=False)}
    assert kinds[JobKind.RETRAINING] == kinds[JobKind.EVALUATION] == 2
    assert kinds[JobKind.COMPARISON] == 1
    assert states == {"1": "retired", "2": "assembled", "3": "champion"}
    assert [model.version for model in sets.ml.models.list(SALES)] == ["3", "2", "1"]
    assert (told["model.promoted"], told["model.compared"]) == (2, 1)
    assert len(sets.switch.writes) > 80 // every
