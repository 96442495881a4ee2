"""The style sheet, htmx and the icon, served by the app itself. They say nothing about an installation."""

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from tidegate.pages.rendering import FOLDER

HTMX = "htmx-2.0.4.min.js"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}
_FILES = {file.name: file for file in (FOLDER / "static").iterdir() if file.suffix in _TYPES}

router = APIRouter()


@router.get("/static/{name}")
def static_file(name: str) -> Response:
    """Return a file. Its address has a hash of its content, so browsers may keep it."""
    if name not in _FILES:
        raise HTTPException(404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(_FILES[name].read_bytes(), media_type=_TYPES[_FILES[name].suffix], headers=headers)


@router.get("/favicon.ico")
def icon() -> Response:
    return static_file("icon.svg")
