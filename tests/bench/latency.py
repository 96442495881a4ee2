"""Seconds from the event that completes a month to the submitted job, compared with the SDK alone."""

import os
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.bench.table import Row
from tests.support.installation import Installation, Running
from tidepool.cloud import Tidepool

MONTHS = 20
DATA = {"images": "uri_folder", "manifest": "uri_file", "model": "mlflow_model"}
LITERALS = {
    "max_error_rate": 0.2,
    "feed": "stories",
    "partition": "209901",
    "version": "209901-1",
    "generation": "1",
    "score_compute": "gpu-lowpri",
    "publish_compute": "cpu",
}


def measure(_: Path) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, Tidepool(Path(folder, "tidepool")) as cloud:
        os.environ.update(cloud.environment())
        installation = Installation(cloud, Path(folder))
        with installation.start() as running:
            _one(installation, running, "209901")  # the first finds cold imports and no clusters
            months = [f"{2100 + number // 12}{number % 12 + 1:02}" for number in range(MONTHS)]
            ours = [_one(installation, running, partition) for partition in months]
        bare = [_submit(installation, number) for number in range(MONTHS)]
    quantiles = statistics.quantiles(ours, n=20), statistics.quantiles(bare, n=20)
    beside = "SDK's create_or_update"
    return [
        Row.ratio("p50", "s", (statistics.median(ours), statistics.median(bare)), beside, ""),
        Row.bound("p95", "s", (quantiles[0][-1], quantiles[1][-1]), beside, "<= 2"),
    ]


def _one(installation: Installation, running: Running, partition: str) -> float:
    """Return the seconds from the write of the marker to the end of the submission, by the gateway's log."""
    installation.upload(partition, {"a.png": "cat", "b.png": "dog"})
    running.settle()
    requests = installation.cloud.find_requests(path=partition)
    marker = next(
        request
        for request in requests
        if request["method"] == "PUT" and request["path"].endswith(f"/{partition}/_SUCCESS")
    )
    job = next(
        request
        for request in requests
        if request["method"] == "PUT" and f"/jobs/score-stories-{partition}" in request["path"]
    )
    return _end(job) - _end(marker)


def _end(request: dict[str, Any]) -> float:
    return datetime.fromisoformat(request["time"]).timestamp() + float(request["ms"]) / 1000


def _submit(installation: Installation, number: int) -> float:
    """Return the seconds in which the SDK alone submits the same kind of job."""
    from azure.ai.ml import Input
    from azure.ai.ml.entities import PipelineJob

    job = installation.ml.jobs.get("score-stories-209901-1-g1-a1")
    again = PipelineJob(
        name=f"bare-{number}",
        component=installation.ml.components.get("quick", label="latest").id,
        experiment_name="bare",
        inputs={
            **{name: Input(type=kind, path=job.inputs[name].path) for name, kind in DATA.items()},
            **LITERALS,
        },
    )
    started = time.perf_counter()
    installation.ml.jobs.create_or_update(again)
    return time.perf_counter() - started
