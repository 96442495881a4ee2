"""The command line of a step, with paths and literals filled in."""

import argparse
import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidepool.jobs.body_values import seconds
from tidepool.jobs.expressions import fill, fill_command, reference
from tidepool.jobs.graph import Step, is_step_input

Texts = Mapping[str, str]
# The key of a task whose environment is that of an MLflow model: the name of the input with the model.
OF_MODEL = "environment_of"


def command_line(step: Step, texts: Texts, *, python: Path, folder: Path) -> list[str]:
    """Return the command line of a step, and write the files that its process needs to `folder`.

    `texts` has a path or literal for each `inputs.x` and `outputs.y`. Raise UnknownReferenceError if an
    expression has no value.
    """
    if step.kind == "command":
        return ["bash", "-c", fill_command(str(step.spec["command"]), texts)]
    settings = folder / "parallel.json"
    settings.write_text(json.dumps(parallel_settings(step, texts)), encoding="utf-8")
    return [str(python), "-m", "tidepool.jobs.parallel", str(settings)]


def parallel_settings(step: Step, texts: Texts) -> dict[str, Any]:
    """Return the fields of `parallel.ParallelSettings`."""
    spec, task = step.spec, step.spec["task"]
    arguments = shlex.split(fill_command(task.get("program_arguments") or "", texts))
    retry = spec.get("retry_settings") or {}
    settings = {
        "entry_script": task["entry_script"],
        "arguments": arguments,
        "input": fill(spec["input_data"], texts),
        "is_table": _is_table(step),
        "partition_keys": _partition_keys(spec.get("partition_keys")),
        "workers": step.instances * int(spec.get("max_concurrency_per_instance") or os.cpu_count() or 1),
        # The SDK sends 0 if no size is given.
        "mini_batch_size": str(spec.get("mini_batch_size") or 0).strip().lstrip("0") or None,
        "mini_batch_error_threshold": _value_or(spec, "mini_batch_error_threshold", -1),
        "error_threshold": _value_or(spec, "error_threshold", -1),
        "max_retries": _value_or(retry, "max_retries", 2),
        "timeout_s": seconds(_value_or(retry, "timeout", 60)),
        "append_row_to": _append_row_to(step, task.get("append_row_to"), texts),
        "logging_level": spec.get("logging_level") or "INFO",
    }
    return {**settings, **_driver_arguments(arguments)}


def _is_table(step: Step) -> bool:
    return any(is_step_input(step, name) and value.type == "mltable" for name, value in step.inputs.items())


def _partition_keys(value: Any) -> list[str]:
    """Return the partition keys. The SDK sends them as JSON in a text."""
    keys = json.loads(value) if isinstance(value, str) else value
    return [str(key) for key in keys or []]


def _append_row_to(step: Step, text: str | None, texts: Texts) -> str | None:
    """Return the file for the joined rows.

    If the output is a folder, the file has the name that Azure ML uses.
    """
    if not text:
        return None
    path = Path(fill(text, texts))
    output = step.outputs.get((reference(text) or "").removeprefix("outputs."))
    return str(path / "parallel_run_step.txt" if output and output.type == "uri_folder" else path)


def _driver_arguments(arguments: list[str]) -> dict[str, Any]:
    """Return the program arguments that apply to the driver as well as to the script."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--error_threshold", type=int)
    parser.add_argument("--allowed_failed_percent", type=float)
    parser.add_argument("--mini_batch_error_threshold", "--allowed_failed_count", type=int)
    options = vars(parser.parse_known_args(arguments)[0])
    return {name: value for name, value in options.items() if value is not None}


def _value_or(values: Mapping[str, Any], name: str, default: Any) -> Any:
    value = values.get(name)
    return default if value is None else value
