"""The HTTP API of the jobs that the service submitted."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from tidegate.api.access import FUNCTION_KEY, Services
from tidegate.api.paging import PAGED, PageInQuery
from tidegate.api.problems import documented
from tidegate.api.views import JobView
from tidegate.domain.jobs.records import JobKind
from tidegate.errors import RefusedError

router = APIRouter(prefix="/api/jobs", dependencies=[Depends(FUNCTION_KEY)])


@router.get("", summary="List jobs", responses=PAGED)
def jobs(
    service: Services,
    page: PageInQuery,
    all: Annotated[bool, Query(description="Include the jobs that have ended.")] = False,
    kind: Annotated[JobKind | None, Query(description="Only the jobs of this kind.")] = None,
) -> list[JobView]:
    """Return the Azure ML jobs that the service submitted and that have not ended, newest first."""
    records = (job for job in service.ledger.jobs(open_only=not all) if kind in (None, job.kind))
    newest_first = page.of(
        records, lambda job: f"{job.submitted_at:%Y%m%dT%H%M%S%f} {job.workspace} {job.name}", descending=True
    )
    return [JobView.of(job) for job in newest_first]


@router.get("/{workspace}/{job}", summary="Show a job", responses=documented(404))
def job(
    workspace: Annotated[str, Path(description="`development` or `production`.")], job: str, service: Services
) -> JobView:
    """Return an Azure ML job that the service submitted."""
    record = service.ledger.job(workspace, job)
    if record is None:
        detail = (
            f"The service has submitted no job {job!r} in the workspace {workspace!r}. "
            "GET /api/jobs?all=true lists all jobs"
        )
        raise RefusedError(404, "Not found", detail)
    return JobView.of(record)
