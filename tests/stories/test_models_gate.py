"""Models through the gate: registered with the SDK, evaluated beside the champion, passed or refused."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.estate import Running
from tests.model_estate import MODEL, ModelEstate
from tidegate.model_records import Champion, ModelState, ModelVersion
from tidepool.cloud import Tidepool


@pytest.fixture
def estate(tidepool: Tidepool, tmp_path: Path) -> Iterator[ModelEstate]:
    yield ModelEstate(tidepool, tmp_path)
    tidepool.clear_faults()


@pytest.fixture
def running(estate: ModelEstate) -> Iterator[Running]:
    with estate.start() as running:
        yield running


def version(running: Running, number: str) -> ModelVersion:
    found = running.service.ledger.model_version(MODEL, number)
    assert found is not None
    return found


def crown(running: Running, source: str) -> None:
    """Make a version of development the champion, as a promotion does at its end."""
    ledger = running.service.ledger
    model = ledger.model(MODEL)
    model.champion = Champion(version=source, source=source, since=running.service.now(), by="test")
    ledger.save(model)


def test_a_good_model_passes_and_its_verdict_is_found_where_people_look(
    estate: ModelEstate, running: Running
) -> None:
    estate.register("1", accuracy=0.9)
    running.settle()

    record = version(running, "1")
    assert record.state is ModelState.PASSED
    assert record.verdict is not None
    assert [line.rule for line in record.verdict.rules] == [
        "subject",
        "no champion",
        "min_n",
        "min",
        "champion_tolerance",
    ]
    assert estate.evaluations() == {"judge-classifier-1-e1-a1": "Completed"}
    tags = estate.ml.models.get(MODEL, "1").tags
    assert (tags["tidegate_verdict"], tags["tidegate_verdict_id"]) == ("passed", record.verdict.id)
    told = json.dumps(estate.letters())
    assert "classifier:1 passed the gate" in told
    assert "at least 0.8" in told


def test_a_bad_model_is_refused_and_people_read_why(estate: ModelEstate, running: Running) -> None:
    estate.register("1", accuracy=0.79)
    running.settle()

    assert version(running, "1").state is ModelState.REFUSED
    assert estate.ml.models.get(MODEL, "1").tags["tidegate_verdict"] == "failed"
    (letter,) = [one for one in estate.letters() if "refused" in json.dumps(one)]
    assert "FAILED accuracy min: 0.79; asked: at least 0.8" in json.dumps(letter)
