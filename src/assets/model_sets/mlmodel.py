"""The MLmodel file of a set, and the files with its requirements: what MLflow needs to load it."""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

import yaml

from model_sets.info import FORMAT, METADATA, SetInfo

LIBRARIES = ("mlflow-skinny", "cloudpickle", "lightgbm", "numpy", "pandas", "pyarrow", "pyyaml")


def write(folder: Path, info: SetInfo, facts: Mapping[str, Any]) -> None:
    """Write MLmodel, last, with conda.yaml, python_env.yaml and requirements.txt before it.

    It is written without MLflow's own function, which would copy the shards.
    """
    libraries = [f"{name}=={version(name)}" for name in LIBRARIES]
    texts = {
        "requirements.txt": "\n".join(libraries) + "\n",
        "python_env.yaml": _yaml({"python": python_version(), "dependencies": ["-r requirements.txt"]}),
        "conda.yaml": _yaml(
            {
                "channels": ["conda-forge"],
                "dependencies": [f"python={python_version()}", "pip", {"pip": libraries}],
                "name": "mlflow-env",
            }
        ),
        "MLmodel": _yaml(_content(info, facts)),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _content(info: SetInfo, facts: Mapping[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC)
    inputs = [
        *(_column("string", key) for key in info.keys),
        _column("datetime", info.time),
        *(_column("double", name, required=False) for name in info.covariates),
    ]
    outputs = [
        _column("double", "forecast", required=False),
        *(_column("string", name, required=False) for name in ("trained_in", "state", "reason")),
    ]
    signature = {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None}
    return {
        "flavors": {
            "python_function": {
                "loader_module": "model_sets.loader",
                "code": "code",
                "python_version": python_version(),
                "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
            }
        },
        "metadata": {"tidegate_model": "model-set", METADATA: {"format": FORMAT, **facts}},
        "mlflow_version": version("mlflow-skinny"),
        "model_uuid": uuid.uuid4().hex,
        # A set with prepare.py takes the raw table, whose columns only this file knows.
        **({} if info.prepare else {"signature": signature}),
        "utc_time_created": now.strftime("%Y-%m-%d %H:%M:%S.%f"),
    }


def _column(kind: str, name: str, *, required: bool = True) -> dict[str, Any]:
    return {"type": kind, "name": name, "required": required}


def _yaml(content: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
