"""What the timer finds unfinished."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from tests.support.config_yaml import a_config, a_feed
from tests.support.records import NOW, a_claim, a_job

from tidegate.domain.activities.activity import Activity
from tidegate.domain.partitions.records import Month, ScoringState
from tidegate.messages.commands import CheckJob, FinishMonth, ScoreMonth
from tidegate.service.handlers.reconcile import due_activities, due_jobs, due_months, due_scorings

UTC = ZoneInfo("UTC")
CONFIG = a_config(digits=a_feed(starts="202610"))
FEED = CONFIG.feeds["digits"]
TICK = "timer-1"


def test_expected_months_without_a_row_are_listed_and_earlier_ones_are_not() -> None:
    known = Month(feed="digits", month="202611", listed_at=NOW)
    before = Month(feed="digits", month="202609")

    assert due_months(FEED, [known, before], NOW, UTC) == ["202610", "202611", "202612"]


def test_each_live_scoring_gets_the_command_that_it_waits_for() -> None:
    records = [
        a_claim(state=ScoringState.CLAIMED).record,
        a_claim(state=ScoringState.SUBMITTED, job="score-digits-202611-1-g1-a1").record,
        a_claim(state=ScoringState.JOB_COMPLETED).record,
        *[a_claim(state=state).record for state in ScoringState if state.final],
    ]

    commands = list(due_scorings(FEED, records, TICK))

    assert [type(command) for command in commands] == [ScoreMonth, CheckJob, FinishMonth]
    assert all(command.cause == TICK for command in commands)


def test_open_jobs_are_looked_at_unless_their_feed_is_gone() -> None:
    gone = a_job().model_copy(update={"feed": "gone"})

    assert [command.job for command in due_jobs([a_job(), gone], CONFIG, TICK)] == [
        "score-digits-202611-1-g1-a1"
    ]


def test_people_are_told_of_what_is_untold_for_a_while_and_still_news() -> None:
    ages = {"just now": 0, "forgotten": 5, "old": 60 * 24 * 3}
    activities = [
        Activity(
            subject="digits:202611",
            id=name,
            kind="month.late",
            at=NOW - timedelta(minutes=minutes),
            title="",
            text="",
            cause="event-1",
        )
        for name, minutes in ages.items()
    ]

    assert [command.activity for command in due_activities(activities, NOW, TICK)] == ["forgotten"]
