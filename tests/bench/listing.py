"""Memory for checks of a partition with 200,000 files, and of a million files in fifty partitions.

The pages of the listing are made here, because writing so many blobs would take long. The SDK reads them as
it reads those of Azure. All other requests go to Tidepool. Two programs run at the same time, for some
minutes, because the SDK takes a millisecond or so for each entry. LISTING_SIZE=0.1 takes a tenth of
the million.
"""

import io
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import HTTPAdapter

from tests.bench.table import Row
from tests.support.azure_clients import ml_client
from tests.support.installation import Installation
from tests.support.service import start_service
from tidegate.cloud import blobs, connection
from tidegate.messages.commands import CheckPartition
from tidepool.cloud import Tidepool

FILES, FEW, PAGE = 200_000, 5_000, 5_000
MONTH, WARM = "209901", "209902"
MANY = int(1_000_000 * float(os.environ.get("LISTING_SIZE", "1")))
SPREAD = tuple(f"{2100 + number // 12}{number % 12 + 1:02}" for number in range(50))
COUNTS = {f"{MONTH}/": FILES, f"{WARM}/": FEW, **{f"{month}/": MANY // len(SPREAD) for month in SPREAD}}
WHEN = datetime.now(UTC) - timedelta(hours=1)
HEAD = '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="images"><Prefix>'
BLOB = (
    "<Blob><Name>{name}</Name><Properties><Creation-Time>{when}</Creation-Time>"
    "<Last-Modified>{when}</Last-Modified><Etag>0x8D{number:013X}</Etag>"
    "<Content-Length>{size}</Content-Length><Content-Type>image/png</Content-Type><Content-Encoding />"
    "<Content-Language /><Content-CRC64 /><Content-MD5>{number:022}==</Content-MD5><Cache-Control />"
    "<Content-Disposition /><BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier>"
    "<AccessTierInferred>true</AccessTierInferred><LeaseStatus>unlocked</LeaseStatus>"
    "<LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted></Properties><Metadata />"
    "<OrMetadata /></Blob>"
)


class Pages(HTTPAdapter):
    """A connection that answers listings of these months, and lets all other requests through."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        query = parse_qs(urlsplit(str(request.url)).query)
        prefix = query.get("prefix", [""])[0]
        if query.get("comp") != ["list"] or prefix not in COUNTS or "delimiter" in query:
            return super().send(request, *args, **kwargs)
        start = int(query.get("marker", ["0"])[0])
        response = requests.Response()
        response.status_code, response.request, response.url = 200, request, str(request.url)
        response.headers["Content-Type"] = "application/xml"
        response.raw = io.BytesIO(_page(prefix, start, COUNTS[prefix]).encode())
        return response


def _page(prefix: str, start: int, count: int) -> str:
    when = f"{WHEN:%a, %d %b %Y %H:%M:%S GMT}"
    end = min(start + PAGE, count)
    rows = (
        BLOB.format(
            name=f"{prefix}camera-07/image-{number:08}.png",
            when=when,
            number=number,
            size=512 + number % 1000,
        )
        for number in range(start, end)
    )
    marker = f"<NextMarker>{end}</NextMarker>" if end < count else "<NextMarker />"
    return f"{HEAD}{prefix}</Prefix><Blobs>{''.join(rows)}</Blobs>{marker}</EnumerationResults>"


def measure(_: Path) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, Tidepool(Path(folder, "tidepool")) as cloud:
        os.environ.update(cloud.environment())
        installation = Installation(cloud, Path(folder), complete_when=[{"min_files": 1}])
        names = (
            installation.account.name,
            str(installation.config_file),
            installation.feeds.name,
            installation.workspace.id,
        )
        with ThreadPoolExecutor() as pool:
            ours, naive = pool.map(lambda way: _added(way, *names), ("ours", "naive"))
            spread, bare = pool.map(lambda way: _added(way, *names), ("spread", "bare"))
    what = f"{MANY:,} files in {len(SPREAD)} partitions, after two of them"
    return [
        Row.bound(f"memory for {FILES:,} files", "MB more", (ours, naive), "SDK, all in memory", "<= 300"),
        Row.bound(f"memory for {what}", "MB more", (spread, bare), "bare listing", "<= 30"),
    ]


def _added(way: str, *names: str) -> float:
    """Return by how many MB the peak of a new process grows, after the same work for fewer files."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.listing", way, *names],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _ours(account: str, config_file: str) -> Iterator[float]:
    """Check both months, and yield the peak after each."""
    service = start_service(account, Path(config_file))
    for month in (WARM, MONTH):
        check = CheckPartition(cause="bench", feed="stories", partition=month)
        follows = service.handlers[CheckPartition](check)
        version = service.ledger.partition("stories", month).versions[0]
        assert (version.registered, version.files) == (True, FEW if month == WARM else FILES), follows
        yield _peak_mb()


def _naive(account: str, workspace: str) -> Iterator[float]:
    """List, write and register both months as a simple program would, and yield the peak after each."""
    from azure.ai.ml.entities import Data
    from azure.identity import DefaultAzureCredential

    ml = ml_client(workspace)
    container = blobs.blob_service(account, DefaultAzureCredential()).get_container_client("images")
    for month in (WARM, MONTH):
        files = sorted(container.list_blobs(name_starts_with=f"{month}/"), key=lambda blob: str(blob.name))
        lines = [
            {"name": blob.name, "size": blob.size, "content": blob.content_settings.content_md5.hex()}
            for blob in files
        ]
        manifest = "\n".join(map(json.dumps, lines))
        container.upload_blob(f"manifests/{month}.jsonl", manifest.encode())
        path = f"azureml://datastores/workspaceblobstore/paths/{month}/"
        ml.data.create_or_update(Data(name="naive", version=month, path=path, type="uri_folder"))
        yield _peak_mb()


def _spread(account: str, config_file: str) -> Iterator[float]:
    """Check all of many partitions, and yield the peaks after the second and after the last."""
    service = start_service(account, Path(config_file))
    for number, month in enumerate(SPREAD, 1):
        service.handlers[CheckPartition](CheckPartition(cause="bench", feed="stories", partition=month))
        if number in (2, len(SPREAD)):
            yield _peak_mb()


def _bare(account: str) -> Iterator[float]:
    """List the same partitions and count their files, and yield the same peaks."""
    from azure.identity import DefaultAzureCredential

    container = blobs.blob_service(account, DefaultAzureCredential()).get_container_client("images")
    for number, month in enumerate(SPREAD, 1):
        assert sum(1 for _ in container.list_blobs(name_starts_with=f"{month}/")) == COUNTS[f"{month}/"]
        if number in (2, len(SPREAD)):
            yield _peak_mb()


def _with_pages(*args: Any, **kwargs: Any) -> dict[str, Any]:
    options = connection.client_options(*args, **kwargs)
    options["transport"].session.mount("https://", Pages())
    return options


def main(way: str, account: str, config_file: str, feeds: str, workspace: str) -> None:
    blobs.client_options = _with_pages  # type: ignore[attr-defined]
    ways = {
        "ours": lambda: _ours(account, config_file),
        "naive": lambda: _naive(feeds, workspace),
        "spread": lambda: _spread(account, config_file),
        "bare": lambda: _bare(feeds),
    }
    before, after = ways[way]()
    print(json.dumps(after - before))


if __name__ == "__main__":
    main(*sys.argv[1:])
