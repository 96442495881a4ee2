"""What becomes of jobs, who is told, and what the timer finds: handlers with the real SDKs on Tidepool."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from azure.ai.ml import command
from tests.support import config_yaml
from tests.support.event_grid import Subscriber
from tests.support.handler_harness import (
    CHECK,
    FEED,
    FINISH,
    JOB,
    LOOK,
    MONTH,
    SCORE,
    TOPIC,
    HandlerHarness,
    commands,
)
from tests.support.installation import Installation
from tests.support.records import a_claim, a_job
from tests.support.webhook_receiver import WebhookReceiver

from tidegate.domain.activities.activity import Activity
from tidegate.domain.jobs.plan import job_name
from tidegate.domain.jobs.records import Job, JobEnd
from tidegate.domain.partitions.records import ScoringState
from tidegate.errors import ConflictError, TransientError
from tidegate.messages.commands import CheckJob, CheckPartition, Notify, Reconcile
from tidegate.service.steps.generation_claims import ScoringRequest

FILES = {"a.png": "cat", "b.png": "dog"}
TICK = Reconcile(cause="timer-1")
NEWS = Notify(cause="test", subject="stories:209901", activity="news")


def preempt(installation: Installation, times: int) -> None:
    match = {"workspace": f"*{installation.workspace.name}", "run": "score-*"}
    installation.cloud.fault("run", "preempt", match=match, times=times)


def some_news(harness: HandlerHarness, kind: str = "partition.late") -> None:
    now = harness.clock.now
    activity = Activity(
        subject=NEWS.subject, id=NEWS.activity, kind=kind, at=now, title="News", text="Words", cause="test"
    )
    harness.ledger.add_activity(activity)


def channels(installation: Installation, *paths: str) -> None:
    values = installation.template.values(stories=installation.a_feed())
    values["notify"] = [{"url": path, "events": ["partition.*"]} for path in paths]
    config_yaml.write(installation.config_file.parent, values)


def test_a_preempted_job_is_followed_by_one_next_attempt(
    installation: Installation, harness: HandlerHarness
) -> None:
    preempt(installation, times=1)
    installation.upload(MONTH, FILES)
    harness.until_submitted()

    first, again = harness.do(LOOK), harness.do(LOOK)

    assert commands(first) == commands(again) == [SCORE.model_copy(update={"generation": 1})]
    generation = harness.claim.generation
    assert (generation.state, generation.attempt) == (ScoringState.CLAIMED, 2)
    job = harness.ledger.job("development", JOB)
    assert job is not None
    assert job.end is JobEnd.PREEMPTED
    assert "preempted on gpu-lowpri" in (job.reason or "")
    assert harness.kinds.count("partition.preempted") == 1


def test_a_late_event_of_an_earlier_attempt_changes_nothing(
    installation: Installation, harness: HandlerHarness
) -> None:
    preempt(installation, times=1)
    installation.upload(MONTH, FILES)
    harness.until_submitted()
    harness.do(LOOK)
    harness.do(SCORE)
    before = harness.partition

    assert harness.do(LOOK) == []

    assert harness.partition == before
    assert sorted(installation.jobs()) == [JOB, JOB.replace("-a1", "-a2")]


def test_a_job_killed_before_its_end_was_recorded_is_taken_on(
    installation: Installation, harness: HandlerHarness
) -> None:
    """The generation moved on, and the job's row did not: as after a kill between the two writes."""
    preempt(installation, times=1)
    installation.upload(MONTH, FILES)
    harness.until_submitted()
    harness.do(LOOK)
    job = harness.ledger.job("development", JOB)
    assert job is not None
    job.end, job.reason = None, None
    harness.ledger.save(job)

    harness.run(LOOK)

    assert harness.partition.result == "209901-1-g1"
    assert harness.claim.generation.attempt == 2
    assert harness.kinds.count("partition.preempted") == 1


