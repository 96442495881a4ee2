"""The demo: a model is trained, three months of images arrive, and are scored and checked.

It is a user like any other: uploads with azure-storage-blob, looks with azure-ai-ml and the service's API.
Exits non-zero if anything that it promises did not happen.
"""

import contextlib
import io
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from examples.digits import images
from examples.digits.arrivals import LATE, MONTHS, Arrivals
from examples.digits.outcome import Outcome, broken_promises, show
from examples.digits.progress import Progress
from tidepool.cloud import Tidepool, TidepoolError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Job

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / ".tidepool"
TRAINING_JOB = ROOT / "examples/digits/training/job.yml"
LOG = DATA / "logs" / "functions.log"
PATIENCE_S = 300

console = Console(highlight=False, soft_wrap=True, width=max(120, Console().width))


def main() -> int:
    started = time.monotonic()
    cloud = _fresh_cloud()
    os.environ.update(cloud.environment())
    _deploy()
    _train()
    outcomes = _months(cloud)
    console.print()
    show(outcomes, console)
    broken = broken_promises(outcomes)
    for promise in broken:
        console.print(f"[red]Not as promised:[/] {promise}")
    console.print(f"\n{time.monotonic() - started:.0f} s. Tidepool is still up. Try:")
    for command, what in TO_TRY:
        console.print(f"  [bold]{command:<60}[/] {what}")
    return 1 if broken else 0


TO_TRY = (
    ('eval "$(.venv/bin/tidepool env)"', "from here on, every Azure SDK in this shell talks to it"),
    (".venv/bin/python -m examples.digits.drop 202611", "one more PNG arrives: see it scored"),
    ('.venv/bin/tidegate rerun digits 202611 --reason "curious"', "score it again, as a new generation"),
    ("make down", "stop it"),
)


def _fresh_cloud() -> Tidepool:
    """Tidepool with the service in it, and nothing from before."""
    cloud = Tidepool(DATA, app=ROOT)
    try:
        cloud.attach()
        cloud.stop()
    except TidepoolError:
        pass
    cloud.delete()
    with _step("Tidepool starts: identity, storage, Azure ML, Event Grid, Functions host"):
        cloud.start(detach=True)
    return cloud


def _deploy() -> None:
    with _step("tidegate deploy: pipelines, environments, datastores are registered"):
        _run(sys.executable, "-m", "tidegate.cli", "deploy")


def _train() -> None:
    """The first model, by a training job like any other."""
    with _step("a training job registers the model digit-classifier"):
        from azure.ai.ml import load_compute

        ml = Arrivals.workspace()
        ml.compute.begin_create_or_update(load_compute(ROOT / "src/assets/compute/cpu.yml")).result()
        job = _submitted(ml)
        while (status := ml.jobs.get(job.name).status) not in ("Completed", "Failed", "Canceled"):
            time.sleep(0.5)
        if status != "Completed":
            console.print(f"The training job {job.name} is {status}: .venv/bin/tidepool logs jobs")
            raise SystemExit(1)


def _submitted(ml: "MLClient") -> "Job":
    """The training job. The SDK's bar and its warnings about classes of its own are no part of the demo."""
    from azure.ai.ml import load_job

    logging.getLogger("azure.ai.ml._utils._experimental").setLevel(logging.ERROR)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        return ml.jobs.create_or_update(load_job(TRAINING_JOB))


def _months(cloud: Tidepool) -> list[Outcome]:
    """Three months arrive one after the other, a late file last; returns what became of each version."""
    arrivals = Arrivals()
    progress = Progress(LOG, console)
    began: dict[str, float] = {}
    for arrival in MONTHS:
        console.print(f"\n[bold]{arrival.month}[/]  {arrival.says}")
        arrivals.upload(arrival)
        began[f"{arrival.month}-1"] = time.monotonic()
        progress.show()
    ended = _wait(progress, cloud, set(began))
    console.print(f"\n[bold]{LATE}[/]  one more file comes late")
    arrivals.upload_late()
    began[f"{LATE}-2"] = time.monotonic()
    ended |= _wait(progress, cloud, {f"{LATE}-2"})
    known = {arrival.month: images.month(arrival.month, arrival.count) for arrival in MONTHS}
    known[LATE] = [*known[LATE], arrivals.late_digit()]
    return [
        Outcome.of(version, known[version[:6]], ended[version] - began[version])
        for version in sorted(began)
        if version in ended
    ]


def _wait(progress: Progress, cloud: Tidepool, versions: set[str]) -> dict[str, float]:
    """When each version came to its end; without those that did not in time."""
    ended: dict[str, float] = {}
    deadline = time.monotonic() + PATIENCE_S
    while set(ended) != versions and time.monotonic() < deadline:
        progress.show()
        for version in versions - set(ended):
            if Outcome.is_final(version):
                ended[version] = time.monotonic()
        time.sleep(0.5)
    cloud.settle()
    progress.show()
    return ended


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        console.print(done.stdout + done.stderr)
        raise SystemExit(done.returncode)


class _step:  # noqa: N801 - reads as the statement that it is
    """Says what is being done, and how long it took."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        self._started = time.monotonic()
        console.print(f"[bold]·[/] {self._what} ...", end="")

    def __exit__(self, *_: object) -> None:
        console.print(f" {time.monotonic() - self._started:.1f} s")


if __name__ == "__main__":
    sys.exit(main())
