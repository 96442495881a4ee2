"""What the examples share: Tidepool with the service in it, its containers, and the Azure ML workspace."""

import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from examples.screen import DemoError, Screen
from tidegate.api_client import ApiError
from tidegate.folders import FOLDERS
from tidegate.installation.package import unpacked
from tidepool.cloud import Tidepool, TidepoolError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.storage.blob import ContainerClient

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / os.environ.get("TIDEPOOL_DATA", ".tidepool")  # as the command tidepool
LOG = DATA / "logs" / "functions.log"
# What `azd up` installs, for the environment `local`: the resources, and the subscriptions of the functions.
TEMPLATES = [ROOT / f"infra/{name}.snapshot.json" for name in ("local", "local-subscriptions")]
CONFIGURATION = "tidegate.yml"
MAILBOX = "jsons://mailbox.tidepool/notify"


def fresh_cloud(screen: Screen, example: str) -> Tidepool:
    """Start Tidepool with the service of an example in it, and without anything from an earlier run."""
    try:
        cloud = Tidepool(DATA)
        cloud.stop()
        if DATA.exists():
            screen.say("The data of an earlier run, in .tidepool, is deleted first.")
        cloud.delete()
        screen.chapter("The local cloud starts, and the service is deployed")
        return running_cloud(screen, example)
    except TidepoolError as error:
        raise SystemExit(f"The demo cannot start: {error}") from error


def running_cloud(screen: Screen, example: str) -> Tidepool:
    """Return Tidepool with the service of an example in it. Start it unless it runs with this service.

    Changed code or a changed tidegate.yml is another service. All data is kept. This process reads the same
    tidegate.yml as the service.
    """
    app = _package(screen, example)
    cloud = Tidepool(DATA, app=app, templates=TEMPLATES, parameters={"notifyUrl": MAILBOX})
    if _runs(app):
        cloud.attach()
    else:
        cloud.stop()
        with screen.step("Tidepool starts: storage, Azure ML, Event Grid, Functions host"):
            cloud.start(detach=True)
    os.environ.update(cloud.environment(), TIDEGATE_CONFIG=str(app / CONFIGURATION))
    return cloud


def _package(screen: Screen, example: str) -> Path:
    """Return the folder of the deployment package, which is what Tidepool runs. Build it if needed.

    In a user's own repository, tidegate.yml is the example's. Here, an example may have its own beside it.
    """
    own = ROOT / "examples" / example / CONFIGURATION
    with screen.step("The deployment package, as `make package` builds it for Azure"):
        return unpacked(ROOT, configuration=own if own.exists() else None)


def _runs(app: Path) -> bool:
    running = Tidepool(DATA)
    if not running.is_running:
        return False
    running.attach()
    return str(app) in [site["app_dir"] for site in running.status()["sites"]]


def run(bring_up: Callable[[Screen], None]) -> None:
    """Bring the local cloud up. End the program with a sentence if that fails."""
    try:
        bring_up(Screen())
    except (DemoError, ApiError) as error:
        raise SystemExit(f"Not ready: {error}. The log is .tidepool/logs/functions.log") from error
    except TidepoolError as error:
        raise SystemExit(f"Not ready: {error}") from error


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


def container(name: str) -> "ContainerClient":
    """Return a container of the feeds' storage account, and create it unless it exists."""
    from azure.identity import DefaultAzureCredential
    from azure.storage.blob import BlobServiceClient

    url = f"https://{os.environ['AZURE_STORAGE_ACCOUNT']}.blob.core.windows.net"
    client = BlobServiceClient(url, credential=DefaultAzureCredential()).get_container_client(name)
    if not client.exists():
        client.create_container()
    return client


def upload(name: str, folder: str, files: Mapping[str, bytes]) -> None:
    """Upload files to a folder of a container of the feeds' storage account, in their order."""
    client = container(name)
    for file, content in files.items():
        client.upload_blob(f"{folder}/{file}", content, overwrite=True)


def development() -> "MLClient":
    """Return a client of the development workspace."""
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    return MLClient(
        DefaultAzureCredential(),
        os.environ["AZURE_SUBSCRIPTION_ID"],
        os.environ["AZURE_RESOURCE_GROUP_DEVELOPMENT"],
        os.environ["AZUREML_WORKSPACE_DEVELOPMENT"],
        show_progress=False,
    )


def make_cluster(ml: "MLClient") -> None:
    """Make the cluster `cpu` as its file describes it."""
    from azure.ai.ml import load_compute

    ml.compute.begin_create_or_update(load_compute(FOLDERS.compute / "cpu.yml")).result()