def test_a_failed_job_fails_its_generation_with_its_steps_words(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.upload(MONTH, FILES, marker=False)
    installation.images.upload_blob(f"{MONTH}/binary.png", b"\xff")
    installation.upload(MONTH, {})

    harness.run(CHECK)

    assert harness.claim.generation.state is ScoringState.FAILED
    assert "UnicodeDecodeError" in (harness.claim.generation.error or "")
    assert "partition.failed" in harness.kinds
    assert list(installation.jobs()) == [JOB]


def test_a_cancelled_job_is_announced_and_not_submitted_again(
    installation: Installation, harness: HandlerHarness
) -> None:
    match = {"workspace": f"*{installation.workspace.name}", "run": "score-*"}
    installation.cloud.fault("run", "never_start", match=match)
    installation.upload(MONTH, FILES)
    harness.until_submitted()
    assert harness.do(LOOK) == []
    installation.ml.jobs.begin_cancel(JOB)
    installation.wait_for_job(JOB, status="Canceled")

    harness.run(LOOK)
    harness.run(TICK)

    assert harness.claim.generation.state is ScoringState.CANCELLED
    assert list(installation.jobs()) == [JOB]
    assert "partition.cancelled" in harness.kinds


def test_jobs_of_others_are_left_alone(harness: HandlerHarness) -> None:
    for name in ("train-1", "score-nobodys-209901-1-g1-a1", "score-stories-209901-9-g1-a1"):
        assert harness.do(LOOK.model_copy(update={"job": name})) == []


def test_a_completed_job_without_an_outcome_fails(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.upload(MONTH, FILES)
    harness.until_submitted()
    harness.do(LOOK)
    installation.blobstore.delete_blob("predictions/stories/209901/209901-1/g1/reconciliation.json")

    harness.do(FINISH)

    assert harness.claim.generation.state is ScoringState.FAILED
    assert "left no reconciliation.json" in (harness.claim.generation.error or "")


def test_each_channel_hears_of_an_activity_once(installation: Installation, harness: HandlerHarness) -> None:
    some_news(harness)

    def tell() -> None:
        try:
            harness.do(NEWS)
        except ConflictError:
            harness.do(NEWS)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: tell(), range(3)))

    [letter] = installation.notifications()
    assert (letter["title"], letter["message"]) == ("News", "Words")
    assert harness.do(NEWS) == []


def test_a_channel_that_fails_stops_no_other_and_is_tried_again(
    installation: Installation, harness: HandlerHarness
) -> None:
    good, bad = f"jsons://mailbox.tidepool/{installation.account.name}", "jsons://nowhere.tidepool/x"
    channels(installation, bad, good)
    some_news(harness)

    for _ in range(2):
        with pytest.raises(TransientError, match="1 channels did not accept"):
            harness.do(NEWS)
    assert len(installation.notifications()) == 1

    channels(installation, good)
    harness.clock.move(minutes=1)
    harness.do(NEWS)
    assert harness.activities[0].done
    assert len(installation.notifications()) == 1


def test_a_topic_that_is_away_is_tried_again(installation: Installation, harness: HandlerHarness) -> None:
    some_news(harness, "partition.scored")
    # 403, as a role that was taken away: the SDK itself would try 503 again, for seconds.
    installation.cloud.fault(
        "request", "status", match={"host": urlsplit(TOPIC).hostname}, value=403, times=None
    )

    for _ in range(2):
        with pytest.raises(TransientError, match="publish Tidegate"):
            harness.do(NEWS)
    assert len(installation.notifications()) == 1

    installation.cloud.clear_faults()
    harness.do(NEWS)
    assert harness.activities[0].done
    assert "topic" in harness.activities[0].sent


def test_who_was_killed_while_telling_is_followed_after_two_minutes(
    installation: Installation, harness: HandlerHarness
) -> None:
    some_news(harness)
    activity = harness.activities[0]
    activity.taken_at = harness.clock.now
    harness.ledger.save(activity)

    assert harness.do(NEWS) == []
    assert installation.notifications() == []

    harness.clock.move(minutes=2)
    assert NEWS.model_copy(update={"cause": TICK.cause}) in [one.command for one in harness.do(TICK)]
    harness.do(NEWS)
    assert len(installation.notifications()) == 1


