"""Pages from templates: the environment of Jinja2, and the filters that show values to people."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tidegate.bootstrap import Service
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.links import activity_url, page_url
from tidegate.domain.activities.newest import NewestActivity
from tidegate.errors import TidegateError
from tidegate.local_time import local_time
from tidegate.pages.csrf import csrf_token

FOLDER = Path(__file__).parent


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        page_url=page_url,
        activity_page=activity_page,
        duration=duration,
        words=words,
        number=number,
        part=part,
        period=period,
    )
    environment.globals.update(static=static_url, new_key=lambda: str(uuid4()))
    return environment


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page. The visitor, the zone of its times and the token of its forms are known to all pages."""
    zone = _zone(request)
    common = {
        "visitor": getattr(request.state, "visitor", None),
        "path": request.url.path,
        "address": f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path,
        "csrf": csrf_token(request),
        "when": _when(zone),
        "zone": str(zone),
    }
    text = _environment().get_template(template).render(**common, **values)
    return HTMLResponse(text, status)


def _zone(request: Request) -> ZoneInfo:
    service: Callable[[], Service] = request.app.state.service
    try:
        return service().config().timezone
    except TidegateError:
        return ZoneInfo("UTC")


def _when(zone: ZoneInfo) -> Callable[[datetime | None], Markup]:
    def when(at: datetime | None) -> Markup:
        """Return a time in the zone of tidegate.yml, with the offset that the zone has at that time."""
        if at is None:
            return Markup("–")
        machine = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Markup('<time datetime="{}">{}</time>').format(machine, local_time(at, zone))

    return when


def activity_page(activity: Activity | NewestActivity) -> str | None:
    """Return the path of the page about an activity's subject, or None."""
    url = activity_url(activity)
    return page_url(url) if url else None


def duration(value: timedelta | float | None) -> str:
    """Return a duration in the largest two units: `1 h 5 min`, `42 s`."""
    if value is None:
        return "–"
    seconds = int(value.total_seconds() if isinstance(value, timedelta) else value)
    days, hours, minutes = seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def words(value: Any) -> str:
    """Return the name of a state as words: `not scored`."""
    return str(getattr(value, "value", value)).replace("_", " ")


def number(value: float | None) -> str:
    """Return a number with four significant digits, and thousands apart."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    return f"{value:.4g}"


def period(partition: str) -> str:
    """Return a month as `2026-11`, and a day as `11-05`."""
    return "-".join(
        (partition[4:6], partition[6:]) if len(partition) == 8 else (partition[:4], partition[4:])
    )


def part(value: str) -> str:
    """Return a text as one part of a path."""
    return quote(value, safe="")


@cache
def static_url(name: str) -> str:
    """Return the address of a static file, which changes with its content."""
    digest = hashlib.sha256((FOLDER / "static" / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"
