"""What the timer finds unfinished."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.config_yaml import a_config, a_feed, values
from tests.support.records import NOW, a_claim, a_job

from tidegate.config.schema import Config
from tidegate.domain.activities.activity import Activity
from tidegate.domain.lifecycle.records import Champion, Model, ModelState, ModelVersion
from tidegate.domain.lifecycle.training_records import Retraining
from tidegate.domain.partitions.records import Partition, ScoringState
from tidegate.messages.commands import (
    AdvanceRollout,
    AnyCommand,
    CheckJob,
    FinishPartition,
    JudgeModel,
    Notify,
    PromoteModel,
    RetrainModel,
    ScorePartition,
    WeighDrift,
)
from tidegate.service.steps.due_work import (
    due_activities,
    due_jobs,
    due_models,
    due_partitions,
    due_scorings,
    due_versions,
)

UTC = ZoneInfo("UTC")
CONFIG = a_config(digits=a_feed(starts="202610"))
FEED = CONFIG.feeds["digits"]
TICK = "timer-1"


def test_expected_months_without_a_row_are_listed_and_earlier_ones_are_not() -> None:
    known = Partition(feed="digits", partition="202611", listed_at=NOW)
    before = Partition(feed="digits", partition="202609")

    assert due_partitions(FEED, [known, before], NOW, UTC) == ["202610", "202611", "202612"]


def test_each_live_scoring_gets_the_command_that_it_waits_for() -> None:
    records = [
        a_claim(state=ScoringState.CLAIMED).record,
        a_claim(state=ScoringState.SUBMITTED, job="score-digits-202611-1-g1-a1").record,
        a_claim(state=ScoringState.JOB_COMPLETED).record,
        *[a_claim(state=state).record for state in ScoringState if state.final],
    ]

    commands = list(due_scorings(FEED, records, TICK))

    assert [type(command) for command in commands] == [ScorePartition, CheckJob, FinishPartition]
    assert all(command.cause == TICK for command in commands)


def test_open_jobs_are_looked_at_unless_their_feed_is_gone() -> None:
    gone = a_job(subject="gone:202611-1-g1")

    assert [command.job for command in due_jobs([a_job(), gone], CONFIG, TICK)] == [
        "score-digits-202611-1-g1-a1"
    ]


@pytest.mark.parametrize(
    ("age", "is_due"),
    [
        (timedelta(seconds=59), False),
        (timedelta(minutes=1), True),
        (timedelta(days=2, seconds=-1), True),
        (timedelta(days=2), False),
    ],
)
def test_an_activity_is_sent_again_after_a_minute_and_until_it_is_two_days_old(
    age: timedelta, is_due: bool
) -> None:
    activity = Activity(
        subject="digits:202611",
        id="late",
        kind="partition.late",
        at=NOW - age,
        title="",
        text="",
        cause="event-1",
    )

    due = list(due_activities([activity], NOW, TICK))

    assert due == ([Notify(cause=TICK, subject="digits:202611", activity="late")] if is_due else [])


def test_people_are_told_of_what_is_untold_for_a_while_and_still_news() -> None:
    ages = {"just now": 0, "forgotten": 5, "old": 60 * 24 * 3}
    activities = [
        Activity(
            subject="digits:202611",
            id=name,
            kind="partition.late",
            at=NOW - timedelta(minutes=minutes),
            title="",
            text="",
            cause="event-1",
        )
        for name, minutes in ages.items()
    ]

    assert [command.activity for command in due_activities(activities, NOW, TICK)] == ["forgotten"]


EVALUATE = {"pipeline": "evaluation", "data": "holdout:4", "compute": "cpu"}
GATE = {"metrics": {"accuracy": {"min": 0.8}}}
PROMOTE = {"to": "production", "approval": "none"}
DRIFT = {"drift": {"feed": "digits"}}
RENEW = {"renew": {"day": NOW.day, "at": "00:00"}}
ROLLOUT = {"promote": PROMOTE, "rollout": {"endpoint": "classifier", "smoke": "smoke.json"}}
RETRAINING = Retraining(signal="s1", job="retrain-classifier-s1-a1", data=["digits:202611-1"], since=NOW)
CHAMPION = Champion(version="7", source="5", since=NOW, by="verdict")


def a_model_config(policy: dict[str, Any]) -> Config:
    models = {"classifier": {"evaluate": EVALUATE, "gate": GATE, **policy}}
    return Config.model_validate(values(digits=a_feed(starts="202610")) | {"models": models})


@pytest.mark.parametrize(
    ("policy", "record", "due"),
    [
        (DRIFT, {"retraining": RETRAINING}, [RetrainModel(cause=TICK, model="classifier", signal="s1")]),
        (DRIFT, {}, []),
        ({}, {"retraining": RETRAINING}, []),
        (DRIFT | RENEW, {}, [WeighDrift(cause=TICK, model="classifier", source="renew", of="202612")]),
        (DRIFT | {"renew": {"day": NOW.day + 1}}, {}, []),
        (ROLLOUT, {"champion": CHAMPION}, [AdvanceRollout(cause=TICK, model="classifier", version="5")]),
        (ROLLOUT, {}, []),
        ({"promote": PROMOTE}, {"champion": CHAMPION}, []),
    ],
)
def test_a_model_gets_the_commands_that_its_policy_and_its_state_ask_for(
    policy: dict[str, Any], record: dict[str, Any], due: list[AnyCommand]
) -> None:
    model = Model(model="classifier", **record)

    assert list(due_models([model], a_model_config(policy), NOW, TICK)) == due


def test_a_model_without_a_row_is_renewed_too() -> None:
    commands = list(due_models([], a_model_config(DRIFT | RENEW), NOW, TICK))

    assert commands == [WeighDrift(cause=TICK, model="classifier", source="renew", of="202612")]


def test_a_model_that_tidegate_yml_no_longer_names_gets_no_command() -> None:
    gone = Model(model="gone", retraining=RETRAINING, champion=CHAMPION)

    assert list(due_models([gone], a_model_config(DRIFT), NOW, TICK)) == []


def test_a_job_whose_feed_is_gone_gets_no_command() -> None:
    gone = a_job(subject="gone:202611-1-g1")

    assert list(due_jobs([gone], CONFIG, TICK)) == []


@pytest.mark.parametrize(
    ("policy", "state", "due"),
    [
        ({"promote": PROMOTE}, ModelState.REGISTERED, JudgeModel),
        ({}, ModelState.EVALUATING, JudgeModel),
        ({"promote": PROMOTE}, ModelState.PASSED, PromoteModel),
        ({"promote": PROMOTE}, ModelState.CHALLENGER, PromoteModel),
        ({}, ModelState.PASSED, None),
        ({"promote": PROMOTE}, ModelState.CHAMPION, None),
        ({"promote": PROMOTE}, ModelState.REFUSED, None),
    ],
)
def test_a_version_gets_the_command_that_it_waits_for(
    policy: dict[str, Any], state: ModelState, due: type[AnyCommand] | None
) -> None:
    record = ModelVersion(model="classifier", version="5", state=state, registered_at=NOW)

    commands = list(due_versions([record], a_model_config(policy), TICK))

    assert [type(command) for command in commands] == ([due] if due else [])
    assert not list(due_versions([record.model_copy(update={"model": "other"})], a_model_config({}), TICK))
