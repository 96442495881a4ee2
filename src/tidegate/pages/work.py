"""The pages of jobs, failures, dead letters, pauses and activities, and the search by id."""

import json
import re
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tidegate.api.access import Services
from tidegate.api.jobs import JobInPath
from tidegate.bootstrap import Service
from tidegate.domain.activities.links import job_subject_url, page_url
from tidegate.domain.jobs.records import JobKind
from tidegate.errors import RefusedError
from tidegate.messages.partition_id import first_day
from tidegate.pages.access import visitor
from tidegate.pages.paging import ROWS_OF_PAGE, ListPage, page_of
from tidegate.pages.rendering import render
from tidegate.pages.studio import studio_url

_QUOTES = " \t\r\n\u00a0\u200b'\"`“”‘’«»<>"
_LETTERS_SHOWN = 200

router = APIRouter(dependencies=[Depends(visitor)])  # first of all: who asks
After = Annotated[str, Query(max_length=600)]


@router.get("/jobs")
def jobs(
    request: Request,
    service: Services,
    all: bool = False,
    kind: JobKind | None = None,
    after: After = "",
) -> HTMLResponse:
    """Show the jobs that run, or all of them, newest first."""
    records = [job for job in service.ledger.jobs(open_only=not all) if kind in (None, job.kind)]
    records.sort(key=lambda job: (job.submitted_at, job.workspace, job.name), reverse=True)
    page = page_of(records, after, key=lambda job: f"{job.workspace}/{job.name}")
    return render(
        request, "jobs.html", page=page, count=len(records), all=all, kind=kind, kinds=list(JobKind)
    )


@router.get("/jobs/{workspace}/{job}")
def job(request: Request, job: JobInPath, service: Services) -> HTMLResponse:
    """Show a job."""
    return render(
        request,
        "job.html",
        job=job,
        subject=job_subject_url(job),
        studio=studio_url(service, job.workspace, job.name),
    )


@router.get("/failures")
def failures(
    request: Request,
    service: Services,
    all: bool = False,
    kind: Annotated[str | None, Query(max_length=100)] = None,
    after: After = "",
) -> HTMLResponse:
    """Show the failures that a person has to handle, or all of them, newest first."""
    records = [row for row in service.replays.failures(replayed=all) if kind in (None, "", row.kind)]
    page = page_of(records, after, key=lambda row: row.short_id)
    return render(
        request, "failures.html", page=page, count=len(records), all=all, kind=kind or None,
        kinds=("work.failed", "event.rejected"),
    )  # fmt: skip


@router.get("/failures/{failure}")
def failure(
    request: Request,
    failure: Annotated[str, Path(pattern="^[0-9a-f]{12}$")],
    service: Services,
) -> HTMLResponse:
    """Show a failure with what was kept of it. Failures that are over can be read, too."""
    record = service.replays.find(failure)
    kept = json.dumps(record.data, indent=2, ensure_ascii=False, default=str)
    payload = service.rejected.read(record.data["blob"]) if "blob" in record.data else None
    delays = [delay for delay in service.ledger.delays(record.subject) if delay.failure == record.id]
    return render(request, "failure.html", failure=record, kept=kept, payload=payload, delays=delays)


@router.get("/dead-letters")
def dead_letters(request: Request, service: Services) -> HTMLResponse:
    """Show the deliveries that Event Grid gave up, and how many messages ended the worker."""
    letters = service.undelivered.dead_letters
    names = letters.names(_LETTERS_SHOWN)
    counts = service.undelivered.count()
    return render(request, "dead_letters.html", names=names, counts=counts)


@router.get("/pauses")
def pauses(request: Request, service: Services) -> HTMLResponse:
    """Show what is paused, and what waits."""
    return render(request, "pauses.html", pauses=service.pauses.pauses())


@router.get("/activities")
def activities(request: Request, service: Services, after: After = "") -> HTMLResponse:
    """Show all activities, newest first."""
    rows = service.ledger.newest_activities(ROWS_OF_PAGE + 1, after or None)
    following = rows[ROWS_OF_PAGE - 1].position if len(rows) > ROWS_OF_PAGE else None
    page = ListPage(rows[:ROWS_OF_PAGE], following, first=not after)
    return render(request, "activities.html", page=page)


@router.get("/search")
def search(request: Request, service: Services, q: Annotated[str, Query(max_length=500)] = "") -> Response:
    """Go to what an id names. Blanks and quotes around the id do no harm."""
    wanted = q.strip(_QUOTES)
    found = find_pages(service, wanted) if wanted else []
    if len(found) == 1:
        return RedirectResponse(found[0][1], 303)
    return render(request, "search.html", 200 if found or not wanted else 404, q=wanted, found=found)


def find_pages(service: Service, id: str) -> list[tuple[str, str]]:
    """Return what an id names, each with the path of its page."""
    return [
        *_partitions(service, id),
        *_models(service, id),
        *_jobs(service, id),
        *_failures(service, id),
    ]


def _partitions(service: Service, id: str) -> list[tuple[str, str]]:
    match = re.fullmatch(r"(?:(?P<feed>[a-z0-9-]+)[: /])?(?P<period>\d{6}(?:\d{2})?)(?:-\d+(?:-g\d+)?)?", id)
    feeds = service.config().feeds
    if id in feeds:
        return [(f"Feed {id}", f"/feeds/{id}")]
    if match is None or not _is_period(match["period"]):
        return []
    names = [match["feed"]] if match["feed"] in feeds else [] if match["feed"] else list(feeds)
    return [
        (f"Partition {name} {match['period']}", f"/feeds/{name}/partitions/{match['period']}")
        for name in names
        if feeds[name].covers(match["period"])
    ]


def _is_period(text: str) -> bool:
    try:
        return bool(first_day(text))
    except ValueError:
        return False


def _models(service: Service, id: str) -> list[tuple[str, str]]:
    name, _, version = id.partition(":")
    path = f"/models/{quote(name, safe='')}"
    if version:
        known = service.ledger.model_version(name, version)
        return [(f"Model version {id}", f"{path}/versions/{quote(version, safe='')}")] if known else []
    known_model = name in service.config().models or service.ledger.model(name).etag
    return [(f"Model {name}", path)] if known_model else []


def _jobs(service: Service, id: str) -> list[tuple[str, str]]:
    return [
        (f"Job {id} in {workspace}", f"/jobs/{workspace}/{quote(id, safe='')}")
        for workspace in ("development", "production")
        if service.ledger.job(workspace, id)
    ]


def _failures(service: Service, id: str) -> list[tuple[str, str]]:
    if not re.fullmatch("[0-9a-f]{12}", id):
        return []
    try:
        failure = service.replays.find(id)
    except RefusedError:
        return []
    return [(f"Failure {failure.title}", page_url(f"/api/failures/{id}"))]
