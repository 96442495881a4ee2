"""The HTTP API of the jobs that the service submitted."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from tidegate.api.access import FUNCTION_KEY, Services
from tidegate.api.paging import PAGED, PageInQuery
from tidegate.api.problems import documented
from tidegate.api.tags import TagsInQuery
from tidegate.domain.activities.links import job_subject_url, job_url
from tidegate.domain.jobs.records import Job, JobEnd, JobKind, Preemption, StuckRun
from tidegate.errors import RefusedError

router = APIRouter(prefix="/api/jobs", dependencies=[Depends(FUNCTION_KEY)])


class JobView(BaseModel):
    """An Azure ML job that the service submitted: a scoring, an evaluation or a retraining.

    `subject` names the work that the job does. `subject_url` is the address of its partition, model
    version or model. `end` is null until the service has acted on the end of the job. `pipeline` is the
    component with its content version. `preemption` is the sign by which the service
    recognized that the job lost its nodes, with the page that describes the sign. `stuck` lists the time
    limits that the job has passed.
    """

    workspace: str
    name: str
    kind: JobKind
    subject: str
    attempt: int
    cluster: str
    pipeline: str
    tags: dict[str, str]
    cause: str | None
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    status: str
    end: JobEnd | None
    cancel_requested: bool
    reason: str | None
    preemption: Preemption | None
    stuck: list[StuckRun]
    checked_at: datetime | None
    url: str
    subject_url: str

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(
            **job.model_dump(),
            url=job_url(job.workspace, job.name),
            subject_url=job_subject_url(job),
        )


def _job(
    workspace: Annotated[str, Path(description="`development` or `production`.")], job: str, service: Services
) -> Job:
    record = service.ledger.job(workspace, job)
    if record is None:
        detail = (
            f"The service has submitted no job {job!r} in the workspace {workspace!r}: see the list of jobs"
        )
        raise RefusedError(404, "Not found", detail)
    return record


JobInPath = Annotated[Job, Depends(_job)]


@router.get("", summary="List jobs", responses=PAGED)
def jobs(
    service: Services,
    page: PageInQuery,
    tags: TagsInQuery,
    all: Annotated[bool, Query(description="Include the jobs that have ended.")] = False,
    kind: Annotated[JobKind | None, Query(description="Only the jobs of this kind.")] = None,
) -> list[JobView]:
    """Return the Azure ML jobs that the service submitted and that have not ended, newest first."""
    records = (
        job
        for job in service.ledger.jobs(open_only=not all)
        if kind in (None, job.kind) and tags.matches(job.tags)
    )
    newest_first = page.of(
        records, lambda job: f"{job.submitted_at:%Y%m%dT%H%M%S%f} {job.workspace} {job.name}", descending=True
    )
    return [JobView.of(job) for job in newest_first]


@router.get("/{workspace}/{job}", summary="Show a job", responses=documented(404))
def job(job: JobInPath) -> JobView:
    """Return an Azure ML job that the service submitted."""
    return JobView.of(job)
