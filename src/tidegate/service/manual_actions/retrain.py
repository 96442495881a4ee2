"""Train a new version of a model because a person requests it."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from tidegate.config.model_policy import Policy
from tidegate.domain.lifecycle.drift import with_retraining, with_signal
from tidegate.domain.lifecycle.records import Model
from tidegate.domain.lifecycle.retraining import REQUEST, retrain_job
from tidegate.domain.lifecycle.training_records import Retraining, SignalRecord
from tidegate.errors import RefusedError
from tidegate.log import Log
from tidegate.messages.commands import RetrainModel
from tidegate.service.context import ServiceContext
from tidegate.service.manual_actions.requester import Reason, Requester, RequesterName
from tidegate.service.retry import retry_on_conflict, send_or_leave_to_timer
from tidegate.service.steps.set_trainings import SetTrainings
from tidegate.service.steps.training_data import training_data

if TYPE_CHECKING:
    from tidegate.cloud.queue import WorkQueue

log = Log(__name__)


class RetrainRequest(BaseModel):
    """A person's request to train a new version of a model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: RequesterName = None
    reason: Reason


@dataclass(frozen=True)
class RetrainService:
    """The request and the retraining are saved together, under the ETag of the model's row.

    A person's request does not wait for the policy's cool-down, and counts for it.
    """

    context: ServiceContext
    queue: "WorkQueue"
    sets: SetTrainings

    def retrain(
        self, model: str, request: RetrainRequest, requester: Requester, key: str | None
    ) -> SignalRecord:
        """Start a retraining on the newest scored partitions, and return its record among the signals.

        Requests with the same key do this only once. Raise RefusedError if the policy has no section about
        drift, if a retraining is under way, or if there is nothing to train on.
        """
        signal, cause = f"{REQUEST}-{_identifier(key)}", f"request-{uuid4()}"
        origin = requester.origin("retrain", request.reason)
        with self.context.requested(cause, origin):
            record = retry_on_conflict(lambda: self._save(model, signal, request, requester, cause), model)
        command = RetrainModel(cause=cause, origin=origin, model=model, signal=signal)
        send_or_leave_to_timer(self.queue, command)
        return next(entry for entry in record.signals if entry.id == signal)

    def _save(
        self, name: str, signal: str, request: RetrainRequest, requester: Requester, cause: str
    ) -> Model:
        record = self.context.ledger.model(name)
        earlier = next((entry for entry in record.signals if entry.id == signal), None)
        if earlier is not None:
            _check_same(earlier, request)
            return record
        policy, now = self.context.policy(name), self.context.now()
        if policy is None or policy.training is None:
            detail = f"tidegate.yml does not say how {name} is trained: add models.{name}.drift or .set"
            raise RefusedError(409, "Conflict", detail)
        if record.retraining:
            detail = f"a retraining of {name} is under way: wait for {record.retraining.job}, or cancel it"
            raise RefusedError(409, "Conflict", detail)
        by = f"{requester.by}: {request.reason}"
        retraining = self._retraining(record, policy, signal, by)
        if retraining is None:
            what = "complete" if policy.set else "scored in development"
            detail = f"there is nothing to train {name} on: no partition is {what} yet"
            raise RefusedError(409, "Conflict", detail)
        data = retraining.data
        requested = SignalRecord(
            id=signal,
            source="request",
            about=request.reason,
            at=now,
            breached=False,
            counts=False,
            taken=True,
            why=f"requested by {by}",
            cause=cause,
            evidence={"by": requester.by, "by_source": requester.source, "job": retraining.job, "data": data},
        )
        changed = with_signal(with_retraining(record, retraining), requested)
        self.context.ledger.save(changed)
        log.info("retraining_requested", model=name, signal=signal)
        return changed

    def _retraining(self, model: Model, policy: Policy, signal: str, by: str) -> Retraining | None:
        """Return the retraining that was requested, or None if there is nothing to train on."""
        if policy.set:
            return self.sets.begin(model, policy, signal, by=by)
        assert policy.drift is not None
        data, now = training_data(self.context, policy.drift), self.context.now()
        job, compute = retrain_job(model.model, signal, 1), policy.drift.compute
        retraining = Retraining(signal=signal, job=job, compute=compute, data=data, since=now, requested=by)
        return retraining if data else None


def _identifier(key: str | None) -> str:
    """Return the part of the signal's id that is the same for requests with the same key."""
    return hashlib.sha256((key or str(uuid4())).encode()).hexdigest()[:12]


def _check_same(earlier: SignalRecord, request: RetrainRequest) -> None:
    if earlier.about != request.reason:
        detail = (
            f"This Idempotency-Key belongs to another request, which led to {earlier.evidence.get('job')}: "
            "send a new request with a new key"
        )
        raise RefusedError(422, "Unprocessable", detail)
