"""A model set over two partitions: trained, judged, compared with actual values, its winners assembled."""

from pathlib import Path

import pytest
from tests.support.arm_requests import arm
from tests.support.azure_clients import MANAGEMENT, ml_client, token
from tests.support.hand_made_sets import SET_POLICY
from tests.support.installation import ROOT
from tests.support.set_installation import SALES, SetInstallation

from tidegate.domain.jobs.records import JobKind
from tidegate.domain.lifecycle.records import ModelState
from tidegate.domain.model_sets.members import MemberQuery
from tidegate.errors import RefusedError
from tidegate.messages.commands import (
    AnyCommand,
    CheckPartition,
    JudgeModel,
    PromoteModel,
    Reconcile,
    RetrainModel,
    RollbackModel,
    ScorePartition,
    WeighDrift,
)
from tidegate.service.manual_actions.requester import Requester
from tidegate.service.manual_actions.retrain import RetrainRequest
from tidepool.cloud import Tidepool

PIPELINES = ("quick_set_training", "quick_set_evaluation", "quick_set_renewal")


def installed(tidepool: Tidepool, folder: Path) -> SetInstallation:
    policy = {**SET_POLICY, "promote": {"to": "production", "approval": "none"}}
    policy["set"] = {**SET_POLICY["set"], "worse": {"pipeline": "quick_set_renewal"}}
    files = [ROOT / f"tests/stories/quick_sets/{name}.yml" for name in PIPELINES]
    score = {"pipeline": "quick", "model": SALES, "compute": "cpu"}
    return SetInstallation(tidepool, folder, policy, files, score=score)


def train_first(installation: SetInstallation) -> list[AnyCommand]:
    """The first partition is complete: a set is trained on it and judged without a champion."""
    installation.upload("209901", {"a.csv": "001,x\n1,x\n"})
    return installation.run(CheckPartition(cause="test", feed="stories", partition="209901"))


def train_again(installation: SetInstallation) -> list[AnyCommand]:
    """The first set is champion and has forecast, and the next partition brings the actual values."""
    installation.run(PromoteModel(cause="test", model=SALES, version="1"), leave=(ScorePartition,))
    installation.record_forecasts("209901")
    installation.upload("209902", {"b.csv": "1,x\n"})
    return installation.run(CheckPartition(cause="test", feed="stories", partition="209902"))