def test_a_scored_month_is_an_event_on_our_own_topic_under_one_id(
    installation: Installation, harness: HandlerHarness
) -> None:
    before = len(installation.cloud.events)
    some_news(harness, "partition.scored")
    harness.do(NEWS)
    activity = harness.activities[0]
    activity.done, activity.sent = False, []
    harness.ledger.save(activity)
    harness.do(NEWS)

    own = [
        event
        for event in installation.cloud.events[before:]
        if event.get("eventType") == "Tidegate.PartitionScored"
    ]
    assert [one["subject"] for one in own] == ["stories:209901"] * 2
    assert own[0]["id"] == own[1]["id"]


def test_every_kind_is_a_cloud_event_for_those_who_subscribe_to_the_topic(
    harness: HandlerHarness, custom_topic: Subscriber, webhook_receiver: WebhookReceiver
) -> None:
    custom_topic.put("pipelines", webhook_receiver.url, eventDeliverySchema="CloudEventSchemaV1_0")
    some_news(harness, "model.needs_approval")

    harness.do(NEWS)
    harness.installation.cloud.settle()

    [event] = [event for delivery in webhook_receiver.deliveries for event in delivery.events]
    assert event["subject"] == "stories:209901"
    assert (event["specversion"], event["type"]) == ("1.0", "Tidegate.ModelNeedsApproval")
    assert event["data"]["title"] == "News"
    assert event["data"]["kind"] == "model.needs_approval"


def test_the_timer_finds_whatever_is_unfinished(installation: Installation, harness: HandlerHarness) -> None:
    installation.configure(starts=(harness.clock.now - timedelta(days=31)).strftime("%Y%m"))
    expected = {f"{harness.clock.now - timedelta(days=days):%Y%m}" for days in (0, 31)}
    found = commands(harness.do(TICK))
    assert {command.partition for command in found if isinstance(command, CheckPartition)} == expected

    def of_the_month() -> list[str]:
        return [
            command.kind
            for command in commands(harness.do(TICK))
            if getattr(command, "partition", MONTH) == MONTH
        ]

    installation.upload(MONTH, FILES)
    harness.do(CHECK)
    assert of_the_month() == ["ScorePartition"]
    harness.claims.claim(ScoringRequest(feed=FEED, partition=MONTH, reason="test"))
    assert of_the_month() == ["ScorePartition"]
    harness.until_submitted()
    assert of_the_month() == ["CheckJob"]
    harness.do(LOOK)
    assert of_the_month() == ["FinishPartition"]
    harness.do(FINISH)
    assert of_the_month() == []


def test_finished_months_are_listed_once_a_day(installation: Installation, harness: HandlerHarness) -> None:
    this_month = harness.clock.now.strftime("%Y%m")
    installation.configure(starts=this_month)
    installation.upload(this_month, FILES)
    check = CheckPartition(cause=TICK.cause, feed=FEED, partition=this_month)
    harness.run(check)

    assert check not in commands(harness.do(TICK))
    harness.clock.move(hours=24)
    assert check in commands(harness.do(TICK))
    harness.run(check)
    assert check not in commands(harness.do(TICK))


def test_a_late_file_in_a_finished_month_of_any_age_is_found_although_its_event_was_lost(
    installation: Installation, harness: HandlerHarness
) -> None:
    old = "201606"
    installation.configure(starts=old)
    installation.upload(old, FILES)
    check = CheckPartition(cause=TICK.cause, feed=FEED, partition=old)
    harness.run(check)
    harness.do(Reconcile(cause="timer-0"))
    assert harness.ledger.partition(FEED, old).result == f"{old}-1-g1"
    installation.upload(old, {"late.png": "cat"}, marker=False)

    days = 0
    while check not in commands(harness.do(TICK)):
        harness.clock.move(days=20)
        days += 20
    harness.run(check)

    assert 100 < days <= 140  # it ended more than ten years ago
    assert harness.ledger.partition(FEED, old).result == f"{old}-2-g1"


