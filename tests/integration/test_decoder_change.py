"""The image decoder of the scoring pipeline changes: the champion is judged again before it scores."""

from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import load_component
from tests.support.handler_harness import CHECK, FEED, MONTH, HandlerHarness, commands
from tests.support.installation import QUICK
from tests.support.model_versions import MODEL, ModelInstallation

from tidegate.domain.lifecycle.records import Champion, ModelState, ModelVersion
from tidegate.domain.lifecycle.verdict_records import Verdict
from tidegate.messages.commands import JudgeModel
from tidepool.cloud import Tidepool

SCORE = {
    "pipeline": "quick",
    "model": MODEL,
    "compute": "gpu-lowpri",
    "max_error_rate": 0.2,
}


class Champions(HandlerHarness):
    """A champion, version 1, that was judged with image decoder 1."""

    def __init__(self, cloud: Tidepool, folder: Path) -> None:
        self.models = ModelInstallation(
            cloud,
            folder,
            policy={"promote": {"to": "production", "approval": "none"}},
            score=SCORE,
        )
        super().__init__(self.models)
        self.deploy_decoder("2")

    def champion(self, accuracy: float, **figures: Any) -> None:
        self.models.register("1", accuracy, decoder="2", **figures)
        now = self.clock()
        verdict = Verdict(
            id="e1",
            passed=True,
            mode="enforce",
            rules=[],
            data="holdout:4",
            champion=None,
            job="judge-classifier-1-e1-a1",
            decoder="1",
            at=now,
        )
        state = ModelState.CHAMPION
        record = ModelVersion(model=MODEL, version="1", state=state, registered_at=now, verdict=verdict)
        self.ledger.save(record)
        model = self.ledger.model(MODEL)
        model.champion = Champion(version="1", source="1", since=now, by="test")
        self.ledger.save(model)

    def deploy_decoder(self, decoder: str) -> None:
        """Register the scoring pipeline with another image decoder."""
        pipeline = load_component(QUICK)
        pipeline.tags["tidegate_decoder"] = decoder
        self.models.ml.components.create_or_update(pipeline, version=decoder)

    def announced(self) -> list[tuple[str, str]]:
        """Return kind and text of what was announced about the model."""
        activities = self.ledger.activities(f"model:development:{MODEL}")
        return [(activity.kind, activity.text) for activity in activities]


@pytest.fixture
def champions(faults: Tidepool, tmp_path: Path) -> Champions:
    return Champions(faults, tmp_path)


def test_the_champion_is_judged_with_the_new_decoder_before_the_next_partition_is_scored(
    champions: Champions,
) -> None:
    champions.champion(0.9)
    champions.models.upload(MONTH, {"a.png": "cat"})
    [score] = commands(champions.do(CHECK))

    [judge, wait] = commands(champions.do(score))
    assert champions.service.dry_runs.partition(FEED, MONTH).problem == (
        "champion classifier:1 is first judged with image decoder 2"
    )
    assert commands(champions.do(score)) == [judge, wait]
    assert champions.models.jobs() == {}
    assert isinstance(judge, JudgeModel)
    champions.run(judge, wait)

    assert champions.partition.result == f"{MONTH}-1-g1"
    assert champions.models.evaluations(MODEL) == {"judge-classifier-1-e1-a1": "Completed"}
    assert [kind for kind, _ in champions.announced()] == ["model.champion_judged"]
    record = champions.ledger.model_version(MODEL, "1")
    assert record is not None
    assert (record.state, record.verdict and record.verdict.id) == (ModelState.CHAMPION, "e1")
    assert [(check.decoder, check.problem) for check in record.decoder_checks] == [("2", None)]
    champions.models.upload("209902", {"a.png": "cat"})
    champions.run(CHECK.model_copy(update={"partition": "209902"}))
    assert len(champions.models.jobs("209902")) == 1
    assert len(champions.models.evaluations(MODEL)) == 1


def test_a_champion_that_does_not_pass_is_announced_and_scores_all_the_same(champions: Champions) -> None:
    champions.champion(0.7)
    champions.models.upload(MONTH, {"a.png": "cat"})

    champions.run(CHECK)

    [(kind, text)] = champions.announced()
    assert kind == "model.champion_unfit"
    assert "accuracy: 0.7" in text
    assert "tidegate retrain classifier" in text
    assert champions.partition.result == f"{MONTH}-1-g1"


def test_an_evaluation_that_fails_does_not_stop_the_scoring(champions: Champions) -> None:
    champions.champion(0.9)
    champions.models.change(evaluate={"pipeline": "quick_evaluation", "data": "missing:1", "compute": "cpu"})
    champions.models.upload(MONTH, {"a.png": "cat"})

    champions.run(CHECK)

    [(kind, text)] = champions.announced()
    assert kind == "model.champion_unfit"
    assert "missing" in text
    assert champions.partition.result == f"{MONTH}-1-g1"


def test_scoring_waits_a_day_at_most(champions: Champions) -> None:
    champions.champion(0.9)
    champions.models.upload(MONTH, {"a.png": "cat"})
    [score] = commands(champions.do(CHECK))
    assert champions.do(score)

    champions.clock.move(days=1)
    champions.run(score)

    [(kind, text)] = champions.announced()
    assert (kind, "Look at its evaluation" in text) == ("model.champion_unfit", True)
    assert champions.partition.result == f"{MONTH}-1-g1"
