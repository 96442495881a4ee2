"""AdvanceRollout: take the next step of a version's rollout at its endpoint, or end it after a failure."""

from dataclasses import dataclass
from datetime import timedelta

from tidegate.config.model_policy import AnyRollout, BatchRollout, Policy
from tidegate.domain.activities import rollout_texts
from tidegate.domain.activities.activity import Trigger
from tidegate.domain.lifecycle.names import deployment_name
from tidegate.domain.lifecycle.promotion import OTHER_CHAMPION, champion_source, is_compared_with_champion
from tidegate.domain.lifecycle.records import Model, ModelState, ModelVersion
from tidegate.domain.lifecycle.rollout import decide_step
from tidegate.domain.lifecycle.rollout_limits import (
    AnnounceStuck,
    StepFailed,
    WaitLonger,
    decide_busy,
    no_longer_busy,
)
from tidegate.domain.lifecycle.rollout_progress import (
    after_health,
    after_smoke,
    begin_rollout,
    cause_time,
    failing,
    is_to_be_restored,
    may_become_champion,
    refused,
)
from tidegate.domain.lifecycle.rollout_records import RolloutRecord
from tidegate.domain.lifecycle.rollout_steps import (
    EndpointSnapshot,
    MeasureHealth,
    RolloutSettled,
    RolloutTarget,
    RunSmokeTest,
    UpdateRecord,
    WaitForEndpoint,
)
from tidegate.log import Log
from tidegate.messages.commands import FROM_TIMER, AdvanceRollout, Follows, Next
from tidegate.service.context import ServiceContext
from tidegate.service.retry import LONGEST_DELAY, look_again, repeat_after
from tidegate.service.steps.champion_change import ChampionChange
from tidegate.service.steps.deployment_monitor import DeploymentMonitor
from tidegate.service.steps.endpoint_changes import change_endpoint, delete_if_possible, last_log_line

log = Log(__name__)

_SHORT_DELAY = timedelta(seconds=10)
_MAX_DELAY = timedelta(hours=1)


@dataclass(frozen=True)
class _Version:
    """A version with everything that the decisions about its rollout need."""

    command: AdvanceRollout
    rollout: AnyRollout
    record: ModelVersion
    model: Model
    target: RolloutTarget


