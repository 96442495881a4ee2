"""The files of a partition, read by the service itself: people need no rights at the storage account."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response

from tidegate.api.access import Services
from tidegate.api.partitions import FeedPartition, PartitionInPath
from tidegate.bootstrap import Service
from tidegate.domain.assets import BLOBSTORE
from tidegate.domain.partitions.names import predictions_path, profile_path, version_name
from tidegate.errors import NotFoundError, PermanentError, RefusedError
from tidegate.pages.access import visitor

MOST_BYTES = 64 * 1024 * 1024  # an answer of the Functions host is in memory as a whole
_JSON = "application/json"
RESULT_FILES: Mapping[str, str] = {
    "predictions.csv": "text/csv; charset=utf-8",
    "predictions.parquet": "application/vnd.apache.parquet",
    "reconciliation.json": _JSON,
}

router = APIRouter(prefix="/feeds/{feed}/partitions/{partition}", dependencies=[Depends(visitor)])


@router.get("/scorings/{scoring}/{file}")
def result_file(
    feed_partition: PartitionInPath,
    scoring: str,
    file: str,
    service: Services,
) -> Response:
    """Return a file that a scoring published."""
    if file not in RESULT_FILES:
        raise RefusedError(404, "Not found", f"A scoring publishes {', '.join(RESULT_FILES)}, and no {file}")
    record = feed_partition.record
    claim = next((claim for claim in record.claims if claim.name == scoring), None)
    if claim is None:
        raise RefusedError(404, "Not found", f"{record.feed} {record.partition} has no scoring {scoring}")
    path = predictions_path(**claim.ids) + file
    return _download(service, feed_partition, path, RESULT_FILES[file], f"{record.feed}-{scoring}-{file}")


@router.get("/versions/{number}/{file}")
def version_file(
    feed_partition: PartitionInPath, number: Annotated[int, Path(ge=1)], file: str, service: Services
) -> Response:
    """Return the manifest of a version, or the profile of its files."""
    record = feed_partition.record
    version = record.version(number)
    if version is None:
        raise RefusedError(404, "Not found", f"{record.feed} {record.partition} has no version {number}")
    paths = {
        "manifest.jsonl": (version.manifest_path, "application/jsonl"),
        "profile.json": (profile_path(record.feed, record.partition, number), _JSON),
    }
    if file not in paths:
        raise RefusedError(404, "Not found", f"A version has {' and '.join(paths)}, and no {file}")
    name = f"{record.feed}-{version_name(record.partition, number)}-{file}"
    return _download(service, feed_partition, *paths[file], name)


def _download(service: Service, of: FeedPartition, path: str, media_type: str, name: str) -> Response:
    datastores = service.workspace_of(of.feed).datastores
    try:
        content = datastores.read(BLOBSTORE, path, MOST_BYTES)
    except NotFoundError:
        raise RefusedError(404, "Not found", f"The storage has no {BLOBSTORE}/{path}") from None
    except PermanentError as error:
        detail = (
            f"{error}. People with a role at the storage account can read it: az storage blob download "
            f"--auth-mode login --file {name} --blob-url {datastores.url(BLOBSTORE, path)}"
        )
        raise RefusedError(413, "Too large for the page", detail) from None
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)
