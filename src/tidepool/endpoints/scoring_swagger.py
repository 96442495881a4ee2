"""The OpenAPI description of a deployment: its own file, or from the decorators of its script, or general.

It runs in the environment of the deployment, so it imports only the standard library, and inference-schema
if the script has imported it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_VERSIONS = ("2", "3")
_ANY: dict[str, Any] = {"type": "object", "example": {}}
_UTIL = "inference_schema.schema_util"


def takes_schema(run: Callable[..., Any]) -> bool:
    """Return whether a `run` has decorators of inference-schema, so that it takes parameters by name."""
    util = sys.modules.get(_UTIL)
    return bool(util and util.is_schema_decorated(run))


def swagger(version: str, folder: Path | None, run: Callable[..., Any] | None) -> dict[str, Any] | None:
    """Return the description in a version of OpenAPI, 2 or 3, or None for another version.

    A file `swagger2.json` or `swagger3.json` beside the script replaces the generated one.
    """
    if version not in _VERSIONS:
        return None
    own = folder / f"swagger{version}.json" if folder else None
    if own and own.is_file():
        written: dict[str, Any] = json.loads(own.read_text(encoding="utf-8"))
        return written
    util = sys.modules.get(_UTIL)
    decorated = util if run is not None and takes_schema(run) else None
    taken = decorated.get_input_schema(run) if decorated else _ANY
    returned = decorated.get_output_schema(run) if decorated else _ANY
    return _version_2(taken, returned) if version == "2" else _version_3(taken, returned)


def _info() -> dict[str, str]:
    return {"title": "ML service", "description": "A deployment of an online endpoint", "version": "1.0"}


def _version_2(taken: Any, returned: Any) -> dict[str, Any]:
    score = {
        "operationId": "RunMLService",
        "parameters": [
            {
                "name": "serviceInputPayload",
                "in": "body",
                "schema": {"$ref": "#/definitions/ServiceInput"},
            }
        ],
        "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/ServiceOutput"}}},
    }
    return {
        "swagger": "2.0",
        "info": _info(),
        "schemes": ["https"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "paths": {"/score": {"post": score}},
        "definitions": {"ServiceInput": taken, "ServiceOutput": returned},
    }


def _version_3(taken: Any, returned: Any) -> dict[str, Any]:
    def content(name: str) -> dict[str, Any]:
        return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}

    score = {
        "operationId": "RunMLService",
        "requestBody": {"content": content("ServiceInput")},
        "responses": {"200": {"description": "OK", "content": content("ServiceOutput")}},
    }
    return {
        "openapi": "3.0.3",
        "info": _info(),
        "paths": {"/score": {"post": score}},
        "components": {"schemas": {"ServiceInput": taken, "ServiceOutput": returned}},
    }
