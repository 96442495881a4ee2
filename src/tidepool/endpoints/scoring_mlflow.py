"""Predictions of MLflow models in the formats of Azure ML's server (`input_data`) and of MLflow's server.

It runs in the environment of the deployment, never in Tidepool's own process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidepool.endpoints.scoring_script import RefusedInputError, Run

_AZURE = "input_data"  # https://learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models
_MLFLOW = ("dataframe_split", "dataframe_records", "instances", "inputs")


def mlflow_run(folder: Path) -> Run:
    """Load the model in a folder, and return a function that returns the model's predictions for a request.

    As in Azure, the response to a request with `input_data` contains only the predictions.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc import load_model
    from mlflow.pyfunc.scoring_server import infer_and_parse_data
    from mlflow.utils.proto_json_utils import _get_jsonable_obj

    model = load_model(str(folder))
    schema = model.metadata.get_input_schema()

    def run(body: str) -> Any:
        request = _read(body)
        tensors = schema is not None and schema.is_tensor_spec()
        try:
            data = infer_and_parse_data(mlflow_format(request, tensors=tensors), schema)
            predictions = model.predict(data, params=request.get("params") or None)
        except MlflowException as error:
            raise RefusedInputError(str(error)) from error
        plain = _get_jsonable_obj(predictions, pandas_orient="records")
        return plain if _AZURE in request else {"predictions": plain}

    return run


def mlflow_format(request: Mapping[str, Any], *, tensors: bool) -> dict[str, Any]:
    """Convert a request to a format of MLflow's own server.

    `input_data` is a table (`columns`, `data`), a list of rows as objects, or the input of a model that takes
    `tensors`.
    """
    if _AZURE not in request:
        return {key: request[key] for key in _MLFLOW if key in request}
    data = request[_AZURE]
    if isinstance(data, dict) and "data" in data and not tensors:
        return {"dataframe_split": {key: data[key] for key in ("columns", "index", "data") if key in data}}
    if isinstance(data, list) and data and isinstance(data[0], dict):
        return {"dataframe_records": data}
    return {"inputs": data["data"] if isinstance(data, dict) and "data" in data else data}


def _read(body: str) -> dict[str, Any]:
    try:
        request = json.loads(body)
    except ValueError as error:
        raise RefusedInputError(f"The request is not JSON: {error}") from error
    if not isinstance(request, dict) or not {_AZURE, *_MLFLOW} & set(request):
        raise RefusedInputError(f"The request needs a top level key named '{_AZURE}'.")
    return request
