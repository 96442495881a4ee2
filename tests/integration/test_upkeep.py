"""What becomes of jobs, who is told, and what the timer finds: handlers with the real SDKs on Tidepool."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support import config_yaml as tidegate_yml
from tests.support.handler_harness import CHECK, FEED, FINISH, JOB, LOOK, MONTH, SCORE, TOPIC, House, commands
from tests.support.installation import Estate

from tidegate.domain.activities.activity import Activity
from tidegate.domain.partitions.records import ScoringState
from tidegate.errors import ConflictError, TransientError
from tidegate.messages.commands import CheckMonth, Notify, Reconcile
from tidegate.service.steps.generation_claims import Wish
from tidepool.cloud import Tidepool

FILES = {"a.png": "cat", "b.png": "dog"}
TICK = Reconcile(cause="timer-1")
NEWS = Notify(cause="test", subject="stories:209901", activity="news")


@pytest.fixture
def estate(tidepool: Tidepool, tmp_path: Path) -> Iterator[Estate]:
    yield Estate(tidepool, tmp_path)
    tidepool.clear_faults()


@pytest.fixture
def house(estate: Estate) -> House:
    return House(estate)


def preempt(estate: Estate, times: int) -> None:
    match = {"workspace": f"*{estate.workspace.name}", "run": "score-*"}
    estate.cloud.fault("run", "preempt", match=match, times=times)


def some_news(house: House, kind: str = "month.late") -> None:
    now = house.clock.now
    activity = Activity(
        subject=NEWS.subject, id=NEWS.activity, kind=kind, at=now, title="News", text="Words", cause="test"
    )
    house.ledger.add_activity(activity)


def channels(estate: Estate, *paths: str) -> None:
    values = tidegate_yml.values(stories=tidegate_yml.a_feed(estate.account.name))
    values["notify"] = [{"url": path, "events": ["month.*"]} for path in paths]
    tidegate_yml.write(estate.config_file.parent, values)


def test_a_preempted_job_is_followed_by_one_next_attempt(estate: Estate, house: House) -> None:
    preempt(estate, times=1)
    estate.upload(MONTH, FILES)
    house.until_submitted()

    first, again = house.do(LOOK), house.do(LOOK)

    assert commands(first) == commands(again) == [SCORE.model_copy(update={"generation": 1})]
    generation = house.claim.generation
    assert (generation.state, generation.attempt) == (ScoringState.CLAIMED, 2)
    job = house.ledger.job("development", JOB)
    assert job is not None
    assert job.final
    assert "preempted on gpu-lowpri" in (job.reason or "")
    assert house.kinds.count("month.preempted") == 1


def test_a_late_event_of_an_earlier_attempt_changes_nothing(estate: Estate, house: House) -> None:
    preempt(estate, times=1)
    estate.upload(MONTH, FILES)
    house.until_submitted()
    house.do(LOOK)
    house.do(SCORE)
    before = house.month

    assert house.do(LOOK) == []

    assert house.month == before
    assert sorted(estate.jobs()) == [JOB, JOB.replace("-a1", "-a2")]


def test_a_job_killed_before_its_end_was_recorded_is_taken_on(estate: Estate, house: House) -> None:
    """The generation moved on, and the job's row did not: as after a kill between the two writes."""
    preempt(estate, times=1)
    estate.upload(MONTH, FILES)
    house.until_submitted()
    house.do(LOOK)
    job = house.ledger.job("development", JOB)
    assert job is not None
    job.final, job.reason = False, None
    house.ledger.save(job)

    house.run(LOOK)

    assert house.month.result == "209901-1-g1"
    assert house.claim.generation.attempt == 2
    assert house.kinds.count("month.preempted") == 1


def test_a_failed_job_fails_its_generation_with_its_steps_words(estate: Estate, house: House) -> None:
    estate.upload(MONTH, FILES, marker=False)
    estate.images.upload_blob(f"{MONTH}/binary.png", b"\xff")
    estate.upload(MONTH, {})

    house.run(CHECK)

    assert house.claim.generation.state is ScoringState.FAILED
    assert "UnicodeDecodeError" in (house.claim.generation.error or "")
    assert "month.failed" in house.kinds
    assert list(estate.jobs()) == [JOB]


def test_a_cancelled_job_is_announced_and_not_submitted_again(estate: Estate, house: House) -> None:
    match = {"workspace": f"*{estate.workspace.name}", "run": "score-*"}
    estate.cloud.fault("run", "never_start", match=match)
    estate.upload(MONTH, FILES)
    house.until_submitted()
    assert house.do(LOOK) == []
    estate.ml.jobs.begin_cancel(JOB)
    estate.wait_for_job(JOB, status="Canceled")

    house.run(LOOK)
    house.run(TICK)

    assert house.claim.generation.state is ScoringState.CANCELLED
    assert list(estate.jobs()) == [JOB]
    assert "month.cancelled" in house.kinds


