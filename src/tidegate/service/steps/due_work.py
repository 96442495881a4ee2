"""What is due: the command that each unfinished or expected piece of work waits for, from the records."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tidegate.config.schema import Config, Feed
from tidegate.domain.activities.activity import Activity
from tidegate.domain.backfills.records import Backfill
from tidegate.domain.jobs.records import Job
from tidegate.domain.lifecycle.drift import due_renewal
from tidegate.domain.lifecycle.drift_signals import signal_id
from tidegate.domain.lifecycle.promotion import champion_source
from tidegate.domain.lifecycle.records import Model, ModelState, ModelVersion
from tidegate.domain.model_sets.history import asset_name, complete_versions
from tidegate.domain.model_sets.jobs import registration_job
from tidegate.domain.model_sets.schedule import due_training
from tidegate.domain.partitions.calendar import deadline_of, expected_partitions, needs_look
from tidegate.domain.partitions.catch_up import lacks_result
from tidegate.domain.partitions.records import Partition, ScoringState
from tidegate.messages.commands import (
    AdvanceBackfill,
    AdvanceRollout,
    AnyCommand,
    ArchiveHistory,
    CheckJob,
    FinishPartition,
    JudgeModel,
    Notify,
    PromoteModel,
    RegisterMembers,
    RetrainModel,
    ScorePartition,
    WeighDrift,
)
from tidegate.service.job_runner import clusters_for

_BEING_SENT = timedelta(minutes=1)
OLD_NEWS = timedelta(days=2)  # an activity that is older is not sent any more
_TICK = timedelta(minutes=5)  # of the timer, as in function_app.py


def due_partitions(feed: Feed, records: Sequence[Partition], now: datetime, timezone: ZoneInfo) -> list[str]:
    """Return the partitions to list: expected ones without a record, and those that need a check."""
    known = {record.partition: record for record in records}
    expected = [
        partition for partition in expected_partitions(feed.starts, now, timezone) if partition not in known
    ]
    unfinished = [
        partition
        for partition, record in known.items()
        if needs_look(record, now, timezone) or _lacks_result(feed, record, now, timezone)
    ]
    return sorted([*expected, *(partition for partition in unfinished if feed.covers(partition))])


def _lacks_result(feed: Feed, record: Partition, now: datetime, timezone: ZoneInfo) -> bool:
    deadline = deadline_of(feed.deadline, record.partition, timezone) if feed.deadline else None
    return lacks_result(feed, record, deadline, now)


def due_scorings(
    feed: Feed, records: Sequence[Partition], cause: str, open_jobs: Collection[str] = ()
) -> Iterator[AnyCommand]:
    """Yield the command that each unfinished generation waits for, unless it waits for an open job."""
    for record in records:
        for claim in record.claims:
            match claim.generation.state:
                case ScoringState.CLAIMED:
                    yield ScorePartition(cause=cause, **claim.ids)
                case ScoringState.SUBMITTED if claim.generation.job and claim.generation.job not in open_jobs:
                    yield CheckJob(cause=cause, workspace=feed.workspace, job=claim.generation.job)
                case ScoringState.JOB_COMPLETED:
                    yield FinishPartition(cause=cause, **claim.ids)


def due_backfills(backfills: Sequence[Backfill], config: Config, cause: str) -> Iterator[AdvanceBackfill]:
    """Yield the command that advances each backfill, unless its feed was removed from tidegate.yml."""
    for backfill in backfills:
        if backfill.feed in config.feeds:
            yield AdvanceBackfill(cause=cause, feed=backfill.feed, backfill=backfill.id)


def due_jobs(jobs: Sequence[Job], config: Config, cause: str) -> Iterator[CheckJob]:
    """Yield a check of each job, unless its feed or its policy was removed from tidegate.yml."""
    for job in jobs:
        if clusters_for(job, config):
            yield CheckJob(cause=cause, workspace=job.workspace, job=job.name)


def due_versions(
    versions: Sequence[ModelVersion], config: Config, cause: str, open_jobs: Collection[str] = ()
) -> Iterator[AnyCommand]:
    """Yield the command that each unfinished version waits for.

    Leave out versions whose model has no policy, and those that wait for an open job.
    """
    for record in versions:
        policy = config.models.get(record.model)
        ids = {"cause": cause, "model": record.model, "version": record.version}
        match record.state:
            case _ if policy is None:
                continue
            case ModelState.EVALUATING if record.evaluation and record.evaluation.job in open_jobs:
                continue
            case ModelState.REGISTERED | ModelState.EVALUATING:
                yield JudgeModel.model_validate(ids)
            case ModelState.PASSED | ModelState.PROMOTING | ModelState.CHALLENGER if policy.promote:
                yield PromoteModel.model_validate(ids)


def due_models(
    models: Sequence[Model], config: Config, now: datetime, cause: str, open_jobs: Collection[str] = ()
) -> Iterator[AnyCommand]:
    """Yield commands for retrainings without an open job, due renewals, and the endpoints of champions."""
    known = {record.model: record for record in models}
    for name, policy in config.models.items():
        model = known.get(name) or Model(model=name)
        if model.retraining and policy.training and model.retraining.job not in open_jobs:
            yield RetrainModel(cause=cause, model=name, signal=model.retraining.signal)
        if policy.renew and (month := due_renewal(model, policy.renew, now, config.timezone)):
            yield WeighDrift(cause=cause, model=name, source="renew", of=month)
        if policy.set and (period := due_training(model, policy.set.training, now, config.timezone)):
            yield WeighDrift(cause=cause, model=name, source="renew", of=period)
        if (
            policy.set
            and policy.set.registered == "each"
            and (version := due_members(name, model, open_jobs))
        ):
            yield RegisterMembers(cause=cause, model=name, version=version)
        if model.champion and policy.endpoint_rollout:
            yield AdvanceRollout(cause=cause, model=name, version=model.champion.source)


def due_members(name: str, model: Model, open_jobs: Collection[str]) -> str | None:
    """Return the champion's version if its members are not registered, and no job registers them now.

    After an attempt that failed, only a replay starts the next one.
    """
    version, registration = champion_source(model), model.registering
    if version is None or model.members_of == version:
        return None
    if registration is None or registration.version != version:
        return version
    waits = registration.error is not None or registration_job(name, registration) in open_jobs
    return None if waits else version


def due_set_trainings(
    feed: str, records: Sequence[Partition], models: Sequence[Model], config: Config, cause: str
) -> Iterator[WeighDrift]:
    """Yield the signal of the feed's newest complete partition for each set that has not received it."""
    known = {record.model: record for record in models}
    for name in config.sets_trained_at_partitions_of(feed):
        for past in complete_versions(records, 1):
            of, model = asset_name(past), known.get(name) or Model(model=name)
            if all(signal.id != signal_id("partition", of) for signal in model.signals):
                yield WeighDrift(cause=cause, model=name, source="partition", of=of)


def due_activities(activities: Sequence[Activity], now: datetime, cause: str) -> Iterator[Notify]:
    """Yield the notification of each activity that is not being sent just now and is not too old."""
    for activity in activities:
        if _BEING_SENT <= now - activity.at < OLD_NEWS:
            yield Notify(cause=cause, subject=activity.subject, activity=activity.id)


def due_archive(config: Config, now: datetime, cause: str) -> Iterator[ArchiveHistory]:
    """Yield the daily command that writes the history, in the first tick of the timer after its time.

    A day on which the timer does not run then is made good on the next day.
    """
    if config.retention is None:
        return
    local = now.astimezone(config.timezone)
    hour, minute = map(int, config.retention.at.split(":"))
    due = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if timedelta() <= local - due < _TICK:
        yield ArchiveHistory(cause=cause, day=f"{local:%Y%m%d}")
