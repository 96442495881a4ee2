"""A model set behind an online endpoint: rolled out in steps and rolled back, with all its members."""

from pathlib import Path
from typing import Any, ClassVar

import cloudpickle
import pytest
from azure.ai.ml.entities import Model
from model_sets.contents import cloudpickle_content
from tests.support import model_sets as small_sets
from tests.support.hand_made_sets import SET_POLICY
from tests.support.model_sets import Doubler, write_small_set
from tests.support.promotions import MODEL
from tests.support.rollouts import Rollouts

from tidepool.cloud import Tidepool

COLUMNS = ("store", "product", "day", "price")
KEYS = (("001", "1"), ("1", "日本"), ("new", "1"))
ROWS = [[*key, "2024-10-05", 1.5] for key in KEYS]


class SetRollouts(Rollouts):
    """Rollouts of a set whose members forecast the price times the number of the version.

    The last key has a member from version 2 on.
    """

    question: ClassVar[dict[str, Any]] = {"input_data": {"columns": list(COLUMNS), "data": ROWS}}

    def configure(self, **policy: Any) -> None:
        super().configure(set={**SET_POLICY["set"], "feed": "digits"}, **policy)

    def register(self, version: str, tags: dict[str, str] | None = None) -> None:
        cloudpickle.register_pickle_by_value(small_sets)  # the endpoint does not have the module
        member = ("cloudpickle", cloudpickle_content(Doubler(factor=float(version))))
        cloudpickle.unregister_pickle_by_value(small_sets)
        keys = KEYS if int(version) > 1 else KEYS[:2]
        folder = self.folder / f"set-{version}"
        write_small_set(folder, dict.fromkeys(keys, member))
        self.ml.models.create_or_update(
            Model(name=MODEL, version=version, path=folder, type="mlflow_model", tags=tags or {})
        )

    def forecasts(self, deployment: str = "") -> list[tuple[float | None, str]]:
        """Return forecast and state of each row of the answer."""
        [answer] = self.answers(1, deployment)
        return [(row["forecast"], row["state"]) for row in answer.json()]


@pytest.mark.long  # four deployments, each of which starts MLflow
def test_a_set_is_rolled_out_in_steps_and_rolled_back_with_all_its_members(
    tidepool: Tidepool, tmp_path: Path
) -> None:
    rollouts = SetRollouts(tidepool, tmp_path)
    of_first = [(1.5, "ok"), (1.5, "ok"), (None, "no_member")]
    of_second = [(3.0, "ok"), (3.0, "ok"), (3.0, "ok")]

    rollouts.arrive("1")
    rollouts.arrive("2", until="10")
    rollouts.roll(until="baking")

    assert rollouts.traffic == {"v-1": 90, "v-2": 10}
    assert rollouts.forecasts("v-1") == of_first
    assert rollouts.forecasts("v-2") == of_second

    rollouts.roll()

    assert (rollouts.traffic, rollouts.champions) == ({"v-2": 100}, ("2", "1", None))
    assert rollouts.forecasts() == of_second

    rollouts.roll_back("1")

    assert rollouts.champions[0] == "1"
    assert rollouts.forecasts() == of_first
