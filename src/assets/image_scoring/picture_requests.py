"""The pictures of a request to an online endpoint, in the forms in which clients of Azure send them."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

MOST_PICTURES = 100
FORMS = (
    "send a picture as image/* or application/octet-stream, files as multipart/form-data, or JSON such as "
    '{"files": {"a.png": "<base64>"}} or {"input_data": {"columns": ["image"], "data": ["<base64>"]}}'
)

Named = list[tuple[str, bytes]]


class BadRequestError(ValueError):
    """A request without pictures. The message is one sentence."""


def read_pictures(request: Any) -> Named:
    """Return the name and the content of each picture of a Werkzeug request.

    A picture without a name gets its number. Raise BadRequestError if the request has another form.
    """
    kind = request.mimetype
    if kind == "multipart/form-data":
        files = [file for _, file in request.files.items(multi=True)]
        named = [(file.filename or str(number), file.read()) for number, file in enumerate(files)]
    elif kind == "application/octet-stream" or kind.startswith("image/"):
        named = [("0", request.get_data())]
    elif kind in ("", "application/json"):
        named = read_json(request.get_data())
    else:
        raise BadRequestError(f"the content type is {kind}: {FORMS}")
    if not 0 < len(named) <= MOST_PICTURES:
        raise BadRequestError(f"send 1 to {MOST_PICTURES} pictures, not {len(named)}")
    return named


def read_json(body: bytes) -> Named:
    """Return the pictures of a JSON request, which has them in base64.

    Clients that use `base64.encodebytes` send line breaks, too. Raise BadRequestError for any other form.
    """
    try:
        return [(name, _decoded(text)) for name, text in _texts(json.loads(body))]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        broken = isinstance(error, binascii.Error)
        raise BadRequestError(f"a picture is not base64: {error}" if broken else FORMS) from None


def _texts(request: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "files" in request:
        return [(str(name), text) for name, text in request["files"].items()]
    table = request["input_data"]
    cells = table if isinstance(table, list) else table["data"]
    texts = [cell[0] if isinstance(cell, list) and len(cell) == 1 else cell for cell in cells]
    index = table.get("index") if isinstance(table, dict) else None
    return [(str(name), text) for name, text in zip(index or range(len(texts)), texts, strict=True)]


def _decoded(text: str) -> bytes:
    return base64.b64decode("".join(text.split()), validate=True)
