"""Seconds from the submission to the end of a pipeline of three steps, compared with three commands alone."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from azure.ai.ml import MLClient, load_job
from azure.ai.ml.entities import AmlCompute, Environment

from tests.bench.table import Row
from tests.support.azure_clients import ml_client
from tidepool.cloud import Tidepool

RUNS = 10
COMMAND = "python -c 'print(1)'"
STEPS = ("first", "second", "third")


def measure(_: Path) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, Tidepool(Path(folder, "tidepool")) as cloud:
        os.environ.update(cloud.environment())
        ml = ml_client("mlw-dev")
        ml.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS3_v2")).result()
        ml.environments.create_or_update(Environment(name="bench", version="1", image="python:3.11"))
        file = Path(folder, "pipeline.yml")
        _run(cloud, ml, file, 0)  # the first uploads and imports what the others find
        ours = [_run(cloud, ml, file, number) for number in range(1, RUNS + 1)]
    bare = [_commands() for _ in range(RUNS)]
    figures = (statistics.median(ours), statistics.median(bare))
    return [Row.bound("p50", "s", figures, "three commands", "<= 1.2")]


def _run(cloud: Tidepool, ml: MLClient, file: Path, number: int) -> float:
    """Return the seconds of a pipeline. Each number makes another one, so that none reuses steps."""
    steps = {name: _step(number, former) for name, former in zip(STEPS, ("", *STEPS), strict=False)}
    file.write_text(
        json.dumps({"type": "pipeline", "settings": {"default_compute": "azureml:cpu"}, "jobs": steps})
    )
    job = load_job(file)
    started = time.perf_counter()
    name = ml.jobs.create_or_update(job).name
    cloud.settle()
    seconds = time.perf_counter() - started
    assert ml.jobs.get(name).status == "Completed"
    return seconds


def _step(number: int, former: str) -> dict[str, Any]:
    """Return a step that reads the output of the former one, if there is one, and writes its own."""
    read = "cat ${{inputs.data}}/number; " if former else ""
    data = {"inputs": {"data": f"${{{{parent.jobs.{former}.outputs.data}}}}"}} if former else {}
    return {
        "type": "command",
        "command": f"{read}{COMMAND}; echo {number} > ${{{{outputs.data}}}}/number",
        "environment": "azureml:bench:1",
        "outputs": {"data": {"type": "uri_folder"}},
        **data,
    }


def _commands() -> float:
    """Return the seconds of the commands, with the Python that the steps have."""
    environ = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    started = time.perf_counter()
    for _ in STEPS:
        subprocess.run(COMMAND, shell=True, check=True, env=environ, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
