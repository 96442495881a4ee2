"""A rollback in the middle of a rollout, which does not come up: tried again by itself, then by a person."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.rollouts import Rollouts

from tidepool.cloud import Tidepool


@pytest.fixture
def rollouts(tidepool: Tidepool, tmp_path: Path) -> Iterator[Rollouts]:
    yield Rollouts(tidepool, tmp_path, steps=[100], bake="5m")
    tidepool.clear_faults()


@pytest.mark.long  # it starts five deployments
def test_a_rollback_ends_with_the_champion_s_deployment_alone(rollouts: Rollouts) -> None:
    rollouts.arrive("1")
    rollouts.arrive("2")
    rollouts.arrive("3", until="100")
    rollouts.roll(until="baking")
    rollouts.cloud.fault("provisioning", "fail", match={"deployment": "v-1"}, times=3)

    rollouts.roll_back("1")

    assert rollouts.champions == ("1", None, None)
    ended = rollouts.rollout("1")
    assert (ended.phase, ended.failed_tries) == ("rolled_back", 2)
    assert str(ended.why).startswith("the deployment is Failed")
    assert rollouts.activity_kinds("1").count("rollout.failed") == 1
    assert rollouts.traffic == {"v-2": 100}

    rollouts.clock.now += timedelta(hours=1)
    rollouts.roll_back("1")

    assert rollouts.traffic == {"v-1": 100}
    assert rollouts.ask() == ["1"]
    assert rollouts.deployments == ["v-1"]
    assert rollouts.champions == ("1", None, None)