def test_one_stray_event_for_a_far_month_does_not_have_it_listed_at_each_tick(
    installation: Installation, harness: HandlerHarness
) -> None:
    installation.images.upload_blob(f"{MONTH}/stray.png", b"cat")
    harness.do(CHECK)
    assert harness.partition.listed_at == harness.clock.now

    listed = []
    for _ in range(12):
        harness.clock.move(minutes=5)
        listed += [command for command in commands(harness.do(TICK)) if command.kind == "CheckPartition"]
    assert listed == []

    harness.clock.move(days=365 * 3)
    assert CHECK.model_copy(update={"cause": TICK.cause}) in commands(harness.do(TICK))


def live_generations(installation: Installation, harness: HandlerHarness, months: range) -> None:
    """Give each month of 2099 a submitted generation, whose job waits in Azure ML."""
    for number in months:
        claim = a_claim(FEED, state=ScoringState.SUBMITTED, attempt=1)
        record = claim.record.model_copy(
            update={"partition": f"2099{number:02}", "listed_at": harness.clock.now}
        )
        claim = record.claims[0]
        name = claim.generation.job = job_name(claim)
        installation.ml.jobs.create_or_update(
            command(name=name, command="true", environment="azureml:quick:1", compute="cpu")
        )
        subject = f"{FEED}:{claim.name}"
        job = Job(**a_job(name=name, subject=subject).model_dump() | {"submitted_at": harness.clock.now})
        harness.ledger.save(job)
        harness.ledger.save(record)
    installation.cloud.settle()


def tick(installation: Installation, harness: HandlerHarness) -> tuple[list[str], int]:
    """Run the timer, and return the jobs that it checks with the number of requests of the timer itself."""
    before = installation.cloud.last_request
    found = harness.do(TICK)
    jobs = [step.command.job for step in found if isinstance(step.command, CheckJob)]
    return jobs, installation.cloud.last_request - before


def test_the_requests_of_a_tick_do_not_grow_with_the_live_jobs(
    installation: Installation, harness: HandlerHarness
) -> None:
    match = {"workspace": f"*{installation.workspace.name}", "run": "score-*"}
    installation.cloud.fault("run", "never_start", match=match, times=None)
    live_generations(installation, harness, range(1, 3))
    first, _ = tick(installation, harness)
    for job in first:
        harness.do(LOOK.model_copy(update={"job": job}))
    none_of_two, requests_of_two = tick(installation, harness)

    live_generations(installation, harness, range(3, 13))
    new, _ = tick(installation, harness)
    for job in new:
        harness.do(LOOK.model_copy(update={"job": job}))
    none_of_twelve, requests_of_twelve = tick(installation, harness)

    assert (len(first), len(new)) == (2, 10)
    assert none_of_two == none_of_twelve == []
    assert requests_of_twelve <= requests_of_two  # the first tick may read what is then remembered

    installation.ml.jobs.begin_cancel(new[3])
    installation.cloud.settle()
    assert tick(installation, harness)[0] == [new[3]]


def test_jobs_that_cannot_be_listed_are_looked_at_one_by_one(
    installation: Installation, harness: HandlerHarness
) -> None:
    match = {"workspace": f"*{installation.workspace.name}", "run": "score-*"}
    installation.cloud.fault("run", "never_start", match=match, times=None)
    live_generations(installation, harness, range(1, 3))
    for job in tick(installation, harness)[0]:
        harness.do(LOOK.model_copy(update={"job": job}))
    installation.cloud.fault("request", "status", match={"path": "*/batchrundata"}, value=403, times=None)

    checked, _ = tick(installation, harness)

    assert len(checked) == 2