@pytest.fixture(scope="module")
def installation(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> SetInstallation:
    """It is shared by tests that find the same state in whatever order they run."""
    return installed(tidepool, tmp_path_factory.mktemp("sets"))


@pytest.fixture(scope="module")
def first(installation: SetInstallation) -> list[AnyCommand]:
    return train_first(installation)


@pytest.fixture(scope="module")
def second(installation: SetInstallation, first: list[AnyCommand]) -> list[AnyCommand]:
    return train_again(installation)


def test_a_complete_partition_trains_a_set_which_is_judged_as_it_is(
    installation: SetInstallation, first: list[AnyCommand]
) -> None:
    version = installation.version("1")
    tags = installation.ml.models.get(SALES, "1").tags

    assert PromoteModel(cause="test", model=SALES, version="1") in first
    assert version.state is ModelState.PASSED
    assert version.verdict is not None
    assert version.verdict.data == "stories:209901-1"
    assert (tags["set_keys"], tags["set_members"], tags["set_failed"]) == ("store,product", "2", "0")
    assert version.assembled_into is None


def test_a_feed_waits_for_the_first_champion_of_the_set_that_scores_it(
    installation: SetInstallation, first: list[AnyCommand]
) -> None:
    [scoring] = {command for command in first if isinstance(command, ScorePartition)}
    champion = installation.ledger.model(SALES).champion

    follows = [] if champion else installation.do(scoring)

    assert follows == []
    assert installation.jobs() == {}


def test_only_the_keys_that_got_worse_are_trained_and_the_winners_become_a_version(
    installation: SetInstallation, second: list[AnyCommand]
) -> None:
    candidate, winners = installation.version("2"), installation.version("3")
    jobs = {job.kind: job for job in installation.ledger.jobs(open_only=False)}
    trained = installation.ml.jobs.get("retrain-sales-partition-stories-209902-1-a1")
    compared = installation.activities()["model.compared"]

    assert jobs.keys() == {JobKind.RETRAINING, JobKind.EVALUATION, JobKind.COMPARISON}
    assert "1 keys are trained again (1 worse); 2 were compared" in compared.title
    assert "store=1, product=x: worse: mae rose from 1 to 2" in compared.text
    assert trained.inputs["previous"].path.endswith("sales:1")
    assert trained.inputs["only_keys"].path.endswith("comparisons/partition-stories-209902-1/retrain.jsonl")
    assert PromoteModel(cause="test", model=SALES, version="3") in second
    assert (candidate.state, candidate.assembled_into) == (ModelState.ASSEMBLED, "3")
    assert (winners.state, winners.assembled_from) == (ModelState.PASSED, "2")
    assert winners.verdict is not None
    assert candidate.verdict is not None
    assert winners.verdict.id == candidate.verdict.id
    assert winners.verdict.files != candidate.verdict.files
    assert winners.verdict.data == "stories:209901-1..209902-1"


def test_a_stop_before_the_candidate_was_saved_registers_no_second_set_of_winners(
    installation: SetInstallation, second: list[AnyCommand]
) -> None:
    candidate = installation.version("2")
    candidate.state, candidate.assembled_into = ModelState.EVALUATING, None
    installation.ledger.save(candidate)

    again = installation.run(JudgeModel(cause="test", model=SALES, version="2"))

    assert again == [PromoteModel(cause="test", model=SALES, version="3")]
    assert installation.version("2").assembled_into == "3"
    assert [model.version for model in installation.ml.models.list(SALES)] == ["3", "2", "1"]


def test_the_registration_of_winners_and_a_repeated_partition_start_nothing(
    installation: SetInstallation, second: list[AnyCommand]
) -> None:
    weigh = WeighDrift(cause="test", model=SALES, source="partition", of="stories:209902-1")
    older = WeighDrift(cause="test", model=SALES, source="partition", of="stories:209901-7")

    found = installation.do(Reconcile(cause="timer-1"))

    assert installation.do(JudgeModel(cause="test", model=SALES, version="3")) in (
        [],
        [PromoteModel(cause="test", model=SALES, version="3")],
    )
    assert installation.do(weigh) == installation.do(older) == []
    assert not [command for command in found if isinstance(command, WeighDrift | RetrainModel | JudgeModel)]


@pytest.fixture
def rolled_back(tidepool: Tidepool, tmp_path: Path) -> SetInstallation:
    """The winners became champion in production, and a person brought the first set back."""
    installation = installed(tidepool, tmp_path)
    train_first(installation)
    train_again(installation)
    installation.run(PromoteModel(cause="test", model=SALES, version="3"), leave=(ScorePartition,))
    champion = installation.ledger.model(SALES).champion
    assert champion is not None
    assert champion.source == "3"
    back = RollbackModel(cause="test", model=SALES, to="1", champion="3", by="ada", reason="wrong")
    installation.run(back, leave=(ScorePartition,))
    return installation


@pytest.mark.long
def test_a_set_that_a_person_brought_back_is_trained_again_once_at_a_time(
    rolled_back: SetInstallation,
) -> None:
    a_rollback_brings_all_members_back(rolled_back)
    late_files_of_a_partition_train_the_set_again_on_its_new_version(rolled_back)
    one_training_of_a_set_runs_at_a_time(rolled_back)
    a_champion_set_that_vanished_trains_all_keys_and_its_successor_names_it(rolled_back)


def a_rollback_brings_all_members_back(rolled_back: SetInstallation) -> None:
    champion = rolled_back.ledger.model(SALES).champion
    in_production = {model.version for model in ml_client(rolled_back.production.id).models.list(SALES)}

    assert in_production == {"1", "3"}
    assert champion is not None
    assert champion.source == "1"
    assert rolled_back.version("3").state is ModelState.ROLLED_BACK
    first = "retrain-sales-partition-stories-209901-1-a1"
    assert trained_in(rolled_back, champion.source) == {("001", "x"): first, ("1", "x"): first}
    assert set(trained_in(rolled_back, "3").values()) == {"retrain-sales-partition-stories-209902-1-a1"}


def late_files_of_a_partition_train_the_set_again_on_its_new_version(
    rolled_back: SetInstallation,
) -> None:
    rolled_back.upload("209902", {"late.csv": "3,x\n"})
    check = CheckPartition(cause="test", feed="stories", partition="209902")
    for _ in range(2):  # files that change after a partition was complete have a quiet time
        rolled_back.run(check, leave=(PromoteModel, ScorePartition))
        rolled_back.clock.move(minutes=1)

    trained = rolled_back.ml.jobs.get("retrain-sales-partition-stories-209902-2-a1")
    version = rolled_back.version("4")
    assert trained.tags["tidegate_data"].split(",") == ["stories:209901-1", "stories:209902-2"]
    assert trained.inputs["previous"].path.endswith("sales:1")
    assert version.verdict is not None
    assert version.verdict.data == "stories:209901-1..209902-2"
    assert ("3", "x") in trained_in(rolled_back, "4")


def one_training_of_a_set_runs_at_a_time(rolled_back: SetInstallation) -> None:
    retrain, ada = rolled_back.served.retrainings.retrain, Requester("ada", "caller")
    requested = retrain(SALES, RetrainRequest(reason="again"), ada, "key-1")
    rolled_back.upload("209903", {"c.csv": "1,x\n"})
    check = CheckPartition(cause="test", feed="stories", partition="209903")

    with pytest.raises(RefusedError, match=r"a retraining of sales is under way"):
        retrain(SALES, RetrainRequest(reason="and again"), ada, "key-2")
    left = rolled_back.run(check, leave=(WeighDrift, ScorePartition))
    [arrived] = {command for command in left if isinstance(command, WeighDrift)}
    waits = rolled_back.do(arrived)

    retraining = rolled_back.ledger.model(SALES).retraining
    assert (arrived.of, waits) == ("stories:209903-1", [])
    assert retraining is not None
    assert retraining.signal == requested.id
    for tick in range(2):  # the timer continues the training, and sends what had to wait
        found = rolled_back.do(Reconcile(cause=f"timer-{tick}"))
        rolled_back.run(*found, leave=(PromoteModel, ScorePartition))
    trainings = [job.name for job in rolled_back.ledger.jobs(open_only=False) if "retrain-" in job.name]
    assert sum(requested.id in name for name in trainings) == 1
    assert sum("209903-1" in name for name in trainings) == 1


def a_champion_set_that_vanished_trains_all_keys_and_its_successor_names_it(
    rolled_back: SetInstallation,
) -> None:
    gone = arm("DELETE", f"{rolled_back.workspace.id}/models/{SALES}/versions/1", token(MANAGEMENT))
    assert gone.ok
    rolled_back.upload("209904", {"d.csv": "1,x\n4,x\n"})

    rolled_back.run(
        CheckPartition(cause="test", feed="stories", partition="209904"), leave=(PromoteModel, ScorePartition)
    )

    trained = rolled_back.ml.jobs.get("retrain-sales-partition-stories-209904-1-a1")
    assert "previous" not in trained.inputs
    newest = max(rolled_back.ledger.model_versions(SALES, open_only=False), key=lambda one: int(one.version))
    assert ("4", "x") in trained_in(rolled_back, newest.version)
    assert newest.verdict is not None
    assert not newest.verdict.passed
    assert "the champion's version 1 is no longer in development" in str(newest.verdict.rules)


def trained_in(installation: SetInstallation, version: str) -> dict[tuple[str, ...], str | None]:
    """Return the training of each member of a version, as its index says."""
    rows = installation.served.indexes.open(SALES, version).members(MemberQuery(), None, 100)
    return {tuple(row.key.values()): row.trained_in for row in rows}
