"""Drift through the whole harness: a month measured, a model trained anew on named data, and judged."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.drift import DARK, LIGHT, DriftInstallation
from tests.support.installation import Running
from tests.support.model_versions import MODEL
from tidegate.domain.activities.subjects import model_subject
from tidegate.domain.lifecycle.records import Model, ModelState
from tidegate.domain.lifecycle.training_records import Retraining
from tidegate.messages.commands import RetrainModel
from tidepool.cloud import Tidepool


@pytest.fixture
def installation(tidepool: Tidepool, tmp_path: Path) -> Iterator[DriftInstallation]:
    yield DriftInstallation(tidepool, tmp_path)
    tidepool.clear_faults()


def model(running: Running) -> Model:
    return running.service.ledger.model(MODEL)


@pytest.mark.long  # the handlers' tests have each of its steps
def test_a_month_that_drifts_trains_a_model_that_the_gate_then_judges(
    installation: DriftInstallation, running: Running
) -> None:
    installation.upload("209901", LIGHT)
    running.settle()
    assert [(signal.breached, signal.taken) for signal in model(running).signals] == [(False, False)]

    installation.upload("209902", DARK)
    running.settle()

    job = f"retrain-{MODEL}-measurement-stories-209902-1-g1-a1"
    assert installation.retrainings() == {job: "Completed"}
    trained = installation.ml.jobs.get(job)
    assert trained.tags["tidegate_data"] == "stories:209901-1,stories:209902-1"
    versions = sorted(one.version for one in installation.ml.models.list(MODEL))
    assert versions == ["1", "2"]
    judged = running.service.ledger.model_version(MODEL, "2")
    assert judged
    assert judged.state is ModelState.PASSED
    assert judged.source.data == {"partition_1": "stories:209901-1", "partition_2": "stories:209902-1"}
    record = model(running)
    assert [(signal.breached, signal.taken) for signal in record.signals] == [(False, False), (True, True)]
    assert record.retraining is None

    installation.upload("209903", DARK)
    running.settle()
    running.reconcile()

    assert len(installation.retrainings()) == 1
    ignored = model(running).signals[-1]
    assert (ignored.breached, ignored.taken) == (True, False)
    assert "cool-down" in ignored.why
    told = json.dumps(installation.notifications())
    for words in ("a new model is trained", "no training is started", "100% of what is compared differs"):
        assert words in told


@pytest.mark.long  # the handlers' tests have this case, too
def test_a_training_that_fails_is_told_and_leaves_the_way_free(
    installation: DriftInstallation, running: Running
) -> None:
    installation.upload("209901", {**DARK, "c.png": "dark", "d.png": "hopeless"})
    running.settle()

    record = model(running)
    assert record.retraining is None
    assert len(record.retrained_at) == 1
    assert sorted(one.version for one in installation.ml.models.list(MODEL)) == ["1"]
    assert "nothing can be learned from that" in json.dumps(installation.notifications())
    told = running.service.ledger.activities(model_subject(MODEL))
    assert "model.retraining_failed" in [activity.kind for activity in told]
    assert running.service.ledger.failures() == []


@pytest.mark.long
def test_a_training_on_data_that_is_gone_leaves_the_way_free(
    installation: DriftInstallation, running: Running
) -> None:
    ledger, now = running.service.ledger, datetime(2098, 12, 3, tzinfo=UTC)
    record = ledger.model(MODEL)
    job = f"retrain-{MODEL}-renew-209812-a1"
    record.retraining = Retraining(signal="renew-209812", job=job, data=["stories:209801-1"], since=now)
    ledger.save(record)

    running.service.queue.send(RetrainModel(cause="test", model=MODEL, signal="renew-209812"))
    running.settle()

    assert model(running).retraining is None
    [told] = ledger.activities(model_subject(MODEL))
    assert told.kind == "model.retraining_failed"
    assert "it could not begin" in told.text
    assert "209801-1" in told.text
