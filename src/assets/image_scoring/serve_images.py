"""The entry script of an online endpoint for a model of images. Its answers are those of batch scoring.

A request has pictures as they are or in base64 (`picture_requests.py`). The answer is a list with an object
for each picture, in their order: `img`, `label`, `score`, `error` and further columns. A picture that cannot
be read gets its error. A request without pictures is answered with 400, which Azure gives to callers as 424
with the header `ms-azureml-model-error-statuscode`.
"""

import logging
import os
import sys
from pathlib import Path
from typing import Any

from decoding import BrokenImageError, Picture, decode
from image_model import ImageModel, find_model
from picture_requests import BadRequestError, read_pictures
from picture_rows import row_object, rows_of

try:
    from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
    from azureml_inference_server_http.api.aml_response import AMLResponse
except ImportError:  # an environment with Azure's older server
    from azureml.contrib.services.aml_request import AMLRequest, rawhttp
    from azureml.contrib.services.aml_response import AMLResponse

log = logging.getLogger(__name__)

_model: ImageModel


def init() -> None:
    """Load the model of the deployment, once in each process."""
    global _model  # noqa: PLW0603  Azure ML calls module-level functions
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    _model = ImageModel(find_model(Path(os.environ["AZUREML_MODEL_DIR"])))
    log.info("model_loaded input=%s", _model.input)


@rawhttp  # type: ignore[untyped-decorator]
def run(request: AMLRequest) -> Any:
    """Answer one request: a list of objects, or a problem with the status 400."""
    try:
        contents = read_pictures(request)
    except BadRequestError as error:
        return AMLResponse({"error": str(error)}, 400, json_str=True)
    pictures = ((name, _decoded(content)) for name, content in contents)
    return [row_object(row) for row in rows_of(_model, pictures)]


def _decoded(content: bytes) -> Picture | BrokenImageError:
    try:
        return decode(content, _model.frame)
    except BrokenImageError as error:
        return error
