"""Schedules: their jobs start when the time comes and on request, with the unmodified SDK."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from azure.ai.ml import MLClient, load_job
from azure.ai.ml.entities import CronTrigger, Environment, Job, JobSchedule, RecurrenceTrigger
from azure.core.exceptions import HttpResponseError

from tidepool.cloud import Tidepool

PIPELINE = """
type: pipeline
settings: {default_compute: azureml:serverless}
inputs: {moment: MOMENT}
outputs: {out: {type: uri_folder}}
jobs:
  a:
    type: command
    command: echo ${{inputs.moment}} > ${{outputs.out}}/moment.txt
    environment: azureml:plain:1
    inputs: {moment: "${{parent.inputs.moment}}"}
    outputs: {out: "${{parent.outputs.out}}"}
"""


@pytest.fixture
def pipeline(ml: MLClient, tmp_path: Path) -> Job:
    ml.environments.create_or_update(Environment(name="plain", version="1", image="python:3.11"))
    return load(tmp_path, "never")


def load(folder: Path, moment: str) -> Job:
    (folder / "pipeline.yml").write_text(PIPELINE.replace("MOMENT", f'"{moment}"'))
    return load_job(folder / "pipeline.yml")


@pytest.fixture(autouse=True)
def _stop_schedules(ml: MLClient, tidepool: Tidepool) -> Iterator[None]:
    """Disable the schedules after the test, because other tests move the time."""
    yield
    for schedule in ml.schedules.list():
        ml.schedules.begin_disable(schedule.name).result()
    tidepool.settle()


def now(tidepool: Tidepool) -> datetime:
    return datetime.fromisoformat(tidepool.status()["now"])


def jobs(ml: MLClient, tidepool: Tidepool) -> dict[str, str]:
    """Return the states of all jobs by their display names."""
    tidepool.settle()
    return {job.display_name: job.status for job in ml.jobs.list()}


def test_a_schedule_starts_jobs_as_time_passes_until_it_is_disabled(
    ml: MLClient, tidepool: Tidepool, pipeline: Job, tmp_path: Path
) -> None:
    timed = load(tmp_path, "${{creation_context.trigger_time}}")
    start = (now(tidepool) + timedelta(hours=1)).replace(microsecond=0)
    trigger = RecurrenceTrigger(frequency="hour", interval=2, start_time=start.replace(tzinfo=None))
    ml.schedules.begin_create_or_update(
        JobSchedule(name="hourly", trigger=trigger, create_job=timed)
    ).result()

    before = jobs(ml, tidepool)
    tidepool.advance(4 * 3600)
    ended = jobs(ml, tidepool)
    ml.schedules.begin_disable("hourly").result()
    tidepool.advance(4 * 3600)

    moments = [start, start + timedelta(hours=2)]
    assert before == {}
    assert ended == {f"hourly-{moment:%Y%m%dT%H%M%SZ}": "Completed" for moment in moments}
    assert jobs(ml, tidepool) == ended
    ml.jobs.download(f"hourly-{start:%Y%m%dT%H%M%SZ}", download_path=tmp_path, output_name="out")
    (file,) = tmp_path.rglob("moment.txt")
    assert file.read_text().strip() == f"{start:%Y-%m-%dT%H:%M:%SZ}"


def test_a_schedule_can_copy_a_job_and_is_triggered_on_request(
    ml: MLClient, tidepool: Tidepool, pipeline: Job
) -> None:
    job = ml.jobs.create_or_update(pipeline)
    trigger = CronTrigger(
        expression="0 3 1 * *", start_time="2099-01-01T00:00:00", time_zone="Tokyo Standard Time"
    )
    schedule = JobSchedule(name="monthly", trigger=trigger, create_job=job.id)
    ml.schedules.begin_create_or_update(schedule).result()

    names = [ml.schedules.trigger("monthly", schedule_time="2026-11-05T06:07:08Z").job_name for _ in range(2)]

    assert names == ["monthly-20261105T060708Z", "monthly-20261105T060708Z-2"]
    tidepool.settle()
    assert [ml.jobs.get(name).status for name in names] == ["Completed", "Completed"]
    assert all(list(ml.jobs.list(parent_job_name=name)) for name in names)
    ml.schedules.begin_disable("monthly").result()
    with pytest.raises(HttpResponseError, match="is disabled"):
        ml.schedules.trigger("monthly")


def test_a_schedule_without_a_start_time_starts_a_job_at_once(
    ml: MLClient, tidepool: Tidepool, pipeline: Job
) -> None:
    schedule = JobSchedule(name="monthly", trigger=CronTrigger(expression="0 3 1 * *"), create_job=pipeline)

    ml.schedules.begin_create_or_update(schedule).result()

    assert list(jobs(ml, tidepool).values()) == ["Completed"]


def test_a_schedule_with_an_invalid_trigger_is_refused(ml: MLClient, pipeline: Job) -> None:
    schedule = JobSchedule(name="bad", trigger=CronTrigger(expression="61 * * * *"), create_job=pipeline)

    with pytest.raises(HttpResponseError, match="'61 \\* \\* \\* \\*' is not a cron expression"):
        ml.schedules.begin_create_or_update(schedule).result()
