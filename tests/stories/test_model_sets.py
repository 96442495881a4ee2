"""The promises of model sets, with the real pipelines: a month is forecast, and some keys are renewed."""

from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import load_environment
from examples.sales.sales import ARRIVES, HISTORY, all_keys, delivery, faults_of

from tests.support.installation import ROOT
from tests.support.set_installation import SALES, SetInstallation
from tidegate.domain.model_sets.members import Member, MemberQuery
from tidegate.messages.commands import AnyCommand, CheckPartition, ScorePartition
from tidepool.cloud import Tidepool

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

KEYS = all_keys(12)
POLICY: dict[str, Any] = {
    "evaluate": {"data": "newest", "compute": "cpu"},
    "gate": {
        "metrics": {"wape": {"max": 0.5, "champion_tolerance": 0.05, "higher_is_better": False}},
        "set": {"min_coverage": 0.9, "max_share_failed": 0.1},
    },
    "promote": {"approval": "none"},
    "set": {
        "keys": ["store", "product"],
        "feed": "stories",
        "target": "units",
        "time": "date",
        "horizon": 28,
        "min_rows": 60,
        "trainer": "lightgbm-fast",
        "covariates": ["price"],
        "buckets": 2,
        "worse": {"by": 1.0, "breaches": 1, "of_last": 1},
    },
}


class Sales(SetInstallation):
    """The sales of 12 keys, which arrive in two months."""

    def __init__(self, cloud: Tidepool, folder: Path) -> None:
        score = {"pipeline": "set_scoring", "model": SALES, "compute": "cpu", "max_error_rate": 0.1}
        names = ("set_training", "set_evaluation", "set_scoring", "set_renewal")
        pipelines = [ROOT / f"src/assets/{name}/pipeline.yml" for name in names]
        super().__init__(cloud, folder, POLICY, [], score=score, only="*.parquet", starts=int(HISTORY))
        self.ml.environments.create_or_update(load_environment(ROOT / "src/assets/environments/scoring.yml"))
        self.register_pipelines(pipelines)

    def arrive(self, month: str) -> list[AnyCommand]:
        for name, content in delivery(KEYS, month).items():
            self.images.upload_blob(f"{month}/{name}", content, overwrite=True)
        return self.run(
            CheckPartition(cause="test", feed="stories", partition=month), leave=(ScorePartition,)
        )

    def members(self, version: str = "") -> dict[tuple[str, str], Member]:
        """Return the members of a version, or of the champion."""
        champion = self.ledger.model(SALES).champion
        assert champion is not None
        index = self.served.indexes.open(SALES, version or champion.source)
        rows = index.members(MemberQuery(), None, 1000)
        return {(row.key["store"], row.key["product"]): row for row in rows}


def test_a_set_is_trained_promoted_and_renewed_where_needed(tidepool: Tidepool, tmp_path: Path) -> None:
    sales, faults = Sales(tidepool, tmp_path), faults_of(KEYS)

    scorings = sales.arrive(HISTORY)
    before = sales.members()
    sales.run(*scorings, leave=())
    result = sales.ledger.partition("stories", HISTORY).claims[-1].generation
    sales.arrive(ARRIVES)
    candidate, after = sales.members("2"), sales.members()

    assert before.keys() == set(KEYS) - {faults.new}
    assert before[faults.too_few].fallback == "baseline"
    assert result.state == "scored"
    assert result.outcome is not None
    assert result.outcome.rows >= 30 * len(before)
    assert after.keys() == set(KEYS)
    jobs = {key: row.trained_in for key, row in before.items()}
    trained = {key for key, row in candidate.items() if row.trained_in != jobs.get(key, "none")}
    assert trained == {faults.regime, faults.new, faults.too_few}
    assert {key for key, row in after.items() if row.trained_in != jobs.get(key, "none")} <= trained
