"""The promotion of a model's files, compared with a download and an upload.

Memory is as in Azure. Times are not: Azurite copies by naming the content once more; all else is loopback.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

from tests.bench.table import Row
from tests.support.azure_clients import blob_service
from tests.support.model_versions import MODEL, ModelInstallation
from tidegate.cloud.copies import BlobCopyClient
from tidegate.domain.lifecycle.file_copy import Folder
from tidepool.cloud import Tidepool

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

MEBIBYTE = 1024 * 1024
SIZES = {"1 MB": 1, "100 MB": 100, "1 GB": 1024}
CONTAINER = "models"
MODELS = 20


def measure(root: Path) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, Tidepool(Path(folder, "tidepool")) as cloud:
        os.environ.update(cloud.environment())
        source, target = cloud.create_storage_account().name, cloud.create_storage_account().name
        for account in (source, target):
            _service(account).create_container(CONTAINER)
        rows = [row for size in SIZES for row in _size(root, size, source, target)]
        return [*rows, _gate_to_champion(cloud, Path(folder, "models"))]


def _size(root: Path, size: str, source: str, target: str) -> Iterator[Row]:
    _service(source).get_blob_client(CONTAINER, f"{size}/weights").upload_blob(
        _weights(SIZES[size]), length=SIZES[size] * MEBIBYTE
    )
    figures = {
        way: json.loads(
            subprocess.run(
                [sys.executable, "-m", "tests.bench.promotion", way, size, source, target],
                cwd=root,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for way in WAYS
    }
    ours, other = figures["copied"], figures["carried"]
    memory, seconds = ((ours[name], other[name]) for name in ("memory", "seconds"))
    yield Row.bound(f"{size}: more memory", "MiB", memory, "download, upload", "<= 50")
    yield Row.ratio(f"{size}: time, on Azurite", "s", seconds, "download, upload", "")


def _gate_to_champion(cloud: Tidepool, folder: Path) -> Row:
    """Measure from the verdict to the new champion, through queue and Functions host, without an approval."""
    folder.mkdir()
    installation = ModelInstallation(
        cloud, folder, policy={"promote": {"to": "production", "approval": "none"}}
    )
    took = []
    with installation.start() as running:
        for number in map(str, range(1, MODELS + 2)):
            installation.register(number)
            running.settle()
            record = running.service.ledger.model_version(MODEL, number)
            champion = running.service.ledger.model(MODEL).champion
            assert record is not None
            assert record.verdict is not None
            assert champion is not None
            assert champion.source == number
            took.append((champion.since - record.verdict.at).total_seconds())
    warm = statistics.quantiles(took[1:], n=20)[-1]
    return Row.ratio("gate to champion, warm, p95", "s", (warm, took[0]), "the first, cold", "")


def _copied(folder: str, source: str, target: str) -> None:
    from azure.identity import DefaultAzureCredential

    copies = BlobCopyClient(credential=DefaultAzureCredential())
    here, there = Folder(source, CONTAINER, folder), Folder(target, CONTAINER, f"copied/{folder}")
    copies.begin(here, there, copies.compare(copies.list_files(here), there).waiting)
    while not copies.compare(copies.list_files(here), there).complete:
        time.sleep(0.2)


def _carried(folder: str, source: str, target: str) -> None:
    content = _service(source).get_blob_client(CONTAINER, f"{folder}/weights").download_blob().readall()
    _service(target).get_blob_client(CONTAINER, f"carried/{folder}/weights").upload_blob(content)


WAYS = {"copied": _copied, "carried": _carried}


def _child(way: str, size: str, source: str, target: str) -> dict[str, float]:
    """Measure the time, and how far memory rises above its level after a first small file."""
    _service(source).get_blob_client(CONTAINER, f"warm-{way}-{size}/weights").upload_blob(b"warm")
    WAYS[way](f"warm-{way}-{size}", source, target)
    with Memory() as memory:
        started = time.perf_counter()
        WAYS[way](size, source, target)
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "memory": memory.grown / MEBIBYTE}


class Memory:
    """The rise of this process's memory above its level at the start."""

    def __enter__(self) -> Self:
        self._before = self._peak = self._now()
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()

    @property
    def grown(self) -> int:
        return self._peak - self._before

    def _look(self) -> None:
        while not self._over.wait(0.005):
            self._peak = max(self._peak, self._now())

    def _now(self) -> int:
        return int(psutil.Process().memory_info().rss)


def _service(account: str) -> "BlobServiceClient":
    return blob_service(account, max_block_size=8 * MEBIBYTE)


def _weights(mebibytes: int) -> Iterator[bytes]:
    block = os.urandom(MEBIBYTE)
    return (block for _ in range(mebibytes))


if __name__ == "__main__":
    print(json.dumps(_child(*sys.argv[1:])))