def test_jobs_of_others_are_left_alone(house: House) -> None:
    for name in ("train-1", "score-nobodys-209901-1-g1-a1", "score-stories-209901-9-g1-a1"):
        assert house.do(LOOK.model_copy(update={"job": name})) == []


def test_a_completed_job_without_an_outcome_fails(estate: Estate, house: House) -> None:
    estate.upload(MONTH, FILES)
    house.until_submitted()
    house.do(LOOK)
    estate.blobstore.delete_blob("predictions/stories/209901/209901-1/g1/reconciliation.json")

    house.do(FINISH)

    assert house.claim.generation.state is ScoringState.FAILED
    assert "left no reconciliation.json" in (house.claim.generation.error or "")


def test_each_channel_hears_of_an_activity_once(estate: Estate, house: House) -> None:
    some_news(house)

    def tell() -> None:
        try:
            house.do(NEWS)
        except ConflictError:
            house.do(NEWS)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: tell(), range(3)))

    [letter] = estate.letters()
    assert (letter["title"], letter["message"]) == ("News", "Words")
    assert house.do(NEWS) == []


def test_a_channel_that_fails_stops_no_other_and_is_tried_again(estate: Estate, house: House) -> None:
    good, bad = f"jsons://mailbox.tidepool/{estate.account.name}", "jsons://nowhere.tidepool/x"
    channels(estate, bad, good)
    some_news(house)

    for _ in range(2):
        with pytest.raises(TransientError, match="1 channels did not take"):
            house.do(NEWS)
    assert len(estate.letters()) == 1

    channels(estate, good)
    house.clock.move(minutes=1)
    house.do(NEWS)
    assert house.activities[0].done
    assert len(estate.letters()) == 1


def test_a_topic_that_is_away_is_tried_again(estate: Estate, house: House) -> None:
    some_news(house, "month.scored")
    # 403, as a role that was taken away: the SDK itself would try 503 again, for seconds.
    estate.cloud.fault("request", "status", match={"host": urlsplit(TOPIC).hostname}, value=403, times=None)

    for _ in range(2):
        with pytest.raises(TransientError, match="publish Tidegate"):
            house.do(NEWS)
    assert len(estate.letters()) == 1

    estate.cloud.clear_faults()
    house.do(NEWS)
    assert house.activities[0].done
    assert "topic" in house.activities[0].sent


def test_who_was_killed_while_telling_is_followed_after_two_minutes(estate: Estate, house: House) -> None:
    some_news(house)
    activity = house.activities[0]
    activity.taken_at = house.clock.now
    house.ledger.save(activity)

    assert house.do(NEWS) == []
    assert estate.letters() == []

    house.clock.move(minutes=2)
    assert NEWS.model_copy(update={"cause": TICK.cause}) in [one.command for one in house.do(TICK)]
    house.do(NEWS)
    assert len(estate.letters()) == 1


def test_a_scored_month_is_an_event_on_our_own_topic_under_one_id(estate: Estate, house: House) -> None:
    before = len(estate.cloud.events)
    some_news(house, "month.scored")
    house.do(NEWS)
    activity = house.activities[0]
    activity.done, activity.sent = False, []
    house.ledger.save(activity)
    house.do(NEWS)

    own = [one for one in estate.cloud.events[before:] if one.get("eventType") == "Tidegate.MonthScored"]
    assert [one["subject"] for one in own] == ["stories:209901"] * 2
    assert own[0]["id"] == own[1]["id"]


def test_the_timer_finds_whatever_is_unfinished(estate: Estate, house: House) -> None:
    estate.configure(starts=(house.clock.now - timedelta(days=31)).strftime("%Y%m"))
    expected = {f"{house.clock.now - timedelta(days=days):%Y%m}" for days in (0, 31)}
    found = commands(house.do(TICK))
    assert {command.month for command in found if isinstance(command, CheckMonth)} == expected

    def of_the_month() -> list[str]:
        return [one.kind for one in commands(house.do(TICK)) if getattr(one, "month", MONTH) == MONTH]

    estate.upload(MONTH, FILES)
    house.do(CHECK)
    assert of_the_month() == ["CheckMonth"]
    house.claims.claim(Wish(feed=FEED, month=MONTH, reason="test"))
    assert of_the_month() == ["ScoreMonth"]
    house.until_submitted()
    assert of_the_month() == ["CheckJob"]
    house.do(LOOK)
    assert of_the_month() == ["FinishMonth"]
    house.do(FINISH)
    assert of_the_month() == []


def test_finished_months_are_listed_once_a_day(estate: Estate, house: House) -> None:
    this_month = house.clock.now.strftime("%Y%m")
    estate.configure(starts=this_month)
    estate.upload(this_month, FILES)
    check = CheckMonth(cause=TICK.cause, feed=FEED, month=this_month)
    house.run(check)

    assert check not in commands(house.do(TICK))
    house.clock.move(hours=24)
    assert check in commands(house.do(TICK))
    house.run(check)
    assert check not in commands(house.do(TICK))
