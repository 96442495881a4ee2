"""The sales example's installation: the deployed package with the example's tidegate.yml, and its uploads."""

import importlib
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from examples.digits.screen import Screen
from tidegate.installation.package import unpacked
from tidepool.cloud import Tidepool, TidepoolError

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / ".tidepool"
APP = ROOT / "dist" / "sales-app"
CONFIG = Path(__file__).with_name("tidegate.yml")


def fresh_cloud(screen: Screen) -> Tidepool:
    """Start Tidepool with the service in it, and without anything from an earlier run."""
    try:
        cloud = Tidepool(DATA)
        cloud.stop()
        if DATA.exists():
            screen.say("The data of an earlier run, in .tidepool, is deleted first.")
        cloud.delete()
        screen.chapter("The local cloud starts, and the service is deployed")
        cloud = Tidepool(DATA, app=_app())
        with screen.step("Tidepool starts: storage, Azure ML, Event Grid, Functions host"):
            cloud.start(detach=True)
    except TidepoolError as error:
        raise SystemExit(f"The demo cannot start: {error}") from error
    os.environ.update(cloud.environment(), TIDEGATE_CONFIG=str(CONFIG))
    return cloud


def deploy(screen: Screen) -> None:
    """Run `tidegate deploy`, and make the cluster. Print the output and end the program if that fails."""
    threading.Thread(target=importlib.import_module, args=["azure.ai.ml"], daemon=True).start()
    with screen.step("tidegate deploy: pipelines, environments and datastores"):
        command = [sys.executable, "-m", "tidegate.cli.app", "deploy"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        screen.console.print(done.stdout + done.stderr, markup=False)
        raise SystemExit(done.returncode)


def upload(month: str, files: dict[str, bytes]) -> None:
    """Upload the files of a month, the marker last."""
    container = _container()
    if not container.exists():
        container.create_container()
    for name, content in files.items():
        container.upload_blob(f"sales/{month}/{name}", content, overwrite=True)


def _app() -> Path:
    """Return the folder of the deployment package with the example's tidegate.yml in place of the other."""
    package = unpacked(ROOT)
    shutil.rmtree(APP, ignore_errors=True)
    APP.mkdir(parents=True)
    for path in package.iterdir():
        if path.name != CONFIG.name:
            (APP / path.name).symlink_to(path)
    shutil.copy(CONFIG, APP)
    return APP


def _container() -> "ContainerClient":
    from azure.identity import DefaultAzureCredential
    from azure.storage.blob import BlobServiceClient

    url = f"https://{os.environ['AZURE_STORAGE_ACCOUNT']}.blob.core.windows.net"
    return BlobServiceClient(url, credential=DefaultAzureCredential()).get_container_client("images")
