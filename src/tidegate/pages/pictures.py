"""The pictures that a job logged to MLflow, which pages load from their own host."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse, Response

from tidegate.api.access import Services
from tidegate.api.jobs import JobInPath
from tidegate.errors import PermanentError, RefusedError
from tidegate.pages.access import visitor
from tidegate.pages.rendering import render

_MOST_PICTURES = 24
_MOST_BYTES = 8 * 1024 * 1024
_PNG = b"\x89PNG\r\n\x1a\n"

router = APIRouter(prefix="/jobs/{workspace}/{job}/pictures", dependencies=[Depends(visitor)])


@router.get("")
def pictures(request: Request, job: JobInPath, service: Services) -> HTMLResponse:
    """Show the pictures of a job. Pages about its work load a part of this page."""
    files = service.workspaces[job.workspace].runs.files(job.name, job.owner)
    names = sorted(name for name in files if name.lower().endswith(".png"))
    return render(
        request, "pictures.html", job=job, names=names[:_MOST_PICTURES], more=len(names[_MOST_PICTURES:])
    )


@router.get("/{name:path}")
def picture(
    job: JobInPath, name: Annotated[str, Path(max_length=500, pattern=r"\.[Pp][Nn][Gg]$")], service: Services
) -> Response:
    """Return a picture. What is no PNG is refused, whatever its name is."""
    try:
        content = service.workspaces[job.workspace].runs.read(job.name, job.owner, name, _MOST_BYTES)
    except PermanentError as error:
        raise RefusedError(413, "Too large", f"{name} of {job.name} is not shown: {error}") from None
    if not content.startswith(_PNG):
        raise RefusedError(415, "Not a picture", f"{name} of {job.name} is not a PNG file")
    return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})
