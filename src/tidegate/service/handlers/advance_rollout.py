"""AdvanceRollout: one step of a version's way to all of the traffic, or back. Waits for nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.config.model_policy import Policy, Rollout
from tidegate.domain.activities import rollout_texts as rollout_news
from tidegate.domain.activities.activity import Trigger
from tidegate.domain.lifecycle.names import deployment_name
from tidegate.domain.lifecycle.promotion import OTHER_CHAMPION, champion_source, verdict_is_current
from tidegate.domain.lifecycle.records import Model, ModelState, ModelVersion
from tidegate.domain.lifecycle.rollout import decide_step
from tidegate.domain.lifecycle.rollout_progress import (
    after_health,
    after_smoke,
    begin_rollout,
    failing,
    may_become_champion,
    refused,
)
from tidegate.domain.lifecycle.rollout_records import RolloutRecord
from tidegate.domain.lifecycle.rollout_steps import (
    CreateDeployment,
    CreateEndpoint,
    DeleteDeployment,
    MeasureHealth,
    RolloutAction,
    RolloutSettled,
    RolloutTarget,
    RunSmokeTest,
    SetTraffic,
    UpdateRecord,
    WaitForEndpoint,
)
from tidegate.errors import PermanentError
from tidegate.log import Log
from tidegate.messages.commands import FROM_TIMER, AdvanceRollout, Follows, Next
from tidegate.service.context import ServiceContext
from tidegate.service.retry import LONGEST_DELAY, look_again, repeat_after
from tidegate.service.steps.champion_change import ChampionChange
from tidegate.service.steps.deployment_monitor import DeploymentMonitor

log = Log(__name__)

_SMOKE_PAUSE = timedelta(seconds=10)
_LONGEST_DELAY = timedelta(hours=1)
_LOG_LINES = 20


@dataclass(frozen=True)
class _Subject:
    """A version, with what its rollout is decided by."""

    command: AdvanceRollout
    policy: Policy
    rollout: Rollout
    record: ModelVersion
    model: Model
    target: RolloutTarget


@dataclass(frozen=True, kw_only=True)
class AdvanceRolloutHandler:
    """What is intended is in the ledger before the endpoint is touched, so a repetition goes on with it."""

    context: ServiceContext
    champion_change: ChampionChange
    monitor: DeploymentMonitor

    def handle(self, command: AdvanceRollout) -> Follows:
        subject = self._subject(command)
        if subject is None:
            return []
        record, rollout = subject.record, subject.record.rollout
        if rollout is None or _is_to_be_restored(record, subject.model):
            return self._begin(subject)
        if record.state is ModelState.CHALLENGER:
            if not self._may_go_on(subject):
                return self._give_up(subject, rollout)
            if may_become_champion(rollout):
                return [*self.champion_change.make_champion(record, command.cause), Next(command)]
            if rollout.phase == "rolled_back":
                why = rollout.why or "its rollout failed"
                return self.champion_change.withdraw(record, why, command.cause)
        return self._step(subject, rollout)

    def _subject(self, command: AdvanceRollout) -> _Subject | None:
        """None for a version that has nothing to do with an endpoint."""
        policy = self.context.policy(command.model)
        record = self.context.ledger.model_version(command.model, command.version)
        if record is None or policy is None or policy.rollout is None or record.promotion is None:
            return None
        if record.state not in (ModelState.CHALLENGER, ModelState.CHAMPION):
            return None
        # Champion since before there was a rollout: only a rollback brings it to the endpoint.
        crowned_before = record.rollout is None and record.state is ModelState.CHAMPION
        if crowned_before and command.cause.startswith(FROM_TIMER):
            return None
        target = self._target(policy, policy.rollout, record)
        return _Subject(
            command, policy, policy.rollout, record, self.context.ledger.model(record.model), target
        )

    def _target(self, policy: Policy, rollout: Rollout, record: ModelVersion) -> RolloutTarget:
        version = (record.promotion.production_version if record.promotion else None) or record.version
        names = f"models/{record.model}/versions/{version}"
        if policy.promote and policy.promote.via == "registry":
            model = f"azureml://registries/{policy.promote.registry}/{names}"
        else:
            model = f"{self.context.production.config.arm_id}/{names}"
        live = (
            record.rollout and not record.rollout.final
        )  # it ends where it began, whatever the policy says now
        endpoint = record.rollout.endpoint if record.rollout and live else rollout.endpoint
        return RolloutTarget(endpoint, deployment_name(version), model)

    def _begin(self, subject: _Subject) -> Follows:
        """Not while the champion itself still is on its way: its end decides what takes the traffic now."""
        record, model = subject.record, subject.model
        champion = champion_source(model)
        other = self.context.ledger.model_version(record.model, champion) if champion else None
        if other and other.version != record.version and other.rollout and not other.rollout.final:
            return repeat_after(subject.command, _SMOKE_PAUSE)
        seen = self.context.production.endpoints.get(subject.target.endpoint)
        if seen and seen.busy:
            return repeat_after(subject.command, _SMOKE_PAUSE)
        restoring, since = record.state is ModelState.CHAMPION, _since(record, model)
        after = begin_rollout(subject.target, seen, since or self.context.now(), restoring=restoring)
        return self._turn(subject, None, after)

    def _may_go_on(self, subject: _Subject) -> bool:
        """Whether the verdict still says what it said: nobody else became champion meanwhile."""
        verdict = subject.record.verdict
        crowned = champion_source(subject.model) == subject.record.version
        return crowned or (verdict is not None and verdict_is_current(verdict, subject.model))

    def _give_up(self, subject: _Subject, rollout: RolloutRecord) -> Follows:
        if rollout.final:
            return self.champion_change.judge_again(subject.record, OTHER_CHAMPION, subject.command.cause)
        if rollout.phase == "failing":
            return self._step(subject, rollout)
        return self._turn(subject, rollout, failing(rollout, OTHER_CHAMPION))

    def _step(self, subject: _Subject, rollout: RolloutRecord) -> Follows:
        seen = self.context.production.endpoints.get(rollout.endpoint)
        step = decide_step(rollout, seen, subject.target.model, subject.rollout, self.context.now())
        match step:
            case RolloutSettled():
                return []
            case WaitForEndpoint(why):
                log.info("rollout_waits", why=why)
                return self._look_again(subject, rollout)
            case UpdateRecord() | RunSmokeTest() | MeasureHealth():
                return self._turn(subject, rollout, self._after(subject, rollout, step))
        log.info("endpoint_changes", step=type(step).__name__, endpoint=rollout.endpoint, seen=bool(seen))
        try:
            self._act(subject, step)
        except PermanentError as error:  # asked again, Azure would say the same
            return self._turn(subject, rollout, refused(rollout, str(error), self.context.now()))
        return self._look_again(subject, rollout)

    def _after(
        self, subject: _Subject, rollout: RolloutRecord, step: UpdateRecord | RunSmokeTest | MeasureHealth
    ) -> RolloutRecord:
        """The record after a step that leaves the endpoint as it is."""
        match step:
            case UpdateRecord(after):
                return after
            case RunSmokeTest():
                answer = self.monitor.run_smoke_test(subject.target, subject.rollout)
                return after_smoke(rollout, answer, subject.rollout, self.context.now())
            case MeasureHealth(since, last):
                health = self.monitor.measure_health(subject.target, subject.rollout, since, last=last)
                return after_health(rollout, health, subject.rollout, self.context.now(), last=last)

    def _act(self, subject: _Subject, step: RolloutAction) -> None:
        endpoints, target, record = self.context.production.endpoints, subject.target, subject.record
        tags = {"tidegate_model": record.model, "tidegate_version": record.version}
        match step:
            case CreateEndpoint():
                endpoints.create(target.endpoint, {"tidegate_model": record.model})
            case CreateDeployment():
                endpoints.deploy(target, subject.rollout, tags)
            case SetTraffic(traffic, mirror):
                endpoints.set_traffic(target.endpoint, traffic, mirror)
            case DeleteDeployment(deployment):
                endpoints.delete_deployment(target.endpoint, deployment)

    def _turn(self, subject: _Subject, before: RolloutRecord | None, after: RolloutRecord) -> Follows:
        """Told, recorded, gone on with: at once where something changed, at the bake's end where it bakes."""
        command, record = subject.command, subject.record
        after = self._explained(before, after)
        trigger = Trigger(self.context.now(), command.cause)
        told = rollout_news.rollout_changed(record, before, after, trigger)
        news = [self.context.announce(told)] if told else []
        if after != before:
            record.rollout, record.due = after, after.due
            self.context.ledger.save(record)
            log.info("rollout_moved", phase=after.phase, endpoint=after.endpoint, why=after.why)
        if before and after.phase == before.phase == "smoke":
            return [*repeat_after(command, _SMOKE_PAUSE), *news]
        if after.due:
            return [*repeat_after(command, min(after.due - self.context.now(), _LONGEST_DELAY)), *news]
        return [Next(command), *news]

    def _explained(self, before: RolloutRecord | None, after: RolloutRecord) -> RolloutRecord:
        """With the last words of a deployment that did not come up: it goes, and its log with it."""
        if before is None or (before.phase, after.phase) != ("deploying", "failing"):
            return after
        tail = self.context.production.endpoints.log_tail(after.endpoint, after.deployment, _LOG_LINES)
        lines = [line for line in tail.splitlines() if line.strip()]
        return after.model_copy(update={"why": f"{after.why}: {lines[-1][:500]}"}) if lines else after

    def _look_again(self, subject: _Subject, rollout: RolloutRecord) -> Follows:
        if rollout.due:
            return repeat_after(subject.command, min(rollout.due - self.context.now(), LONGEST_DELAY))
        return look_again(subject.command, self.context.now() - rollout.began_at)


def _since(record: ModelVersion, model: Model) -> datetime | None:
    """When what leads to its rollout happened: it is told of under that time, and so once."""
    if record.state is ModelState.CHAMPION:
        return model.champion.since if model.champion else None
    return record.promotion.ended_at if record.promotion else None


def _is_to_be_restored(record: ModelVersion, model: Model) -> bool:
    """A rollback made it champion after its own rollout had ended."""
    rollout, champion = record.rollout, model.champion
    if record.state is not ModelState.CHAMPION or not rollout or not champion:
        return False
    return (
        champion.source == record.version
        and rollout.ended_at is not None
        and champion.since > rollout.ended_at
    )
