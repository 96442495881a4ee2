"""The pictures of a request to an online endpoint."""

import base64
import io
import json
from typing import Any

import pytest
from picture_requests import BadRequestError, read_pictures
from werkzeug import Request
from werkzeug.test import EnvironBuilder

CODED = base64.b64encode(b"a picture").decode()


def request(**body: Any) -> Request:
    return Request(EnvironBuilder(method="POST", **body).get_environ())


def json_request(body: Any) -> Request:
    return request(data=json.dumps(body), content_type="application/json; charset=utf-8")


@pytest.mark.parametrize(
    ("sent", "names"),
    [
        (request(data=b"a picture", content_type="image/jpeg"), ["0"]),
        (request(data=b"a picture", content_type="application/octet-stream"), ["0"]),
        (request(data={"image": (io.BytesIO(b"a picture"), "a.png")}), ["a.png"]),
        (json_request({"files": {"a.png": CODED}}), ["a.png"]),
        (json_request({"files": {"a.png": base64.encodebytes(b"a picture").decode()}}), ["a.png"]),
        (json_request({"input_data": [CODED, CODED]}), ["0", "1"]),
        (json_request({"input_data": {"columns": ["image"], "data": [CODED]}}), ["0"]),
        (json_request({"input_data": {"columns": ["image"], "data": [[CODED]], "index": [7]}}), ["7"]),
    ],
)
def test_pictures_are_read_in_the_forms_of_azures_clients(sent: Request, names: list[str]) -> None:
    assert read_pictures(sent) == [(name, b"a picture") for name in names]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (request(data="a=b", content_type="application/x-www-form-urlencoded"), "the content type is app"),
        (request(data=b"{", content_type="application/json"), "send a picture as"),
        (json_request([]), "send a picture as"),
        (json_request({"pixels": []}), "send a picture as"),
        (json_request({"input_data": {"columns": ["image"]}}), "send a picture as"),
        (json_request({"input_data": {"columns": ["a", "b"], "data": [[CODED, "b"]]}}), "send a picture as"),
        (json_request({"input_data": {"data": [CODED], "index": [1, 2]}}), "send a picture as"),
        (json_request({"files": {}}), "send 1 to 100 pictures, not 0"),
        (json_request({"files": {"a.png": "é"}}), "not base64|send a picture as"),
        (json_request({"files": {"a.png": "abc"}}), "a picture is not base64: Incorrect padding"),
        (json_request({"input_data": [CODED] * 101}), "send 1 to 100 pictures, not 101"),
    ],
)
def test_a_request_without_pictures_is_refused_with_what_to_send(sent: Request, reason: str) -> None:
    with pytest.raises(BadRequestError, match=reason):
        read_pictures(sent)
