"""A job that a person cancels ends `cancelled`, and only a person starts it again: for every kind of job."""

import itertools
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.ai.ml.entities import Data
from tests.support.drift import DriftInstallation
from tests.support.model_versions import MODEL, POLICY

from tidegate.domain.jobs.records import Job, JobEnd
from tidegate.domain.lifecycle.names import judge_job
from tidegate.domain.lifecycle.records import ModelState
from tidegate.domain.lifecycle.retraining import retrain_job
from tidegate.domain.lifecycle.training_records import Retraining
from tidegate.domain.partitions.records import ScoringState
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
from tidepool.cloud import Tidepool

NUMBERS = itertools.count(2)


@pytest.fixture(scope="module")
def installation(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> DriftInstallation:
    """Return an installation whose jobs all run on a low-priority cluster, which may take nodes away."""
    made = DriftInstallation(
        tidepool, tmp_path_factory.mktemp("installation"), drift={"compute": "gpu-lowpri"}
    )
    made.change(evaluate={**POLICY["evaluate"], "compute": "gpu-lowpri"})
    return made


@pytest.fixture(autouse=True)
def _no_faults(installation: DriftInstallation) -> Iterator[None]:
    yield
    installation.cloud.clear_faults()


class CancelledWork:
    """Work of one kind whose job a person cancels. With `endless`, the job does not end by itself."""

    command: AnyCommand

    def __init__(self, installation: DriftInstallation, *, endless: bool) -> None:
        self.installation = installation
        self.service = installation.service()
        self.ledger = self.service.ledger
        self.number = next(NUMBERS)
        self.prepare("endless" if endless else "cat")

    def prepare(self, content: str) -> None: ...
    def job(self, attempt: int) -> str: ...  # type: ignore[empty-body]
    def forget_submission(self) -> None: ...
    def state(self) -> str: ...  # type: ignore[empty-body]

    def fault(self, action: str, **more: Any) -> None:
        match = {"workspace": f"*{self.installation.workspace.name}", "run": f"{self.job(1)[:-1]}*"}
        self.installation.cloud.fault("run", action, match=match, **more)

    def carry_out(self, *given: AnyCommand) -> None:
        """Carry out commands and all that follow from them. Jobs do not go on in between."""
        queue = deque(given)
        while queue:
            command = queue.popleft()
            follows = self.service.handlers[type(command)](command)
            queue.extend(step.command for step in follows if not isinstance(step.command, Notify))

    def cancel(self, attempt: int) -> None:
        self.installation.ml.jobs.begin_cancel(self.job(attempt))
        self.installation.cloud.settle()
        self.installation.cloud.clear_faults()

    def look(self, attempt: int) -> None:
        self.carry_out(CheckJob(cause="test", workspace="development", job=self.job(attempt)))

    def row(self, attempt: int) -> Job:
        row = self.ledger.job("development", self.job(attempt))
        assert row is not None
        return row

    def jobs(self) -> list[str]:
        ours = self.job(1)[:-1]
        return sorted(job.name for job in self.installation.ml.jobs.list() if job.name.startswith(ours))


class Scoring(CancelledWork):
    def prepare(self, content: str) -> None:
        self.partition = f"2100{self.number:02}"
        self.installation.upload(self.partition, {"a.png": content})
        ids: dict[str, Any] = {"cause": "test", "feed": "stories", "partition": self.partition}
        self.service.handlers[CheckPartition](CheckPartition(**ids))
        self.command = ScorePartition(**ids, version=1)

    def job(self, attempt: int) -> str:
        return f"score-stories-{self.partition}-1-g1-a{attempt}"

    def forget_submission(self) -> None:
        record = self.ledger.partition("stories", self.partition)
        generation = record.claims[-1].generation
        generation.state, generation.job = ScoringState.CLAIMED, self.job(1)
        self.ledger.save(record)

    def state(self) -> str:
        return str(self.ledger.partition("stories", self.partition).claims[-1].generation.state.value)


class Judging(CancelledWork):
    def prepare(self, content: str) -> None:
        self.version = str(self.number)
        self.installation.register(self.version, endless=content == "endless")
        self.command = JudgeModel(cause="test", model=MODEL, version=self.version)

    def job(self, attempt: int) -> str:
        return judge_job(MODEL, self.version, 1, attempt)

    def state(self) -> str:
        record = self.ledger.model_version(MODEL, self.version)
        assert record is not None
        assert (record.verdict is None) == (record.state is ModelState.CANCELLED)
        return record.state.value


class Training(CancelledWork):
    def prepare(self, content: str) -> None:
        self.signal = f"renew-2100{self.number:02}"
        folder = self.installation.config_file.parent / self.signal
        folder.mkdir()
        (folder / "a.png").write_text(content)
        data = Data(name="labelled", version=str(self.number), path=folder, type="uri_folder")
        self.installation.ml.data.create_or_update(data)
        record = self.ledger.model(MODEL)
        now, used = datetime.now(UTC), [f"labelled:{self.number}"]
        record.retraining = Retraining(signal=self.signal, job=self.job(1), data=used, since=now)
        self.ledger.save(record)
        self.command = RetrainModel(cause="test", model=MODEL, signal=self.signal)

    def job(self, attempt: int) -> str:
        return retrain_job(MODEL, self.signal, attempt)

    def state(self) -> str:
        kinds = [activity.kind for activity in self.ledger.activities(f"model:development:{MODEL}")]
        assert self.ledger.model(MODEL).retraining is None
        return kinds[-1].removeprefix("model.retraining_")


KINDS = (Scoring, Judging, Training)
MOMENTS = ("queued", "running", "between two attempts")
# Each kind and each moment once; `make test-long` has the other pairs.
PAIRS = [
    pytest.param(kind, moment, marks=() if KINDS.index(kind) == MOMENTS.index(moment) else pytest.mark.long)
    for kind in KINDS
    for moment in MOMENTS
]


@pytest.mark.parametrize(("kind", "moment"), PAIRS)
def test_what_a_person_cancels_ends_cancelled_and_is_not_submitted_again(
    installation: DriftInstallation, kind: type[CancelledWork], moment: str
) -> None:
    work = kind(installation, endless=moment == "running")
    attempts = 2 if moment == "between two attempts" else 1
    if attempts == 2:
        work.fault("preempt", times=1)
    if moment != "running":
        work.fault("never_start", times=None)

    work.carry_out(work.command)
    if attempts == 2:  # the second attempt is submitted, and the worker dies before it records that
        installation.cloud.settle()
        work.look(1)
        work.ledger.delete(work.row(2))
        work.forget_submission()
    if moment == "running":
        installation.wait_for_job(work.job(1), status="Running")
    work.cancel(attempts)
    for tick in range(3):
        work.look(attempts)
        work.carry_out(Reconcile(cause=f"timer-{tick}"))

    assert work.state() == "cancelled"
    assert work.jobs() == [work.job(attempt) for attempt in range(1, attempts + 1)]
    ends = [JobEnd.CANCELLED] if attempts == 1 else [JobEnd.PREEMPTED, JobEnd.CANCELLED]
    assert [work.row(attempt).end for attempt in range(1, attempts + 1)] == ends
