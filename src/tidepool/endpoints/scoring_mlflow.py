"""MLflow models as Azure ML's own server answers for them: `input_data`, and the formats of MLflow's server.

Runs in the deployment's environment, never in Tidepool's own process.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidepool.endpoints.scoring_script import RefusedInputError, Run

_AZURE = "input_data"  # https://learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models
_MLFLOW = ("dataframe_split", "dataframe_records", "instances", "inputs")


def mlflow_run(folder: Path) -> Run:
    """What asks the model in that folder. `input_data` gets the bare predictions back, as in Azure."""
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc import load_model
    from mlflow.pyfunc.scoring_server import infer_and_parse_data
    from mlflow.utils.proto_json_utils import _get_jsonable_obj

    model = load_model(str(folder))
    schema = model.metadata.get_input_schema()

    def run(body: str) -> Any:
        given = _read(body)
        tensors = schema is not None and schema.is_tensor_spec()
        try:
            data = infer_and_parse_data(mlflow_format(given, tensors=tensors), schema)
            predictions = model.predict(data, params=given.get("params") or None)
        except MlflowException as error:
            raise RefusedInputError(str(error)) from error
        plain = _get_jsonable_obj(predictions, pandas_orient="records")
        return plain if _AZURE in given else {"predictions": plain}

    return run


def mlflow_format(given: Mapping[str, Any], *, tensors: bool) -> dict[str, Any]:
    """The same request in a format of MLflow's own server.

    `input_data` is a table (`columns`, `data`), rows as objects, or what goes into a model of tensors.
    """
    if _AZURE not in given:
        return {key: given[key] for key in _MLFLOW if key in given}
    data = given[_AZURE]
    if isinstance(data, dict) and "data" in data and not tensors:
        return {"dataframe_split": {key: data[key] for key in ("columns", "index", "data") if key in data}}
    if isinstance(data, list) and data and isinstance(data[0], dict):
        return {"dataframe_records": data}
    return {"inputs": data["data"] if isinstance(data, dict) and "data" in data else data}


def _read(body: str) -> dict[str, Any]:
    try:
        given = json.loads(body)
    except ValueError as error:
        raise RefusedInputError(f"The request is no JSON: {error}") from error
    if not isinstance(given, dict) or not {_AZURE, *_MLFLOW} & set(given):
        raise RefusedInputError(f"The request needs a top level key named '{_AZURE}'.")
    return given
