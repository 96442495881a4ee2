"""Forms that people send: their fields, the check against forged requests, and the page with the result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar
from urllib.parse import parse_qsl
from uuid import uuid4

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ValidationError

from tidegate.errors import RefusedError
from tidegate.pages.csrf import FIELD, check_token
from tidegate.pages.rendering import render

_HIDDEN = (FIELD, "back")
B = TypeVar("B", bound=BaseModel)


@dataclass(frozen=True)
class Form:
    """The fields of a form. A field that is sent several times has several values."""

    pairs: Sequence[tuple[str, str]]

    @property
    def fields(self) -> Mapping[str, str]:
        return dict(self.pairs)

    @property
    def typed(self) -> list[tuple[str, str]]:
        """What the person chose and typed, to be sent again."""
        return [pair for pair in self.pairs if pair[0] not in _HIDDEN]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]

    def get(self, name: str) -> str | None:
        """Return a field without blanks around it, or None if it is empty."""
        return self.fields.get(name, "").strip() or None

    @property
    def key(self) -> str:
        """The idempotency key, which the page gave the form: a form that is sent twice takes effect once."""
        return self.get("key") or str(uuid4())


async def read_form(request: Request) -> Form:
    """Return the form that a request sends, whatever it is."""
    body = (await request.body()).decode(errors="replace")
    form = Form(parse_qsl(body, keep_blank_values=True, max_num_fields=2000))
    request.state.form = form
    return form


def _checked(request: Request, form: Annotated[Form, Depends(read_form)]) -> Form:
    check_token(request, form.fields)
    return form


SentForm = Annotated[Form, Depends(_checked)]


def body_of(model: type[B], /, **values: object) -> B:
    """Return the body of a request of the API. Raise RefusedError if a field is not valid."""
    try:
        return model(**values)
    except ValidationError as error:
        mistakes = "; ".join(f"{mistake['loc'][-1]}: {mistake['msg']}" for mistake in error.errors())
        raise RefusedError(422, "Unprocessable", mistakes) from None


def done(request: Request, text: str, link: str | None = None, link_text: str = "") -> HTMLResponse:
    """Return the result of a form: a part of the page that sent it, or a page of its own without scripts."""
    return _result(request, 200, title="Done", text=text, link=link, link_text=link_text)


def not_done(request: Request, error: RefusedError) -> HTMLResponse:
    """Return that a form had no effect. A page without scripts has what was typed, to be sent again."""
    return _result(request, error.status, title=f"Not done. {error.title}", text=error.detail, link=None)


def _result(request: Request, status: int, **shown: str | None) -> HTMLResponse:
    form: Form | None = getattr(request.state, "form", None)
    part = bool(request.headers.get("hx-request"))
    return render(
        request,
        "result_part.html" if part else "result.html",
        status,
        **shown,
        good=status < 300,
        back=_own_path(form.get("back") if form else None),
        typed=form.typed if form and status >= 300 else [],
    )


def _own_path(path: str | None) -> str:
    """Return a path of this host, `/` if it is none."""
    return path if path and path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
