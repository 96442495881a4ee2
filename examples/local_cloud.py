"""The example's installation in Tidepool: a running cloud, the deployed service, and its labelled data."""

import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from examples.digits import labelled_sets
from examples.digits.arrivals import Arrivals
from examples.digits.screen import Screen
from tidegate.installation.package import unpacked
from tidegate.log import quiet_uploads
from tidepool.cloud import Tidepool, TidepoolError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / ".tidepool"
LOG = DATA / "logs" / "functions.log"


def package(screen: Screen) -> Path:
    """Return the folder of the deployment package, which is what Tidepool runs. Build it if needed."""
    with screen.step("The deployment package, as `make package` builds it for Azure"):
        return unpacked(ROOT)


def fresh_cloud(screen: Screen, app: Callable[[], Path]) -> Tidepool:
    """Start Tidepool with the service in it, and without anything from an earlier run.

    `app` returns the folder of the service, and builds it if needed.
    """
    try:
        cloud = Tidepool(DATA)
        cloud.stop()
        if DATA.exists():
            screen.say("The data of an earlier run, in .tidepool, is deleted first.")
        cloud.delete()
        screen.chapter("The local cloud starts, and the service is deployed")
        cloud = Tidepool(DATA, app=app())
        with screen.step("Tidepool starts: storage, Azure ML, Event Grid, Functions host"):
            cloud.start(detach=True)
    except TidepoolError as error:
        raise SystemExit(f"The demo cannot start: {error}") from error
    os.environ.update(cloud.environment())
    return cloud


def deploy(screen: Screen) -> None:
    """Run `tidegate deploy`. Print its output and end the program if it fails.

    Meanwhile import azure-ai-ml, which the next step needs and which takes seconds.
    """
    threading.Thread(target=importlib.import_module, args=["azure.ai.ml"], daemon=True).start()
    with screen.step("tidegate deploy: pipelines, environments and datastores"):
        command = [sys.executable, "-m", "tidegate.cli.app", "deploy"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        screen.console.print(done.stdout + done.stderr, markup=False)
        raise SystemExit(done.returncode)


def prepare(ml: "MLClient", screen: Screen) -> None:
    """Make the images' container, the labelled data sets, and the cluster that trains models."""
    from azure.ai.ml import load_compute

    with screen.step("Labelled images to train and to judge models, and a cluster"):
        Arrivals().make_container()
        with quiet_uploads():
            labelled_sets.register(ml)
        ml.compute.begin_create_or_update(load_compute(ROOT / "src/assets/compute/cpu.yml")).result()
