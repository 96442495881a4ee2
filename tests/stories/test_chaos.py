"""A short chaos run, and three faults in the product itself that a chaos run must find."""

import re
from pathlib import Path

import pytest

from tests.chaos.invariants import broken
from tests.chaos.run import run
from tests.chaos.sabotage import SABOTAGES
from tidepool.cloud import Tidepool

SEED = 32  # an upload, three re-runs, a changed file, a dead message, a model; two deaths and an outage


def sentences(cloud: Tidepool, folder: Path, *, steps: int, sabotage: str | None = None) -> list[str]:
    with run(cloud, folder, seed=SEED, until=lambda step: step > steps, sabotage=sabotage) as chaos:
        return broken(chaos)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_every_invariant_holds_after_a_short_chaos(tidepool: Tidepool, tmp_path: Path) -> None:
    assert sentences(tidepool, tmp_path, steps=4) == []


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("sabotage", "found"),
    [
        ("record_before_send", "nobody was notified"),
        ("drop_poison", "died, and no failure says so"),
        # The claim of a re-run is lost, or the end of one is.
        ("skip_etag", "was accepted, and its generations are|; scored are"),
    ],
)
def test_a_fault_in_the_product_is_found(
    tidepool: Tidepool, tmp_path: Path, sabotage: str, found: str
) -> None:
    assert re.search(found, "\n".join(sentences(tidepool, tmp_path, steps=5, sabotage=sabotage)))


def test_each_sabotage_is_tried() -> None:
    [tried] = [
        mark.args[1] for mark in test_a_fault_in_the_product_is_found.pytestmark if mark.name == "parametrize"
    ]

    assert {sabotage for sabotage, _ in tried} == set(SABOTAGES)
