"""What speaks of drift, and when it means that a model is trained anew."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.config_yaml import values

from tidegate.config.model_policy import Drift, Renew
from tidegate.config.schema import Config
from tidegate.domain.activities.drift_texts import signal_weighed
from tidegate.domain.lifecycle.drift import (
    DriftDecision,
    decide_drift,
    due_renewal,
    scored_partitions,
    signal_record,
    with_retraining,
    with_signal,
)
from tidegate.domain.lifecycle.drift_signals import (
    DriftSignal,
    read_dataset_monitor,
    read_measurement,
    read_monitor,
    renewal,
    signal_id,
)
from tidegate.domain.lifecycle.records import Model
from tidegate.domain.lifecycle.retraining import plan_retraining, retrain_job, retrained_by
from tidegate.domain.lifecycle.training_records import Retraining
from tidegate.domain.partitions.records import Partition
from tidegate.messages.commands import RetrainModel, WeighDrift
from tidegate.messages.events import DataDrifted, Event, RunChanged
from tidegate.service.meanings import RecordActivity, Send
from tidegate.service.routing import Routes

NOW = datetime(2026, 11, 21, 2, 10, tzinfo=UTC)
TOKYO = ZoneInfo("Asia/Tokyo")
DRIFT = Drift(feed="digits", breaches=2, of_last=3)
BREACH = (
    "The signal 'drift' has failed due to one or more features violating metric thresholds. "
    "The feature names and their corresponding computed metric values violating the threshold are \n"
    '["{\\"group\\": \\"brightness\\", \\"metric_value\\": 0.01, \\"metric_name\\": \\"KS\\", '
    '\\"threshold_value\\": 0.05}", "{\\"group\\": \\"noi'
)
MEASURED = {
    "measured": True,
    "reference": "digits-training:1",
    "n": 300,
    "breached": True,
    "share_drifted": 0.6,
    "features": {"brightness": {"value": 0.7, "drifted": True}, "edges": {"value": 0.1, "drifted": False}},
    "predictions": {"label": {"value": 0.5, "drifted": True}},
}


def a_signal(partition: int, *, breached: bool = True, generation: int = 1) -> DriftSignal:
    of = f"digits:2026{partition:02}-1-g{generation}"
    signal = read_measurement(of, json.dumps({**MEASURED, "breached": breached}).encode(), NOW)
    return signal


def a_model(*signals: DriftSignal, **fields: Any) -> Model:
    model = Model(model="m", **fields)
    for signal in signals:
        model = with_signal(model, signal_record(signal, DriftDecision(False, "before")))
    return model


def a_retraining(**fields: Any) -> Retraining:
    given = {"signal": "renew-202611", "job": "retrain-m-renew-202611-a1", "data": ["digits:202611-1"]}
    return Retraining.model_validate({**given, "since": NOW, **fields})


def decide(model: Model, signal: DriftSignal, now: datetime = NOW) -> DriftDecision:
    return decide_drift(model, signal, DRIFT, now, TOKYO)


def test_a_measurement_says_what_drifted() -> None:
    signal = a_signal(11)

    assert (signal.id, signal.about, signal.breached) == (
        "measurement-digits-202611-1-g1",
        "digits:202611",
        True,
    )
    assert signal.why == "60% of what is compared differs from digits-training:1: brightness, label"


@pytest.mark.parametrize(
    "content",
    [
        b'{"measured": false, "why": "the model has no reference", "breached": false}',
        b'{"breached": "yes"}',
        b"{}",
        b"[]",
        b"not json",
        b"\xff",
    ],
)
def test_what_was_not_measured_is_recorded_and_does_not_count(content: bytes) -> None:
    signal = read_measurement("digits:202611-1-g1", content, NOW)

    assert (signal.counts, signal.breached) == (False, False)
    model = a_model(a_signal(9), signal)
    assert [signal.counts for signal in model.signals] == [True, False]
    assert decide(model, signal) == DriftDecision(False, signal.why)
    assert decide(model, a_signal(10)).taken


def test_a_monitors_list_that_was_cut_off_is_read_as_far_as_it_goes() -> None:
    signal = read_monitor("run-1:drift", BREACH, NOW)

    assert signal.breached
    assert signal.why == "a monitor found metric thresholds violated: brightness"
    assert signal.evidence["features"] == [
        {"group": "brightness", "metric_name": "KS", "metric_value": 0.01, "threshold_value": 0.05}
    ]


def test_a_tag_in_unknown_words_is_recorded_told_and_does_not_count() -> None:
    signal = read_monitor("run-1:drift", "all is well", NOW)

    record = signal_record(signal, decide(Model(model="m"), signal))
    assert (record.counts, record.breached, record.taken) == (False, False, False)
    assert record.why == "the monitor's tag has an unknown text: all is well"
    told = signal_weighed("m", record, "event-1")
    assert told
    assert told.kind == "drift.ignored"


def test_signals_of_one_run_of_a_monitor_count_once() -> None:
    first, second = (read_monitor(f"run-1:{name}", BREACH, NOW) for name in ("drift", "quality"))
    other = read_monitor("run-2:drift", BREACH, NOW)

    assert not decide(a_model(first), second).taken
    assert decide(a_model(first, second), other).taken


def test_the_same_is_the_same_signal_and_names_stay_apart() -> None:
    assert signal_id("monitor", "run-1:drift") == signal_id("monitor", "run-1:drift")
    assert signal_id("monitor", "run-1:a b") != signal_id("monitor", "run-1:a-b")
    assert signal_id("renew", "202611") == "renew-202611"
    assert len(signal_id("monitor", "x" * 1000)) < 100


def test_one_breach_of_two_that_are_asked_for_is_ignored_with_its_reason() -> None:
    decision = decide(a_model(a_signal(9, breached=False)), a_signal(10))

    assert not decision.taken
    assert decision.why.startswith("1 of 2 signals breached since the last training; 2 of the last 3")


def test_the_second_breach_of_the_last_three_is_taken() -> None:
    model = a_model(a_signal(9), a_signal(10, breached=False))

    assert decide(model, a_signal(11)).taken


def test_breaches_that_are_too_long_ago_do_not_count() -> None:
    model = a_model(a_signal(7), *(a_signal(partition, breached=False) for partition in (8, 9, 10)))

    assert not decide(model, a_signal(11)).taken


def test_a_month_that_is_scored_again_counts_once() -> None:
    assert not decide(a_model(a_signal(11)), a_signal(11, generation=2)).taken


def test_sources_count_together() -> None:
    monitor = read_monitor("run-1:drift", BREACH, NOW)
    retired = read_dataset_monitor("d:run-2", "0.83", NOW)

    assert decide(a_model(monitor), retired).taken
    assert decide(a_model(a_signal(10)), retired).taken


def test_no_drift_trains_nothing_however_much_there_was() -> None:
    assert not decide(a_model(a_signal(9), a_signal(10)), a_signal(11, breached=False)).taken


def test_while_a_retraining_is_under_way_nothing_else_begins() -> None:
    model = a_model(a_signal(10), retraining=a_retraining())

    assert decide(model, a_signal(11)).why.startswith("a retraining is under way: retrain-m")
    assert not decide(model, renewal("202611", NOW)).taken


def test_the_cool_down_counts_from_the_last_training_and_old_breaches_are_forgotten() -> None:
    model = a_model(a_signal(9), a_signal(10))
    model = with_retraining(model, a_retraining())
    model.retraining = None

    assert (
        "cool-down ends at 2026-11-28" in decide(model, renewal("202611", NOW), NOW + timedelta(days=6)).why
    )
    later = NOW + timedelta(days=40)
    assert not decide(model, a_signal(11), later).taken


def test_so_many_trainings_a_month_and_no_more() -> None:
    at = datetime(2026, 11, 1, 0, 0, tzinfo=UTC)
    model = a_model(retrained_at=[at])

    assert (
        decide(model, renewal("202611", NOW)).why
        == "the model was trained 1 times this month; per_month allows 1"
    )
    assert decide(
        model, renewal("202612", NOW), datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
    ).taken  # Tokyo's 1st


@pytest.mark.parametrize(
    ("now", "due"),
    [("2026-11-30T17:59", None), ("2026-11-30T18:00", "202612"), ("2026-12-01T18:01", None)],
)
def test_a_renewal_is_due_for_a_day_from_its_local_time_on(now: str, due: str | None) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)

    assert due_renewal(a_model(), Renew(day=1, at="03:00"), moment, TOKYO) == due


def test_a_renewal_is_weighed_once() -> None:
    moment = datetime(2026, 11, 30, 18, 0, tzinfo=UTC)
    model = a_model(renewal("202612", moment))

    assert due_renewal(model, Renew(day=1, at="03:00"), moment, TOKYO) is None


def test_the_newest_scored_months_are_trained_on_oldest_first() -> None:
    months = [
        Partition(feed="digits", partition=f"2026{n:02}", result=f"2026{n:02}-2-g3") for n in (9, 11, 10)
    ]
    months.append(Partition(feed="digits", partition="202612"))

    assert scored_partitions(months, 2) == ["202610-2", "202611-2"]


def test_a_retraining_names_every_data_version() -> None:
    drift = Drift(feed="digits", training="digits-training:1")
    data = ["digits-training:1", "digits:202610-1", "digits:202611-2"]

    plan = plan_retraining("m", drift, a_retraining(data=data))

    assert plan.inputs == {
        "training": ("uri_folder", "azureml:digits-training:1"),
        "partition_1": ("uri_folder", "azureml:digits:202610-1"),
        "partition_2": ("uri_folder", "azureml:digits:202611-2"),
    }
    assert plan.literals["data"] == "digits-training:1,digits:202610-1,digits:202611-2"
    assert plan.models == {"model": "m"}


@pytest.mark.parametrize("model", ["m", "digit-classifier", "my.model", "retrain-renew-x"])
@pytest.mark.parametrize("signal", ["renew-202611", "measurement-digits-202611-1-g1", "dataset-monitor-d-1"])
def test_a_jobs_name_leads_back_to_its_model(model: str, signal: str) -> None:
    assert retrained_by(retrain_job(model, signal, 2), ["other", model]) == (model, signal)


def routes(**models: Any) -> Routes:
    policy = {
        "evaluate": {"data": "holdout:4", "compute": "cpu"},
        "gate": {"metrics": {"accuracy": {"min": 0.8}}},
    }
    content = values() | {
        "models": {name: {**policy, "drift": {"feed": "digits", **drift}} for name, drift in models.items()}
    }
    return Routes(Config.model_validate(content), timedelta(seconds=10))


TOPIC = Config.model_validate(values()).workspaces.development.arm_id.lower()
RUN = RunChanged(
    id="e",
    topic=TOPIC,
    type="t",
    run_id="run-1",
    status="completed",
    tags={"AzureML_ModelMonitor_Threshold_Breached": BREACH},
)
RETIRED = DataDrifted(id="e", topic=TOPIC, type="t", monitor="old", run_id="run-2", coefficient="0.83")


@pytest.mark.parametrize(("event", "source"), [(RUN, "monitor"), (RETIRED, "dataset_monitor")])
def test_events_of_monitors_become_signals_of_the_one_model_they_speak_of(event: Event, source: str) -> None:
    (sent,) = routes(m={}).meanings(event, NOW)

    assert isinstance(sent, Send)
    assert isinstance(sent.command, WeighDrift)
    assert (sent.command.model, sent.command.source) == ("m", source)


def test_an_event_that_fits_several_models_or_none_is_recorded_only() -> None:
    (of_several,) = routes(a={}, b={}).meanings(RUN, NOW)
    (of_none,) = routes(a={"monitors": ["other"]}).meanings(RUN, NOW)
    (named,) = routes(a={"monitors": ["dri*"]}, b={"monitors": ["other"]}).meanings(RUN, NOW)

    assert isinstance(of_several, RecordActivity)
    assert isinstance(of_none, RecordActivity)
    assert isinstance(named, Send)


def test_the_end_of_a_retraining_is_looked_at() -> None:
    job = retrain_job("m", "measurement-digits-202611-1-g1", 1)
    event = RunChanged(id="e", topic=TOPIC, type="t", run_id=job, status="completed", tags={})

    expected = Send(RetrainModel(cause="e", model="m", signal="measurement-digits-202611-1-g1"))
    assert routes(m={}).meanings(event, NOW) == [expected]
