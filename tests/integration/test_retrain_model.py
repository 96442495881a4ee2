"""Retraining in this process with the real SDKs: attempts, clusters, cancellation and the job's row."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.ai.ml import load_component
from azure.ai.ml.entities import Data
from azure.functions import HttpResponse
from tests.support.api_requests import Api, content
from tests.support.installation import ROOT
from tests.support.model_versions import POLICY, ModelInstallation
from tests.support.records import a_claim

from tidegate.domain.activities.subjects import model_subject
from tidegate.domain.jobs.records import Job, JobEnd, JobKind
from tidegate.domain.lifecycle.retraining import retrain_job, retrained_by
from tidegate.domain.lifecycle.training_records import Retraining, SignalRecord
from tidegate.domain.partitions.records import Partition, ScoringState
from tidegate.messages.commands import AnyCommand, CheckJob, JudgeModel, Notify, Reconcile, RetrainModel
from tidepool.cloud import Tidepool

NUMBERS = itertools.count(1)
SIGNAL = "renew-209812"
DRIFT = {"feed": "stories", "retrain": "quick_retraining", "compute": "gpu-lowpri", "attempts": 1}


@pytest.fixture(scope="module")
def installation(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> ModelInstallation:
    folder = tmp_path_factory.mktemp("installation")
    made = ModelInstallation(tidepool, folder)
    pipeline = ROOT / "tests/stories/quick_retraining/pipeline.yml"
    made.ml.components.create_or_update(load_component(pipeline), version="1")
    partition = folder / "partition"
    partition.mkdir()
    (partition / "a.png").write_text("cat")
    made.ml.data.create_or_update(Data(name="stories", version="209811-1", path=partition, type="uri_folder"))
    return made


class RetrainedModel:
    """A model whose retraining is under way."""

    def __init__(self, installation: ModelInstallation, **drift: Any) -> None:
        self.installation = installation
        self.name = f"trained{next(NUMBERS)}"
        installation.configure(models={self.name: {**POLICY, "drift": {**DRIFT, **drift}}})
        self.service = service = installation.service()
        self.ledger, self.handlers = service.ledger, service.handlers
        self.command = RetrainModel(cause="test", model=self.name, signal=SIGNAL)
        record = self.ledger.model(self.name)
        now = datetime.now(UTC)
        record.retraining = Retraining(signal=SIGNAL, job=self.job(1), data=["stories:209811-1"], since=now)
        self.ledger.save(record)

    def job(self, attempt: int) -> str:
        return retrain_job(self.name, SIGNAL, attempt)

    def preempt(self, times: int) -> None:
        self.fault("preempt", times=times)

    def fault(self, action: str, **more: Any) -> None:
        match = {"workspace": f"*{self.installation.workspace.name}", "run": f"retrain-{self.name}-*"}
        self.installation.cloud.fault("run", action, match=match, **more)

    def train(self) -> list[AnyCommand]:
        follows = self.handlers[RetrainModel](self.command)
        return [step.command for step in follows if not isinstance(step.command, Notify)]

    def run(self) -> None:
        """Send each look twice, as events do, until the retraining has ended."""
        for _ in range(6):
            self.train()
            self.train()
            self.installation.cloud.settle()
            if self.ledger.model(self.name).retraining is None:
                return
        raise AssertionError(self.ledger.model(self.name))

    def tick(self) -> list[AnyCommand]:
        """Carry out what the timer finds for the model, and return the commands that follow from that."""
        found = [step.command for step in self.handlers[Reconcile](Reconcile(cause="timer-1"))]
        ours = [command for command in found if isinstance(command, CheckJob | RetrainModel)]
        return [step.command for command in ours for step in self.handlers[type(command)](command)]

    def row(self, attempt: int) -> Job:
        row = self.ledger.job("development", self.job(attempt))
        assert row is not None
        return row

    def jobs(self) -> list[str]:
        ours = f"retrain-{self.name}-"
        return sorted(job.name for job in self.installation.ml.jobs.list() if job.name.startswith(ours))

    def kinds(self) -> list[str]:
        return sorted(activity.kind for activity in self.ledger.activities(model_subject(self.name)))


@pytest.fixture(autouse=True)
def _no_faults(installation: ModelInstallation) -> Iterator[None]:
    yield
    installation.cloud.clear_faults()


def test_a_preempted_retraining_is_announced_and_goes_to_the_fallback_cluster(
    installation: ModelInstallation,
) -> None:
    model = RetrainedModel(installation, fallback="cpu")
    model.preempt(times=1)

    model.run()

    assert model.jobs() == [model.job(1), model.job(2)]
    first, second = model.row(1), model.row(2)
    assert (first.end, first.cluster) == (JobEnd.PREEMPTED, "gpu-lowpri")
    assert (second.end, second.cluster) == (JobEnd.COMPLETED, "cpu")
    assert (first.kind, first.subject) == (JobKind.RETRAINING, f"{model.name}:{SIGNAL}")
    assert first.pipeline == "quick_retraining:1"
    assert model.kinds() == ["model.preempted", "model.retraining"]
    assert [version.version for version in installation.ml.models.list(model.name)] == ["1"]


def test_a_retraining_without_another_cluster_fails_after_its_last_attempt(
    installation: ModelInstallation,
) -> None:
    model = RetrainedModel(installation)
    model.preempt(times=1)

    model.run()

    assert model.row(1).end is JobEnd.FAILED
    assert model.kinds() == ["model.retraining", "model.retraining_failed"]


def ask(model: RetrainedModel, reason: str = "cancelled by mistake", **headers: str) -> HttpResponse:
    api = Api(lambda: model.service)
    return api.post(f"/api/models/{model.name}/retrainings", {"by": "ada", "reason": reason}, **headers)


def test_a_cancelled_retraining_is_started_again_by_a_person(installation: ModelInstallation) -> None:
    model = RetrainedModel(installation, attempts=3)
    model.fault("never_start")
    model.train()
    under_way = ask(model)
    installation.ml.jobs.begin_cancel(model.job(1))
    installation.cloud.settle()
    installation.cloud.clear_faults()
    model.train()
    nothing = ask(model)
    model.ledger.save(Partition(feed="stories", partition="209811", result="209811-1-g1"))

    key = {"Idempotency-Key": "one"}
    answers = [ask(model, **key) for _ in range(2)]
    other = ask(model, "another reason", **key)

    assert [answer.status_code for answer in (under_way, nothing, *answers, other)] == [
        409,
        409,
        202,
        202,
        422,
    ]
    assert model.job(1) in content(under_way)["detail"]
    assert "nothing to train" in content(nothing)["detail"]
    asked = content(answers[0])
    assert asked == content(answers[1])
    assert (asked["by"], asked["data"]) == ("ada", ["stories:209811-1"])
    assert asked["job"] == retrain_job(model.name, asked["signal"], 1)
    assert model.kinds() == ["model.retraining", "model.retraining_cancelled"]

    model.command = RetrainModel(cause="test", model=model.name, signal=asked["signal"])
    model.run()
    again = ask(model, **key)

    assert model.jobs() == sorted([model.job(1), asked["job"]])
    assert content(again) == asked
    assert model.ledger.model(model.name).retraining is None
    texts = [activity.text for activity in model.ledger.activities(model_subject(model.name))]
    assert f"tidegate retrain {model.name}" in texts[1]
    assert "a person's request (ada: cancelled by mistake)" in texts[2]
    assert retrained_by(asked["job"], [model.name]) == (model.name, asked["signal"])


def test_a_kill_before_the_end_was_recorded_is_repaired_by_the_timer(installation: ModelInstallation) -> None:
    model = RetrainedModel(installation)
    model.run()
    row = model.row(1)
    row.end = None
    model.ledger.save(row)

    assert model.tick() == []

    assert model.row(1).end is JobEnd.COMPLETED
    assert model.jobs() == [model.job(1)]


def test_a_training_is_explained_by_its_signal_the_measured_scoring_and_their_first_event(
    installation: ModelInstallation,
) -> None:
    trained = RetrainedModel(installation)
    claim = a_claim("stories", state=ScoringState.SCORED)
    claim.version.cause = "blob-event"
    trained.ledger.save(claim.record)
    model = trained.ledger.model(trained.name)
    evidence = {"result": f"stories:{claim.name}"}
    signal = {"source": "measurement", "about": claim.record.partition, "at": claim.version.snapshot_at}
    model.signals = [
        SignalRecord(id=SIGNAL, breached=True, why="drift", cause="run-event", evidence=evidence, **signal)
    ]
    trained.ledger.save(model)
    trained.train()

    answer = content(Api(lambda: trained.service).get(f"/api/explain/{trained.job(1)}"))

    led_to = {(edge["source"], edge["target"]) for edge in answer["edges"]}
    named, job = f"signal {trained.name}:{SIGNAL}", f"job development:{trained.job(1)}"
    scoring, files = f"scoring stories:{claim.name}", f"files stories:{claim.version_name}"
    assert {
        (named, job),
        (scoring, named),
        (files, scoring),
        ("cause blob-event", files),
        ("cause run-event", named),
    } <= led_to


def test_a_submission_that_was_not_recorded_is_found(installation: ModelInstallation) -> None:
    model = RetrainedModel(installation)
    tables = f"{installation.account.name}.table.*"
    installation.cloud.fault("request", "status", match={"host": tables, "method": "P*"}, value=403)
    with pytest.raises(Exception, match="tidegateJobs"):
        model.train()
    installation.cloud.clear_faults()
    installation.cloud.settle()
    assert model.jobs() == [model.job(1)]

    model.train()
    judge = model.train()

    assert judge == [JudgeModel(cause="test", model=model.name, version="1")]
    assert model.jobs() == [model.job(1)]
    assert model.row(1).end is JobEnd.COMPLETED
