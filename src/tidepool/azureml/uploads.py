"""Pending uploads: a container, with a SAS to write to it, for the files of a new asset."""

import uuid

from starlette.responses import JSONResponse, Response

from tidepool.arm.requests import Call, Routes, kind
from tidepool.azureml.registry_storage import blob_reference
from tidepool.azureml.workspaces import default_account
from tidepool.storage.blobs import Blobs
from tidepool.store import Store

_WRITE = "racwdl"


class Uploads:
    """The routes `POST .../versions/{version}/startPendingUpload`.

    A version always gets the same container.
    """

    def __init__(self, *, store: Store, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs

    def routes(self) -> Routes:
        return {
            (kind("workspaces", asset, "versions"), "startpendingupload"): self._start
            for asset in ("codes", "data", "models")
        }

    async def _start(self, call: Call) -> Response:
        account = default_account(self._store, call.path.root)
        container = str(uuid.uuid5(uuid.NAMESPACE_URL, call.path.text.lower()))
        await self._blobs.ensure_container(account, container)
        return JSONResponse(
            {
                "blobReferenceForConsumption": await blob_reference(self._blobs, account, container, _WRITE),
                "pendingUploadId": str(uuid.uuid4()),
                "pendingUploadType": "TemporaryBlobReference",
            }
        )
