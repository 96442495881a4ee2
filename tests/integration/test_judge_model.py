"""From a registered model to its verdict: the handler with the real SDKs, and jobs that really run."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.identity import DefaultAzureCredential
from tests.support.api_requests import Api, content
from tests.support.clock import Clock
from tests.support.installation import MLMODEL
from tests.support.model_versions import MODEL, POLICY, ModelInstallation

from tidegate.cloud.arm import ArmClient
from tidegate.cloud.ledger import Ledger
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.subjects import model_subject
from tidegate.domain.jobs.records import Job, JobEnd, JobKind
from tidegate.domain.lifecycle.records import Champion, ModelState, ModelVersion
from tidegate.domain.lifecycle.rejudging import rejudging_obstacle, without_verdict
from tidegate.domain.lifecycle.verdict_records import Approval
from tidegate.errors import NotFoundError, TidegateError
from tidegate.messages.commands import AnyCommand, CheckJob, JudgeModel, Notify, PromoteModel, Reconcile
from tidegate.service.manual_actions.rejudge import RejudgeRequest
from tidegate.service.manual_actions.requester import Requester
from tidepool.cloud import Tidepool

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def installation(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> ModelInstallation:
    return ModelInstallation(tidepool, tmp_path_factory.mktemp("installation"))


class JudgedModel:
    """A model of the installation that is judged in this process."""

    def __init__(self, installation: ModelInstallation, name: str) -> None:
        self.installation = installation
        self.name = name
        self.clock = Clock()
        service = installation.service(self.clock)
        self.workspaces = service.workspaces
        self.ledger: Ledger = service.ledger
        self.handle = service.handlers[JudgeModel]

    def register(self, version: str, accuracy: Any = 0.9, **more: Any) -> None:
        self.installation.register(version, accuracy, name=self.name, **more)

    def judge(self, version: str, cause: str = "test") -> list[AnyCommand]:
        """One look; what follows, telling people aside."""
        follows = self.handle(JudgeModel(cause=cause, model=self.name, version=version))
        return [step.command for step in follows if not isinstance(step.command, Notify)]

    def verdict(self, version: str) -> ModelVersion:
        """Looked at until the evaluation has ended; each look is doubled, as events are."""
        for _ in range(6):
            self.judge(version)
            self.judge(version)
            self.installation.cloud.settle()
            if self.record(version).state is not ModelState.EVALUATING:
                return self.record(version)
        raise AssertionError(self.record(version))

    def record(self, version: str) -> ModelVersion:
        found = self.ledger.model_version(self.name, version)
        assert found is not None
        return found

    def make_champion(self, source: str | None) -> None:
        model = self.ledger.model(self.name)
        now = self.clock.now
        model.champion = Champion(version=source, source=source, since=now, by="test") if source else None
        self.ledger.save(model)

    def row(self, job: str) -> Job:
        found = self.ledger.job("development", job)
        assert found is not None
        return found

    def jobs(self) -> list[str]:
        return sorted(name for name in self.installation.evaluations() if f"-{self.name}-" in name)

    def kinds(self) -> list[str]:
        return sorted(activity.kind for activity in self.activities())

    def activities(self) -> list[Activity]:
        return list(self.ledger.activities(model_subject(self.name)))


@pytest.fixture
def model(installation: ModelInstallation) -> Iterator[JudgedModel]:
    yield make_model(installation)
    installation.cloud.clear_faults()


def make_model(installation: ModelInstallation, **policy: Any) -> JudgedModel:
    name = f"model{next(NUMBERS)}"
    installation.configure(models={MODEL: POLICY, name: {**POLICY, **policy}})
    return JudgedModel(installation, name)


def failed(record: ModelVersion) -> str:
    assert record.verdict is not None
    assert not record.verdict.passed
    return "\n".join(
        f"{rule.rule} {rule.metric}: {rule.why}" for rule in record.verdict.rules if not rule.passed
    )


def test_a_version_registered_twice_is_evaluated_and_told_once(model: JudgedModel) -> None:
    model.register("1")
    model.judge("1", cause="event-1")
    model.judge("1", cause="event-2")

    model.verdict("1")
    model.register("1", tags={"described": "later"})
    model.judge("1", cause="event-3")

    assert model.jobs() == [f"judge-{model.name}-1-e1-a1"]
    assert model.kinds() == ["model.judged", "model.registered"]


def test_events_that_are_stale_or_out_of_order_change_no_verdict(model: JudgedModel) -> None:
    with pytest.raises(NotFoundError):  # the run's event before the model can be read: tried again
        model.judge("1")
    model.register("1", accuracy=0.5)
    before = model.verdict("1")

    model.clock.move(days=3)
    assert model.judge("1", cause="the event of the run's start") == []

    assert model.record("1") == before
    assert before.state is ModelState.REFUSED


def test_a_copy_of_our_own_and_a_model_without_policy_start_nothing(model: JudgedModel) -> None:
    model.register("1", tags={"tidegate_source_workspace": "mlw-dev"})

    assert model.judge("1") == []
    assert model.handle(JudgeModel(cause="test", model="quick-model", version="1")) == []

    assert model.ledger.model_version(model.name, "1") is None
    assert model.ledger.model_version("quick-model", "1") is None
    assert model.jobs() == []


def test_the_champion_is_evaluated_on_the_same_rows_and_compared(model: JudgedModel) -> None:
    model.register("1", accuracy=0.9)
    model.register("2", accuracy=0.896)
    model.register("3", accuracy=0.89)
    model.make_champion("1")

    passed, refused = model.verdict("2"), model.verdict("3")

    assert (passed.state, refused.state) == (ModelState.PASSED, ModelState.REFUSED)
    assert passed.verdict is not None
    assert (passed.verdict.champion, passed.verdict.data) == ("1", "holdout:4")
    assert (
        failed(refused)
        == "champion_tolerance accuracy: 0.89; required: at least 0.895 (champion 0.9, tolerance 0.005)"
    )


def test_a_champion_that_changed_while_judging_means_another_evaluation(model: JudgedModel) -> None:
    for version, accuracy in (("1", 0.85), ("2", 0.95), ("3", 0.9)):
        model.register(version, accuracy)
    model.make_champion("1")
    model.judge("3")
    model.make_champion("2")
    model.installation.cloud.settle()

    record = model.verdict("3")

    assert record.evaluation is not None
    assert (record.evaluation.number, record.evaluation.champion) == (2, "2")
    assert record.state is ModelState.REFUSED
    assert model.jobs() == [f"judge-{model.name}-3-e1-a1", f"judge-{model.name}-3-e2-a1"]


def test_a_champion_that_vanished_from_the_ledger_means_another_evaluation(model: JudgedModel) -> None:
    model.register("1", 0.99)
    model.register("2", 0.9)
    model.make_champion("1")
    model.judge("2")
    model.make_champion(None)

    record = model.verdict("2")

    assert record.state is ModelState.PASSED
    assert record.verdict is not None
    assert (record.verdict.champion, record.verdict.rules[1].rule) == (None, "no champion")


def test_a_champion_that_is_gone_from_development_refuses_and_says_what_to_do(model: JudgedModel) -> None:
    model.register("2")
    model.make_champion("1")

    record = model.verdict("2")

    assert record.state is ModelState.REFUSED
    assert "version 1 is no longer in development: roll back, or restore it" in failed(record)
    assert model.jobs() == []


def test_an_evaluation_that_azure_does_not_accept_is_a_refusal_and_can_be_asked_for_again(
    installation: ModelInstallation,
) -> None:
    model = make_model(installation, evaluate={**POLICY["evaluate"], "data": "holdout:99"})
    model.register("1")

    record = model.verdict("1")

    assert record.state is ModelState.REFUSED
    assert "the evaluation failed: it could not begin" in failed(record)
    assert "holdout" in failed(record)
    assert rejudging_obstacle(record, model.ledger.model(model.name)) is None


def test_a_candidate_that_is_deleted_while_it_is_judged_gets_its_verdict_all_the_same(
    model: JudgedModel,
) -> None:
    model.register("1")
    model.judge("1")
    development = model.workspaces["development"]
    ArmClient(DefaultAzureCredential()).delete(
        f"{development.config.arm_id}/models/{model.name}/versions/1", "2024-04-01"
    )

    assert model.verdict("1").verdict is not None


def test_of_two_candidates_at_once_the_second_is_judged_again_beside_the_first(model: JudgedModel) -> None:
    for version, accuracy in (("1", 0.85), ("2", 0.95), ("3", 0.9)):
        model.register(version, accuracy)
    model.make_champion("1")
    assert (model.verdict("2").state, model.verdict("3").state) == (ModelState.PASSED, ModelState.PASSED)
    third = model.record("3")
    first_verdict = third.verdict
    assert first_verdict is not None
    third.approval = Approval(
        verdict=first_verdict.id, approved=True, by="a person", reason="good", at=model.clock.now
    )

    model.make_champion("2")
    # As a promotion does that finds another champion:
    model.ledger.save(without_verdict(third, "2 is champion now", model.clock.now))
    again = model.verdict("3")

    assert again.state is ModelState.REFUSED
    assert again.approval is None
    assert [(former.verdict.id, former.approval and former.approval.by) for former in again.history] == [
        (first_verdict.id, "a person")
    ]
    assert again.verdict is not None
    assert (again.verdict.champion, again.verdict.id != first_verdict.id) == ("2", True)


def test_a_holdout_whose_schema_does_not_fit_refuses_with_the_words_of_the_job(
    installation: ModelInstallation,
) -> None:
    installation.register_holdout("odd-holdout:1", columns="image class")
    model = make_model(installation, evaluate={**POLICY["evaluate"], "data": "odd-holdout:1"})
    model.register("1")

    record = model.verdict("1")

    assert record.state is ModelState.REFUSED
    assert "the holdout has no column label" in failed(record)
    assert model.kinds() == ["model.refused", "model.registered"]


def test_what_is_no_number_is_refused(model: JudgedModel) -> None:
    model.register("1", metrics={"accuracy": float("nan")})

    record = model.verdict("1")

    assert record.state is ModelState.REFUSED
    assert "min accuracy: no number is given; required: at least 0.8" in failed(record)


def test_an_evaluation_that_leaves_no_evidence_is_refused(model: JudgedModel) -> None:
    model.register("1")
    model.judge("1")
    model.installation.cloud.settle()
    model.installation.blobstore.delete_blob(f"evaluations/{model.name}/1/e1/evidence.json")

    assert "left no evidence.json" in failed(model.verdict("1"))


def test_an_evaluation_whose_nodes_were_taken_comes_back(installation: ModelInstallation) -> None:
    model = make_model(installation, evaluate={**POLICY["evaluate"], "compute": "gpu-lowpri"})
    preempt(model, times=1)
    model.register("1")

    record = model.verdict("1")

    assert record.state is ModelState.PASSED
    assert model.jobs() == [f"judge-{model.name}-1-e1-a1", f"judge-{model.name}-1-e1-a2"]
    assert "model.preempted" in model.kinds()
    first, second = (model.row(name) for name in model.jobs())
    assert (first.end, second.end) == (JobEnd.PREEMPTED, JobEnd.COMPLETED)
    assert first.preemption is not None
    assert first.preemption.matched.startswith("PreemptionError: Nodes of this job got pre-empted")
    [told] = [one for one in model.activities() if one.kind == "model.preempted"]
    assert told.data["preemption"] == first.preemption.model_dump()
    assert first.preemption.matched in told.text
    assert (first.kind, first.subject) == (JobKind.EVALUATION, f"{model.name}:1")
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.pipeline == "quick_evaluation:1"
    assert second.ended_at is not None
    assert second.started_at is not None
    assert second.started_at <= second.ended_at


def test_after_its_last_attempt_an_evaluation_runs_on_the_fallback_cluster(
    installation: ModelInstallation,
) -> None:
    clusters = {"compute": "gpu-lowpri", "fallback": "cpu", "attempts": 1}
    model = make_model(installation, evaluate={**POLICY["evaluate"], **clusters})
    preempt(model, times=1)
    model.register("1")

    assert model.verdict("1").state is ModelState.PASSED

    assert [model.row(name).cluster for name in model.jobs()] == ["gpu-lowpri", "cpu"]
    development = model.installation.ml.jobs.get(f"judge-{model.name}-1-e1-a2")
    assert development.inputs["evaluation_compute"]._data == "cpu"


def test_an_evaluation_preempted_on_its_last_cluster_fails_its_version(
    installation: ModelInstallation,
) -> None:
    clusters = {"compute": "gpu-lowpri", "attempts": 1}
    model = make_model(installation, evaluate={**POLICY["evaluate"], **clusters})
    preempt(model, times=1)
    model.register("1")

    assert "no fallback cluster is configured" in failed(model.verdict("1"))

    assert model.row(f"judge-{model.name}-1-e1-a1").end is JobEnd.FAILED


def test_an_evaluation_that_a_person_cancelled_is_started_again_only_by_a_person(
    installation: ModelInstallation,
) -> None:
    model = make_model(installation)
    service = installation.service(model.clock)
    job = f"judge-{model.name}-1-e1-a1"
    match = {"workspace": f"*{installation.workspace.name}", "run": f"judge-{model.name}-*"}
    installation.cloud.fault("run", "never_start", match=match)
    model.register("1")
    model.judge("1")
    installation.ml.jobs.begin_cancel(job)
    installation.cloud.settle()
    installation.cloud.clear_faults()

    for _ in range(3):
        model.judge("1")
        for step in service.handlers[Reconcile](Reconcile(cause="timer-1")):
            if isinstance(step.command, CheckJob | JudgeModel):
                service.handlers[type(step.command)](step.command)

    record = model.record("1")
    assert (record.state, record.verdict) == (ModelState.CANCELLED, None)
    assert "was cancelled" in (record.error or "")
    assert model.jobs() == [job]
    assert model.row(job).end is JobEnd.CANCELLED
    assert model.kinds() == ["model.cancelled", "model.registered"]

    request = RejudgeRequest(reason="it was cancelled by mistake")
    service.rejudgings.rejudge(model.name, "1", request, Requester("a person", "caller"), None)

    assert model.verdict("1").state is ModelState.PASSED
    assert model.jobs() == [job, f"judge-{model.name}-1-e2-a1"]


def test_an_evaluation_that_never_starts_is_announced_and_goes_to_the_fallback_cluster(
    installation: ModelInstallation,
) -> None:
    clusters = {"compute": "gpu-lowpri", "fallback": "cpu"}
    model = make_model(installation, evaluate={**POLICY["evaluate"], **clusters})
    service = installation.service(model.clock)
    job = f"judge-{model.name}-1-e1-a1"
    match = {"workspace": f"*{installation.workspace.name}", "run": f"judge-{model.name}-*"}
    installation.cloud.fault("run", "never_start", match=match)
    model.register("1")
    model.judge("1")
    model.clock.now = installation.now() + timedelta(days=1)

    due = [step.command for step in service.handlers[Reconcile](Reconcile(cause="timer-1"))]
    look = CheckJob(cause="timer-1", workspace="development", job=job)
    assert look in due
    service.handlers[CheckJob](look)
    installation.cloud.settle()

    assert model.verdict("1").state is ModelState.PASSED
    assert model.kinds() == ["model.judged", "model.registered", "model.stuck"]
    assert (model.row(job).end, model.row(f"judge-{model.name}-1-e1-a2").cluster) == (JobEnd.STUCK, "cpu")


def test_a_cancellation_that_was_seen_outweighs_a_preemption(installation: ModelInstallation) -> None:
    model = make_model(installation, evaluate={**POLICY["evaluate"], "compute": "gpu-lowpri"})
    preempt(model, times=1)
    model.register("1")
    model.judge("1")
    row = model.row(f"judge-{model.name}-1-e1-a1")
    row.cancel_requested = True
    model.ledger.save(row)

    assert model.verdict("1").state is ModelState.CANCELLED

    assert model.jobs() == [row.name]


def test_the_row_of_a_job_gets_its_end_after_a_kill_between_the_two_writes(
    installation: ModelInstallation,
) -> None:
    model = make_model(installation, evaluate={**POLICY["evaluate"], "compute": "gpu-lowpri"})
    preempt(model, times=1)
    model.register("1")
    model.verdict("1")
    row = model.row(f"judge-{model.name}-1-e1-a1")
    row.end = None
    model.ledger.save(row)
    check = CheckJob(cause="test", workspace="development", job=row.name)
    handle = installation.service(model.clock).handlers[CheckJob]

    assert list(handle(check)) == list(handle(check)) == []

    assert model.row(row.name).end is JobEnd.PREEMPTED
    assert len(model.jobs()) == 2


def preempt(model: JudgedModel, times: int) -> None:
    match = {"workspace": f"*{model.installation.workspace.name}", "run": f"judge-{model.name}-*"}
    model.installation.cloud.fault("run", "preempt", match=match, times=times)


@pytest.mark.parametrize(
    ("accuracy", "would"), [(0.9, "would have passed"), (0.5, "would have been REFUSED")]
)
def test_a_gate_that_observes_promotes_nothing_and_says_so(
    installation: ModelInstallation, accuracy: float, would: str
) -> None:
    model = make_model(installation, gate={**POLICY["gate"], "mode": "observe"}, promote={"approval": "none"})
    model.register("1", accuracy)

    record = model.verdict("1")

    assert record.state is ModelState.OBSERVED
    assert model.judge("1") == []
    (told,) = [
        activity
        for activity in model.ledger.activities(model_subject(model.name))
        if "OBSERVED" in activity.title
    ]
    assert would in told.title
    assert "nothing was blocked" in told.title


def test_what_passed_goes_on_to_promotion_as_often_as_it_is_looked_at(
    installation: ModelInstallation,
) -> None:
    model = make_model(installation, promote={"approval": "none"})
    model.register("1")
    model.verdict("1")

    expected = [PromoteModel(cause="test", model=model.name, version="1")]
    assert model.judge("1") == expected
    assert model.judge("1") == expected


def test_the_verdict_is_among_the_artifacts_of_the_evaluation(model: JudgedModel) -> None:
    model.register("1")
    record = model.verdict("1")
    assert record.verdict is not None

    path = f"ExperimentRun/dcid.{record.verdict.job}/verdict.json"
    content = model.workspaces["development"].datastores.read("workspaceartifactstore", path)

    assert record.verdict.id in content.decode()


def test_a_model_with_as_many_tags_as_azure_takes_is_judged_all_the_same(model: JudgedModel) -> None:
    model.register("1", tags={f"tag{number}": "x" for number in range(49)})

    assert model.verdict("1").state is ModelState.PASSED
    assert len(model.record("1").source.tags) == 49


def test_of_a_very_large_verdict_the_ledger_keeps_what_failed(installation: ModelInstallation) -> None:
    slices = {"by": "camera", "min_n": 10, "metrics": {"accuracy": {"min": 0.7}}}
    model = make_model(installation, gate={**POLICY["gate"], "slices": slices})
    many = {f"camera-{number}": {"n": 20, "metrics": {"accuracy": 0.9}} for number in range(300)}
    many["camera-299"]["metrics"] = {"accuracy": 0.6}
    model.register("1", slices=many)

    record = model.verdict("1")

    assert record.state is ModelState.REFUSED
    assert record.verdict is not None
    assert len(record.verdict.rules) == 301
    assert "more lines, 0 of them failed" in record.verdict.rules[-1].why
    assert failed(record) == "min accuracy: 0.6; required: at least 0.7"
    assert record.error == "accuracy [camera-299]: 0.6; required: at least 0.7"


@pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.long)])
def test_stopped_before_a_write_it_goes_on_and_judges_once(model: JudgedModel, step: int) -> None:
    for turn in itertools.count(1):
        version, number = str(turn), (turn - 1) * step
        model.register(version)
        model.installation.cloud.fault("request", "status", match={"method": "P*"}, value=403, skip=number)

        stopped = until_judged(model, version)
        model.installation.cloud.clear_faults()

        assert model.record(version).state is ModelState.PASSED, f"stopped before write {number + 1}"
        assert f"judge-{model.name}-{version}-e1-a1" in model.jobs()
        if not stopped:
            break

    assert number > 6
    assert len(model.jobs()) == turn
    assert model.kinds().count("model.judged") == model.kinds().count("model.registered") == turn


def until_judged(model: JudgedModel, version: str) -> bool:
    """Whether a write was refused on the way."""
    stopped = False
    for _ in range(6):
        try:
            model.judge(version)
        except TidegateError:
            stopped = True
        model.installation.cloud.settle()
        found = model.ledger.model_version(model.name, version)
        if found and found.verdict:
            break
    return stopped


@pytest.mark.parametrize(
    ("loss", "state"),
    [(0.2, ModelState.PASSED), (float("nan"), ModelState.REFUSED)],
)
def test_a_model_registered_with_mlflow_is_judged_by_its_training_run_too(
    installation: ModelInstallation, tmp_path: Path, loss: float, state: ModelState
) -> None:
    import mlflow

    model = make_model(installation, gate={**POLICY["gate"], "training": {"loss": {"max": 0.3}}})
    (tmp_path / "MLmodel").write_text(MLMODEL)
    (tmp_path / "figures.json").write_text('{"metrics": {"accuracy": 0.9}}')
    mlflow.set_tracking_uri(installation.ml.workspaces.get(installation.workspace.name).mlflow_tracking_uri)
    mlflow.set_experiment("training")
    with mlflow.start_run() as run:
        mlflow.log_metric("loss", loss)
        mlflow.log_artifacts(str(tmp_path), "model")
    client = mlflow.MlflowClient()
    client.create_registered_model(model.name)
    client.create_model_version(model.name, f"{run.info.artifact_uri}/model", run_id=run.info.run_id)

    record = model.verdict("1")

    assert record.state is state
    assert record.source.run == run.info.run_id


def test_the_gate_waits_for_the_verdict_of_a_pipeline_and_fails_closed(
    installation: ModelInstallation,
) -> None:
    gate = {**POLICY["gate"], "external": {"within": "2h"}}
    model = make_model(installation, gate=gate, promote={"to": "production"})
    service = installation.service(model.clock)
    api = Api(lambda: service)
    for version in ("1", "2"):
        model.register(version)
        for _ in range(3):
            model.judge(version)
            installation.cloud.settle()
    path = f"/api/models/{model.name}/versions/1/verdicts/external"
    body = {"passed": True, "detail": "212 contract tests", "url": "https://ci.example.com/17"}

    assert model.record("1").state is model.record("2").state is ModelState.EVALUATING
    assert model.kinds().count("model.awaits_external") == 2
    answers = [api.post(path, body), api.post(path, body), api.post(path, {**body, "passed": False})]
    judged = model.verdict("1")
    model.clock.move(hours=2)
    late = api.post(path.replace("/1/", "/2/"), body)
    refused = model.verdict("2")

    assert [answer.status_code for answer in answers] == [200, 200, 409]
    assert content(answers[0])["external"]["result"]["by"] == "a holder of the function key"
    assert judged.state is ModelState.PASSED
    assert judged.verdict is not None
    assert "212 contract tests (https://ci.example.com/17)" in judged.verdict.rules[-1].why
    assert (late.status_code, "The rule is closed" in content(late)["detail"]) == (409, True)
    assert refused.state is ModelState.REFUSED
    assert failed(refused).startswith("external : no verdict came until")
    assert model.jobs() == [f"judge-{model.name}-{version}-e1-a1" for version in ("1", "2")]
