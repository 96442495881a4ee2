"""Pages of runs for people: what Azure ML studio shows of a job, at `http://127.0.0.1:{port}/runs/...`.

The link of a job (`studio_url`) leads here. A browser needs neither the proxy nor the CA of Tidepool.
"""

import hmac
from collections.abc import AsyncIterator, Iterator
from html import escape
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tidepool.arm.resource_groups import workspace_id
from tidepool.azureml.run_history import LOG_FOLDERS, Runs, artifact_path
from tidepool.azureml.workspaces import artifact_store
from tidepool.storage.blobs import Blobs
from tidepool.store import Document, Store

_TAIL = 20_000  # characters of a log that the page shows
_STYLE = "body{font:15px sans-serif;margin:2em} pre{background:#eee;padding:1em} td{padding-right:2em}"


class RunPages:
    """The ASGI app `app` of the pages. The links have a `key`, because other users may reach the port."""

    def __init__(self, *, store: Store, runs: Runs, blobs: Blobs, secret: str) -> None:
        self._store = store
        self._runs = runs
        self._blobs = blobs
        self._secret = secret
        self.app = Starlette(routes=[Route("/{workspace}/{run}", self._page)])

    def path(self, root: str, run_id: str) -> str:
        """Return the path and query of the page of a run of the workspace `root`."""
        workspace = root.rpartition("/")[2]
        return f"/runs/{workspace}/{run_id}?key={self._key(workspace)}"

    async def _page(self, request: Request) -> Response:
        workspace, run_id = request.path_params["workspace"], request.path_params["run"]
        if not hmac.compare_digest(request.query_params.get("key", ""), self._key(workspace)):
            return HTMLResponse("The key of this link is wrong. Take the link from the job.", 403)
        root = workspace_id(self._store, workspace)
        run = self._runs.get(root, run_id)
        if run is None:
            return HTMLResponse(f"The workspace {escape(workspace)} has no run {escape(run_id)}.", 404)
        parts = [*self._facts(root, run), *[part async for part in self._logs(root, run_id)]]
        return HTMLResponse(f"<title>{escape(run_id)}</title><style>{_STYLE}</style>" + "\n".join(parts))

    def _facts(self, root: str, run: Document) -> Iterator[str]:
        """Yield the parts of the page that run history has."""
        yield f"<h1>{escape(run['displayName'] or run['runId'])}: {escape(run['status'])}</h1>"
        parent = run.get("parentRunId")
        rows = {
            "run": escape(run["runId"]),
            "part of": self._link(root, parent) if parent else None,
            "experiment": escape(run["experimentName"]),
            "started": run["startTimeUtc"],
            "ended": run["endTimeUtc"],
            **{f"output {escape(name)}": _uri(output) for name, output in run["outputs"].items()},
        }
        cells = (f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in rows.items() if value)
        yield f"<table>{''.join(cells)}</table>"
        if run["error"]:
            yield f"<h2>Error</h2><pre>{escape(str(run['error']['error'].get('message', '')))}</pre>"
        steps = [
            f"<li>{self._link(root, child['runId'], child['displayName'])}: {escape(child['status'])}</li>"
            for child in self._runs.children(root, run["runId"])
        ]
        if steps:
            yield f"<h2>Steps</h2><ul>{''.join(steps)}</ul>"

    async def _logs(self, root: str, run_id: str) -> AsyncIterator[str]:
        """Yield each log with its last lines."""
        account, container = artifact_store(self._store, root)
        folder = artifact_path(run_id)
        for blob in await self._blobs.list(account, container, folder):
            name = blob.name.removeprefix(folder)
            if name.startswith(LOG_FOLDERS):
                text = (await self._blobs.read(account, container, blob.name)).decode(errors="replace")
                yield f"<h2>{escape(name)}</h2><pre>{escape(text[-_TAIL:])}</pre>"

    def _link(self, root: str, run_id: str, text: str = "") -> str:
        return f'<a href="{escape(self.path(root, run_id))}">{escape(text or run_id)}</a>'

    def _key(self, workspace: str) -> str:
        return hmac.digest(self._secret.encode(), workspace.lower().encode(), "sha256").hex()[:32]


def _uri(output: Any) -> str:
    return escape(str((output or {}).get("uri") or "")) if isinstance(output, dict) else ""
