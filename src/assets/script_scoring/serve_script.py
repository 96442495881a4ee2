"""The scoring script of an online deployment: gives the files of a request to the user's batch script.

A request is JSON with the content of files in base64: `{"files": {"a.png": "iVBORw0..."}}`. The answer is the
list of rows that batch scoring publishes: a dictionary for each file, with its name as `img`.
"""

import base64
import binascii
import json
import tempfile
from pathlib import Path
from typing import Any

from user_script import UserScript, find_script, use_endpoint_model

MOST_FILES = 100

_script: UserScript


class BadRequestError(ValueError):
    """A request that is not in the form above. The message is one sentence."""


def init() -> None:
    """Load the user's script with the model of the deployment."""
    global _script  # noqa: PLW0603  Azure ML calls module-level functions
    use_endpoint_model()
    _script = UserScript(find_script())


def run(raw: str | bytes) -> Any:
    """Score the files of one request. A request that cannot be understood gets the status 400."""
    try:
        contents = read_request(raw)
    except BadRequestError as error:
        return _bad_request(str(error))
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for number, (name, content) in enumerate(contents.items()):
            file = Path(folder) / str(number) / Path(name).name
            file.parent.mkdir()
            file.write_bytes(content)
            files[str(file)] = name
        return _script.score(files)


def read_request(raw: str | bytes) -> dict[str, bytes]:
    """Return the content of each file of a request. Raise BadRequestError if it has another form."""
    try:
        files = json.loads(raw)["files"]
        contents = {str(name): base64.b64decode(text, validate=True) for name, text in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        raise BadRequestError('write JSON such as {"files": {"a.png": "<content in base64>"}}') from None
    if not 0 < len(contents) <= MOST_FILES:
        raise BadRequestError(f"send 1 to {MOST_FILES} files, not {len(contents)}")
    unusable = [name for name in contents if Path(name).name in ("", ".", "..") or "\0" in name]
    if unusable:
        raise BadRequestError(f"{unusable[0]!r} is not the name of a file")
    return contents


def _bad_request(message: str) -> Any:
    try:
        from azureml_inference_server_http.api.aml_response import AMLResponse
    except ImportError:  # an environment with Azure's older server
        from azureml.contrib.services.aml_response import AMLResponse

    return AMLResponse({"error": message}, 400, json_str=True)
