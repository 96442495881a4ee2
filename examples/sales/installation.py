"""The sales example's installation: the deployed package with the example's tidegate.yml, and its uploads."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from examples.digits import installation
from examples.digits.screen import Screen
from tidegate.installation.package import unpacked
from tidepool.cloud import Tidepool

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "dist" / "sales-app"
CONFIG = Path(__file__).with_name("tidegate.yml")


def fresh_cloud(screen: Screen) -> Tidepool:
    """Start Tidepool with the example's service in it, and without anything from an earlier run."""
    cloud = installation.fresh_cloud(screen, _app)
    os.environ["TIDEGATE_CONFIG"] = str(CONFIG)
    return cloud


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
