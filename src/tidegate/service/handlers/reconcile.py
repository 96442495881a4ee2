"""Reconcile: the ordinary commands for whatever is unfinished, expected or was missed. Repairs nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tidegate.config.schema import Config, Feed
from tidegate.domain.activities.activity import Activity
from tidegate.domain.jobs.records import Job
from tidegate.domain.lifecycle.drift import due_renewal
from tidegate.domain.lifecycle.records import Model, ModelState, ModelVersion
from tidegate.domain.partitions.calendar import expected_months, needs_look
from tidegate.domain.partitions.records import Month, ScoringState
from tidegate.log import Log
from tidegate.messages.commands import (
    AdvanceRollout,
    AnyCommand,
    CheckJob,
    CheckMonth,
    FinishMonth,
    Follows,
    JudgeModel,
    Next,
    Notify,
    PromoteModel,
    Reconcile,
    RetrainModel,
    ScoreMonth,
    WeighDrift,
)
from tidegate.service.context import ServiceContext
from tidegate.service.steps.model_candidates import MissedRegistrations

log = Log(__name__)

_BEING_TOLD = timedelta(minutes=1)
_OLD_NEWS = timedelta(days=2)


@dataclass(frozen=True, kw_only=True)
class ReconcileHandler:
    context: ServiceContext
    registrations: MissedRegistrations

    def handle(self, command: Reconcile) -> Follows:
        config, now = self.context.config(), self.context.now()
        found: list[AnyCommand] = []
        for name, feed in config.feeds.items():
            records = self.context.ledger.months(name)
            months = due_months(feed, records, now, config.timezone)
            found += [CheckMonth(cause=command.cause, feed=name, month=month) for month in months]
            found += due_scorings(feed, records, command.cause)
        found += due_jobs(self.context.ledger.jobs(open_only=True), config, command.cause)
        found += due_versions(self.context.ledger.model_versions(), config, command.cause)
        found += self.registrations.find(config, command.cause)
        found += due_models(self.context.ledger.models(), config, now, command.cause)
        found += due_activities(self.context.ledger.unsent_activities(), now, command.cause)
        commands = list(dict.fromkeys(found))
        log.info("unfinished_found", commands=len(commands))
        return [Next(one) for one in commands]


def due_months(feed: Feed, records: Sequence[Month], now: datetime, timezone: ZoneInfo) -> list[str]:
    """Months to be listed: expected ones that have no row, and those that need a look."""
    known = {record.month: record for record in records}
    expected = [month for month in expected_months(feed.starts, now, timezone) if month not in known]
    looked_at = [month for month, record in known.items() if needs_look(record, now, timezone)]
    return sorted([*expected, *(month for month in looked_at if month >= feed.starts)])


def due_scorings(feed: Feed, records: Sequence[Month], cause: str) -> Iterator[AnyCommand]:
    """What each live generation waits for."""
    for record in records:
        for claim in record.claims:
            match claim.generation.state:
                case ScoringState.CLAIMED:
                    yield ScoreMonth(cause=cause, **claim.ids)
                case ScoringState.SUBMITTED if claim.generation.job:
                    job = claim.generation.job
                    yield CheckJob(cause=cause, workspace=feed.workspace, job=job)
                case ScoringState.JOB_COMPLETED:
                    yield FinishMonth(cause=cause, **claim.ids)


def due_jobs(jobs: Sequence[Job], config: Config, cause: str) -> Iterator[CheckJob]:
    """Jobs whose end was not seen; those of a feed that is no longer configured are nobody's."""
    for job in jobs:
        if job.feed in config.feeds:
            yield CheckJob(cause=cause, workspace=job.workspace, job=job.name)


def due_versions(versions: Sequence[ModelVersion], config: Config, cause: str) -> Iterator[AnyCommand]:
    """What each version of a model waits for; those of a model without a policy wait for nothing."""
    for record in versions:
        policy = config.models.get(record.model)
        ids = {"cause": cause, "model": record.model, "version": record.version}
        match record.state:
            case _ if policy is None:
                continue
            case ModelState.REGISTERED | ModelState.EVALUATING:
                yield JudgeModel.model_validate(ids)
            case ModelState.PASSED | ModelState.PROMOTING | ModelState.CHALLENGER if policy.promote:
                yield PromoteModel.model_validate(ids)


def due_models(models: Sequence[Model], config: Config, now: datetime, cause: str) -> Iterator[AnyCommand]:
    """Retrainings under way, renewals whose time has come, and the endpoints of champions."""
    known = {record.model: record for record in models}
    for name, policy in config.models.items():
        model = known.get(name) or Model(model=name)
        if model.retraining and policy.drift:
            yield RetrainModel(cause=cause, model=name, signal=model.retraining.signal)
        if policy.renew and (month := due_renewal(model, policy.renew, now, config.timezone)):
            yield WeighDrift(cause=cause, model=name, source="renew", of=month)
        if model.champion and policy.rollout:
            yield AdvanceRollout(cause=cause, model=name, version=model.champion.source)


def due_activities(activities: Sequence[Activity], now: datetime, cause: str) -> Iterator[Notify]:
    """What nobody is telling just now, and is still news."""
    for activity in activities:
        if _BEING_TOLD <= now - activity.at < _OLD_NEWS:
            yield Notify(cause=cause, subject=activity.subject, activity=activity.id)
