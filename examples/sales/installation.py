"""The sales example's installation: the deployed package with the example's tidegate.yml, and its uploads."""

import os
import shutil
from pathlib import Path

from examples import local_cloud
from examples.screen import Screen
from tidegate.installation.package import unpacked
from tidepool.cloud import Tidepool

APP = local_cloud.ROOT / "dist" / "sales-app"
LIBRARIES = ".python_packages"
# In a user's own repository the configuration of this example is the tidegate.yml of the repository.
CONFIG = Path(__file__).with_name("tidegate.yml")


def fresh_cloud(screen: Screen) -> Tidepool:
    """Start Tidepool with the example's service in it, and without anything from an earlier run."""
    cloud = local_cloud.fresh_cloud(screen, _app)
    _use_configuration()
    return cloud


def running_cloud(screen: Screen) -> Tidepool:
    """Return Tidepool with the example's service in it, and with the data of earlier runs."""
    cloud = local_cloud.running_cloud(screen, _app())
    _use_configuration()
    return cloud


def _use_configuration() -> None:
    if CONFIG.exists():
        os.environ["TIDEGATE_CONFIG"] = str(CONFIG)


def upload(month: str, files: dict[str, bytes]) -> None:
    """Upload the files of a month, the marker last."""
    container = local_cloud.container("images")
    for name, content in files.items():
        container.upload_blob(f"sales/{month}/{name}", content, overwrite=True)


def _app() -> Path:
    """Return a copy of the deployment package with the example's tidegate.yml in place of the other.

    The files are copied, because the service looks for tidegate.yml beside its code. Libraries are linked.
    """
    package = unpacked(local_cloud.ROOT)
    if not CONFIG.exists():
        return package
    shutil.rmtree(APP, ignore_errors=True)
    shutil.copytree(package, APP, ignore=shutil.ignore_patterns(LIBRARIES))
    (APP / LIBRARIES).symlink_to(package / LIBRARIES)
    shutil.copy(CONFIG, APP)
    return APP
