"""The example on Tidepool: what is deployed, what is there before a month comes, a champion."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from examples.digits import labelled_sets, models
from examples.digits.arrivals import Arrivals
from examples.digits.models import MODEL, DemoError
from examples.digits.screen import console, silent, step

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / ".tidepool"
LOG = DATA / "logs" / "functions.log"


def deploy() -> None:
    """`tidegate deploy`; SystemExit with what it printed where it fails."""
    with step("tidegate deploy: pipelines, environments, datastores are registered"):
        command = [sys.executable, "-m", "tidegate.cli.app", "deploy"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        console.print(done.stdout + done.stderr)
        raise SystemExit(done.returncode)


def prepare(ml: "MLClient") -> None:
    """The container of the images, the labelled sets, and the cluster that models are trained on."""
    from azure.ai.ml import load_compute

    Arrivals().make_container()
    with silent():
        labelled_sets.register(ml)
    ml.compute.begin_create_or_update(load_compute(ROOT / "src/assets/compute/cpu.yml")).result()


def crown(version: str, show: Callable[[], None]) -> None:
    """Approve a version that passes, and wait until it is champion. DemoError says what it is instead."""
    ended = models.crown(version, show)
    if ended["state"] != "champion":
        raise DemoError(f"{MODEL}:{version} is {ended['state']}, not champion: {ended['error']}")
    console.print(f"  [bold]{MODEL}:{version} is champion[/], at the endpoint {MODEL}")
