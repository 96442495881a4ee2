"""The service of this repository on the local cloud: what is deployed, and a month of files."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient

from tidegate.api_client import ApiClient
from tidegate.installation.package import unpacked
from tidepool.cloud import Tidepool

ROOT = Path(__file__).resolve().parents[1]
FEED, CONTAINER, FOLDER, FILE = "{feed}", "{container}", "{path}", "{file}"


def tidegate(*arguments: str) -> str:
    """Run the command line in this repository, and return what it prints."""
    command = [sys.executable, "-m", "tidegate.cli.app", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def package() -> Path:
    """Build what is deployed, before the fixture `tidepool` directs this process to the local cloud."""
    return unpacked(ROOT)


def test_the_service_registers_a_complete_month(package: Path, tidepool: Tidepool) -> None:
    variables = tidepool.environment()
    tidegate("deploy")
    assert "Everything is up to date." in tidegate("deploy")
    url = f"https://{variables['AZURE_STORAGE_ACCOUNT']}.blob.core.windows.net"
    files = BlobServiceClient(url, credential=DefaultAzureCredential()).get_container_client(CONTAINER)

    if not files.exists():
        files.create_container()

    with tidepool.functions_app(package) as site:
        files.upload_blob(f"{FOLDER}/{FILE}", b"content")
        files.upload_blob(f"{FOLDER}/_SUCCESS", b"")

        api = ApiClient(site.url, site.key)
        deadline = time.monotonic() + 120
        while not (partitions := api.get(f"/api/feeds/{FEED}/partitions")) and time.monotonic() < deadline:
            time.sleep(0.5)

    assert [partition["partition"] for partition in partitions] == [FOLDER.rpartition("/")[2]]
