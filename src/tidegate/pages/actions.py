"""The buttons of the pages. Each does what the API does, in the name of the person who is signed in."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse

from tidegate.api.access import Services
from tidegate.api.models import ModelInPath
from tidegate.api.partitions import PartitionInPath
from tidegate.bootstrap import Service
from tidegate.config.access import Role
from tidegate.domain.activities.links import model_url, page_url, partition_url, version_url
from tidegate.errors import RefusedError
from tidegate.pages.access import Reader, Visitor, visitor
from tidegate.pages.forms import Form, SentForm, body_of, done
from tidegate.service.manual_actions.approve import ApprovalDecision, RollbackRequest
from tidegate.service.manual_actions.pause import PauseRequest, ResumeRequest
from tidegate.service.manual_actions.rejudge import RejudgeRequest
from tidegate.service.manual_actions.requester import Requester
from tidegate.service.manual_actions.rerun import RerunRequest
from tidegate.service.manual_actions.retrain import RetrainRequest

router = APIRouter(dependencies=[Depends(visitor)])  # first of all: who asks
_MOST_REPLAYS = 200


@dataclass(frozen=True)
class Press:
    """The press of a button: the form that was sent, and the person who sent it."""

    request: Request
    service: Service
    person: Visitor
    form: Form

    @property
    def requester(self) -> Requester:
        return Requester(self.person.name, "entra")

    @property
    def reason(self) -> str:
        return self.form.get("reason") or ""

    def done(self, text: str, link: str, link_text: str) -> HTMLResponse:
        return done(self.request, text, link, link_text)


def _operator(request: Request, service: Services, person: Reader, form: SentForm) -> Press:
    person.require(Role.OPERATOR)
    return Press(request, service, person, form)


def _approver(request: Request, service: Services, person: Reader, form: SentForm) -> Press:
    person.require(Role.APPROVER)
    return Press(request, service, person, form)


ByOperator = Annotated[Press, Depends(_operator)]
ByApprover = Annotated[Press, Depends(_approver)]
Version = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$")]


@router.post("/feeds/{feed}/partitions/{partition}/rerun")
def rerun(feed_partition: PartitionInPath, press: ByOperator) -> HTMLResponse:
    version = press.form.get("version")
    if version and not version.isdecimal():
        raise RefusedError(422, "Unprocessable", f"version: {version!r} is not a number")
    body = body_of(
        RerunRequest,
        reason=press.reason,
        version=int(version) if version else None,
        model_version=press.form.get("model_version"),
    )
    record = feed_partition.record
    claim = press.service.reruns.rerun(feed_partition.feed, record, body, press.form.key, press.requester)
    url = page_url(partition_url(record.feed, record.partition))
    return press.done(
        f"The scoring {claim.name} starts, with the model {claim.generation.model_version}.",
        url,
        claim.name,
    )


@router.post("/models/{model}/versions/{version}/approval")
def decide(known: ModelInPath, version: Version, press: ByApprover) -> HTMLResponse:
    approved = press.form.get("decision") == "approve"
    if press.form.get("decision") not in ("approve", "refuse"):
        raise RefusedError(422, "Unprocessable", "decision: choose to approve or to refuse")
    decision = body_of(
        ApprovalDecision,
        approved=approved,
        reason=press.reason,
        verdict=press.form.get("verdict") or "",
    )
    press.service.approvals.decide(known.name, version, decision, press.requester)
    text = (
        f"{known.name}:{version} is approved, and its promotion starts."
        if approved
        else f"{known.name}:{version} is refused, and stays out of production."
    )
    return press.done(text, page_url(version_url(known.name, version)), f"{known.name}:{version}")


@router.post("/models/{model}/versions/{version}/judge")
def judge(known: ModelInPath, version: Version, press: ByOperator) -> HTMLResponse:
    body = body_of(RejudgeRequest, reason=press.reason)
    press.service.rejudgings.rejudge(known.name, version, body, press.requester, press.form.key)
    text = f"{known.name}:{version} is judged again. Its verdict until now is void."
    return press.done(text, page_url(version_url(known.name, version)), f"{known.name}:{version}")


@router.post("/models/{model}/retrain")
def retrain(known: ModelInPath, press: ByOperator) -> HTMLResponse:
    body = body_of(RetrainRequest, reason=press.reason)
    signal = press.service.retrainings.retrain(known.name, body, press.requester, press.form.key)
    text = f"A new version of {known.name} is trained by the job {signal.evidence['job']}."
    return press.done(text, page_url(model_url(known.name)), known.name)


@router.post("/models/{model}/rollback")
def roll_back(known: ModelInPath, press: ByApprover) -> HTMLResponse:
    body = body_of(RollbackRequest, reason=press.reason, to=press.form.get("to"))
    command = press.service.approvals.roll_back(known.name, body, press.requester)
    text = f"{known.name}:{command.to} becomes champion again."
    return press.done(text, page_url(model_url(known.name)), known.name)


@router.post("/pauses/pause")
def pause(press: ByOperator) -> HTMLResponse:
    body = body_of(PauseRequest, target=press.form.get("target") or "", reason=press.reason)
    paused = press.service.pauses.pause(body, press.requester)
    return press.done(f"{paused.target} is paused by {paused.by}: {paused.reason}", "/pauses", "All pauses")


@router.post("/pauses/resume")
def resume(press: ByOperator) -> HTMLResponse:
    body = body_of(ResumeRequest, target=press.form.get("target") or "")
    sent = press.service.pauses.resume(body.target, press.requester)
    return press.done(
        f"{body.target} goes on. {sent} commands that waited are sent.", "/pauses", "All pauses"
    )


@router.post("/failures/replay")
def replay(press: ByOperator) -> HTMLResponse:
    """Replay the failures that are chosen, or all open ones that match a filter."""
    ids = _chosen(press)
    if not ids:
        raise RefusedError(422, "Unprocessable", "No failure is chosen")
    effects, problems = [], []
    for id in ids[:_MOST_REPLAYS]:
        try:
            failure, effect = press.service.replays.replay(id, press.requester)
            effects.append(f"{failure.title}: {effect}")
        except RefusedError as error:
            problems.append(f"{id}: {error.detail}")
    text = f"{len(effects)} of {len(ids)} are replayed. " + "; ".join([*problems, *effects][:20])
    if problems:
        raise RefusedError(409, f"{len(effects)} of {len(ids)} are replayed", "; ".join(problems[:20]))
    return press.done(text, "/failures", "The failures that are left")


def _chosen(press: Press) -> list[str]:
    if press.form.get("which") != "all":
        return press.form.all("id")
    kind = press.form.get("kind")
    failures = press.service.replays.failures(replayed=False)
    return [failure.short_id for failure in failures if failure.replayable and kind in (None, failure.kind)]
