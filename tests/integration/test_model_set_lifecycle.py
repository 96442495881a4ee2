"""A model set over two partitions: trained, judged, compared with actual values, its winners assembled."""

import pytest
from tests.support.hand_made_sets import SET_POLICY
from tests.support.installation import ROOT
from tests.support.set_installation import SALES, SetInstallation

from tidegate.domain.jobs.records import JobKind
from tidegate.domain.lifecycle.records import Champion, ModelState
from tidegate.messages.commands import (
    AnyCommand,
    CheckPartition,
    JudgeModel,
    PromoteModel,
    Reconcile,
    RetrainModel,
    ScorePartition,
    WeighDrift,
)
from tidepool.cloud import Tidepool

PIPELINES = ("quick_set_training", "quick_set_evaluation", "quick_set_renewal")


@pytest.fixture(scope="module")
def installation(tidepool: Tidepool, tmp_path_factory: pytest.TempPathFactory) -> SetInstallation:
    policy = {**SET_POLICY, "promote": {"approval": "none"}}
    policy["set"] = {**SET_POLICY["set"], "worse": {"pipeline": "quick_set_renewal"}}
    files = [ROOT / f"tests/stories/quick_sets/{name}.yml" for name in PIPELINES]
    score = {"pipeline": "quick", "model": SALES, "compute": "cpu"}
    return SetInstallation(tidepool, tmp_path_factory.mktemp("sets"), policy, files, score=score)


@pytest.fixture(scope="module")
def first(installation: SetInstallation) -> list[AnyCommand]:
    """The first partition is complete: a set is trained on it and judged without a champion."""
    installation.upload("209901", {"a.csv": "001,x\n1,x\n"})
    return installation.run(CheckPartition(cause="test", feed="stories", partition="209901"))


@pytest.fixture(scope="module")
def second(installation: SetInstallation, first: list[AnyCommand]) -> list[AnyCommand]:
    """The first set is champion and has forecast, and the next partition brings the actual values."""
    model = installation.ledger.model(SALES)
    champion = Champion(version="1", source="1", since=installation.clock(), by="a verdict")
    installation.ledger.save(model.model_copy(update={"champion": champion}))
    record = installation.ledger.partition("stories", "209901")
    record.result = "209901-1-g1"
    installation.ledger.save(record)
    installation.blobstore.upload_blob("predictions/stories/209901/209901-1/g1/predictions.csv", b"")
    installation.upload("209902", {"b.csv": "1,x\n"})
    return installation.run(CheckPartition(cause="test", feed="stories", partition="209902"))


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