@dataclass(frozen=True)
class AdvanceRolloutHandler:
    """A step is saved before the endpoint is changed, so that a repeated command continues with that step."""

    context: ServiceContext
    champion_change: ChampionChange
    monitor: DeploymentMonitor

    def handle(self, command: AdvanceRollout) -> Follows:
        version = self._read(command)
        if version is None:
            return []
        record, progress = version.record, version.record.rollout
        if progress is None or is_to_be_restored(record, version.model):
            return self._begin(version)
        if record.state is ModelState.CHALLENGER:
            if not is_compared_with_champion(record, version.model):
                return self._stop(version, progress)
            if may_become_champion(progress):
                return [*self.champion_change.make_champion(record, command.cause), Next(command)]
            if progress.phase == "rolled_back":
                why = progress.why or "its rollout failed"
                return self.champion_change.withdraw(record, why, command.cause)
        return self._advance(version, progress)

    def _read(self, command: AdvanceRollout) -> _Version | None:
        """Return the version with its policy and target, or None if no endpoint is to be changed for it."""
        policy = self.context.policy(command.model)
        rollout = policy.endpoint_rollout if policy else None
        record = self.context.ledger.model_version(command.model, command.version)
        if record is None or policy is None or record.promotion is None or rollout is None:
            return None
        if record.state not in (ModelState.CHALLENGER, ModelState.CHAMPION):
            return None
        # If the champion is older than the policy's rollout, only a rollback brings it to the endpoint.
        older_than_rollout = record.rollout is None and record.state is ModelState.CHAMPION
        if older_than_rollout and command.cause.startswith(FROM_TIMER):
            return None
        model = self.context.ledger.model(record.model)
        return _Version(command, rollout, record, model, self._target(policy, rollout, record))

    def _target(self, policy: Policy, rollout: AnyRollout, record: ModelVersion) -> RolloutTarget:
        version = (record.promotion.production_version if record.promotion else None) or record.version
        path = f"models/{record.model}/versions/{version}"
        if policy.promote and policy.promote.via == "registry":
            model = f"azureml://registries/{policy.promote.registry}/{path}"
        else:
            model = f"{self.context.production.config.arm_id}/{path}"
        # A rollout that has begun stays at its endpoint, even if the policy names another one now.
        begun = record.rollout if record.rollout and not record.rollout.final else rollout
        return RolloutTarget(begun.endpoint, deployment_name(version), model, begun.kind)

    def _begin(self, version: _Version) -> Follows:
        """Begin a rollout, but wait while the champion's own rollout still changes the traffic."""
        record, model = version.record, version.model
        source = champion_source(model)
        champion = self.context.ledger.model_version(record.model, source) if source else None
        is_other = champion is not None and champion.version != record.version
        if champion and is_other and champion.rollout and not champion.rollout.final:
            return repeat_after(version.command, _SHORT_DELAY)
        endpoints = self.context.production.endpoints_of(version.target.kind)
        snapshot = endpoints.get(version.target.endpoint)
        if snapshot and snapshot.busy:
            return repeat_after(version.command, _SHORT_DELAY)
        restoring, began_at = record.state is ModelState.CHAMPION, cause_time(record, model)
        began = begin_rollout(version.target, snapshot, began_at or self.context.now(), restoring=restoring)
        return self._save(version, None, began)

    def _stop(self, version: _Version, progress: RolloutRecord) -> Follows:
        """Stop a rollout if its version was compared with a former champion, and judge the version again."""
        if progress.final:
            return self.champion_change.judge_again(version.record, OTHER_CHAMPION, version.command.cause)
        if progress.phase == "failing":
            return self._advance(version, progress)
        return self._save(version, progress, failing(progress, OTHER_CHAMPION))

    def _advance(self, version: _Version, progress: RolloutRecord) -> Follows:
        """Take the next step: wait, update the record, or begin a change of the endpoint."""
        endpoints, now = self.context.production.endpoints_of(progress.kind), self.context.now()
        snapshot = endpoints.get(progress.endpoint)
        busy = snapshot and (snapshot.busy or self.monitor.running_smoke_job(progress))
        if snapshot and busy and not progress.final:
            return self._wait_for_endpoint(version, progress, snapshot, busy)
        progress = no_longer_busy(progress)
        action = decide_step(progress, snapshot, version.target.model, version.rollout, now)
        match action:
            case RolloutSettled():
                return []
            case WaitForEndpoint(why):
                log.info("rollout_waits", why=why)
                return self._look_again(version, progress)
            case UpdateRecord() | RunSmokeTest() | MeasureHealth():
                return self._save(version, progress, self._measured(version, progress, action))
        log.info("endpoint_changes", step=type(action).__name__, endpoint=progress.endpoint)
        refusal = change_endpoint(endpoints, action, version.target, version.rollout, version.record)
        if refusal is not None:
            return self._save(version, progress, refused(progress, refusal, self.context.now()))
        return self._look_again(version, progress)

    def _wait_for_endpoint(
        self, version: _Version, progress: RolloutRecord, snapshot: EndpointSnapshot, busy: str
    ) -> Follows:
        """Wait for another operation on the endpoint, but not longer than the policy says."""
        shares, name = {**snapshot.traffic, **snapshot.mirror}, progress.deployment
        log.info("rollout_waits", why=busy)
        decision = decide_busy(
            progress, busy, version.rollout, self.context.now(), has_traffic=bool(shares.get(name))
        )
        record = version.record
        match decision:
            case StepFailed(after, delete):
                if progress.smoke_job:
                    self.context.production.jobs.cancel(progress.smoke_job)
                if delete and name in snapshot.deployments:
                    endpoints = self.context.production.endpoints_of(progress.kind)
                    delete_if_possible(endpoints, progress.endpoint, name)
                return self._save(version, progress, after)
            case AnnounceStuck(after):
                trigger = Trigger(self.context.now(), version.command.cause)
                activity = rollout_texts.rollout_stuck(record, after, busy, version.rollout, trigger)
                announced = [self.context.announce(activity)]
            case WaitLonger(after):
                announced = []
        if after != progress:
            record.rollout = after
            self.context.ledger.save(record)
        return [*self._look_again(version, progress), *announced]

    def _measured(
        self, version: _Version, progress: RolloutRecord, action: UpdateRecord | RunSmokeTest | MeasureHealth
    ) -> RolloutRecord:
        """Return the record after an action that does not change the endpoint."""
        rollout, target = version.rollout, version.target
        match action:
            case UpdateRecord(record):
                return record
            case _ if isinstance(rollout, BatchRollout):
                return self.monitor.follow_smoke_job(progress, target, rollout)
            case RunSmokeTest():
                result = self.monitor.run_smoke_test(target, rollout)
                return after_smoke(progress, result, rollout, self.context.now())
            case MeasureHealth(since, last):
                health = self.monitor.measure_health(target, rollout, since, last=last)
                return after_health(progress, health, rollout, self.context.now(), last=last)

    def _save(self, version: _Version, before: RolloutRecord | None, after: RolloutRecord) -> Follows:
        """Announce and save a change of the rollout, and return the command that takes the next step.

        The next step comes at once, or at the end of the bake time.
        """
        command, record = version.command, version.record
        after = self._explain(before, after)
        trigger = Trigger(self.context.now(), command.cause)
        activity = rollout_texts.rollout_changed(record, before, after, trigger)
        notifications = [self.context.announce(activity)] if activity else []
        if after != before:
            record.rollout, record.due = after, after.due
            self.context.ledger.save(record)
            log.info("rollout_moved", phase=after.phase, endpoint=after.endpoint, why=after.why)
        if before and after.phase == before.phase == "smoke":
            return [*repeat_after(command, _SHORT_DELAY), *notifications]
        if after.due:
            return [*repeat_after(command, min(after.due - self.context.now(), _MAX_DELAY)), *notifications]
        return [Next(command), *notifications]

    def _explain(self, before: RolloutRecord | None, after: RolloutRecord) -> RolloutRecord:
        """Add the last log line of a deployment that did not start, before the deployment is deleted."""
        failed = before is not None and (before.phase, after.phase) == ("deploying", "failing")
        if not failed or after.kind == "batch":  # batch deployments have no log
            return after
        line = last_log_line(self.context.production.endpoints, after.endpoint, after.deployment)
        return after.model_copy(update={"why": f"{after.why}: {line}"}) if line else after

    def _look_again(self, version: _Version, progress: RolloutRecord) -> Follows:
        if progress.due:
            return repeat_after(version.command, min(progress.due - self.context.now(), LONGEST_DELAY))
        return look_again(version.command, self.context.now() - progress.began_at)
