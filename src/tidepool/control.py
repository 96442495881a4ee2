"""The control API of a running Tidepool, which `cloud.Tidepool` calls.

It is plain HTTP on 127.0.0.1, and requires a secret header.
"""

import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tidepool import default_resources
from tidepool.composition import Composition
from tidepool.errors import AzureError
from tidepool.functions.sites import SiteSpec
from tidepool.functions.worker_process import InvocationError
from tidepool.quiescence import Quiescence
from tidepool.storage.account_resources import create_storage_account


class Control:
    """The ASGI app `app`.

    It has the control API and, each with its own secret, under `/msi` the managed identity endpoint and under
    `/runs` the pages of runs.
    """

    def __init__(self, *, composition: Composition, token: str) -> None:
        self._composition = composition
        self._quiescence = Quiescence(composition)
        routes = [
            Route("/status", self._status),
            Route("/environment", self._environment),
            Route("/token", self._token),
            Route("/requests", self._requests),
            Route("/requests/last", self._last_request),
            Route("/mailbox", self._mailbox),
            Route("/events", self._events, methods=["GET"]),
            Route("/events", self._inject, methods=["POST"]),
            Route("/faults", self._add_fault, methods=["POST"]),
            Route("/faults", self._clear_faults, methods=["DELETE"]),
            Route("/logged-models", self._accept_logged_models, methods=["POST"]),
            Route("/advance", self._advance, methods=["POST"]),
            Route("/settle", self._settle, methods=["POST"]),
            Route("/storage-accounts", self._create_storage_account, methods=["POST"]),
            Route("/service-principals", self._create_service_principal, methods=["POST"]),
            Route("/seed", self._seed, methods=["POST"]),
            Route("/workspaces", self._create_workspace, methods=["POST"]),
            Route("/templates", self._run_template, methods=["POST"]),
            Route("/sites", self._start_site, methods=["POST"]),
            Route("/sites/{name}", self._stop_site, methods=["DELETE"]),
            Route("/sites/{name}/restart", self._restart_site, methods=["POST"]),
            Route("/sites/{name}/kill", self._kill_site, methods=["POST"]),
            Route("/sites/{name}/fire/{function}", self._fire, methods=["POST"]),
        ]
        api = Starlette(
            routes=routes,
            exception_handlers=dict.fromkeys((AzureError, ValueError, InvocationError), _refuse),
        )
        self.app = Starlette(
            routes=[
                Mount("/msi", composition.managed_identity.app),
                Mount("/runs", composition.run_pages.app),
                Mount("/", _Guard(api, token)),
            ]
        )

    async def _status(self, _: Request) -> JSONResponse:
        composition = self._composition
        waiting = [{"due": due.isoformat(), "what": label} for due, label in composition.scheduler.waiting()]
        return JSONResponse(
            {
                "pid": os.getpid(),
                "data": str(composition.data_dir),
                "now": composition.scheduler.now().isoformat(),
                "azurite": composition.azurite.status(),
                "sites": [app.status() for app in composition.sites.apps.values()],
                "going_on": await self._quiescence.going_on(),
                "waiting": waiting,
            }
        )

    async def _environment(self, request: Request) -> JSONResponse:
        return JSONResponse(
            self._composition.environment.variables(request.query_params.get("principal", "developer"))
        )

    async def _token(self, request: Request) -> JSONResponse:
        query = request.query_params
        identity = self._composition.identity
        principal = identity.principal(query["principal"])
        return JSONResponse(identity.issue(query["audience"], principal, int(query["lifetime_s"])))

    async def _requests(self, request: Request) -> JSONResponse:
        query = request.query_params
        requests = self._composition.gateway.requests(
            origin=query.get("origin"),
            host=query.get("host", ""),
            path=query.get("path", ""),
            after=int(query.get("after", 0)),
        )
        return JSONResponse(requests)

    async def _last_request(self, _: Request) -> JSONResponse:
        return JSONResponse({"number": self._composition.gateway.last_request})

    async def _mailbox(self, _: Request) -> JSONResponse:
        return JSONResponse(self._composition.mailbox.messages())

    async def _events(self, _: Request) -> JSONResponse:
        return JSONResponse(list(self._composition.eventgrid.published))

    async def _inject(self, request: Request) -> JSONResponse:
        body = await request.json()
        event = {
            "id": str(uuid.uuid4()),
            "eventTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z",
            "topic": body["topic"],
            "dataVersion": "",
            "metadataVersion": "1",
            **body["event"],
        }
        await self._composition.eventgrid.publish(body["topic"], [event])
        return JSONResponse(event)

    async def _add_fault(self, request: Request) -> JSONResponse:
        self._composition.faults.add(await request.json())
        return JSONResponse({})

    async def _clear_faults(self, _: Request) -> JSONResponse:
        self._composition.faults.clear()
        return JSONResponse({})

    async def _accept_logged_models(self, request: Request) -> JSONResponse:
        self._composition.tracking.accept_logged_models(bool((await request.json())["accepted"]))
        return JSONResponse({})

    async def _advance(self, request: Request) -> JSONResponse:
        await self._quiescence.advance(float((await request.json())["seconds"]))
        return JSONResponse({"now": self._composition.scheduler.now().isoformat()})

    async def _settle(self, request: Request) -> JSONResponse:
        return JSONResponse(await self._quiescence.settle(float((await request.json())["timeout_s"])))

    async def _create_storage_account(self, _: Request) -> JSONResponse:
        name = self._composition.accounts.hand_out()
        document = create_storage_account(self._composition.store, name)
        key = self._composition.accounts.key(name)
        return JSONResponse({"name": name, "id": document["id"], "key": key})

    async def _create_service_principal(self, request: Request) -> JSONResponse:
        name = (await request.json())["name"]
        principal, secret = self._composition.identity.applications.create(name)
        return JSONResponse(
            {
                "name": name,
                "id": principal.id,
                "tenant_id": default_resources.TENANT,
                "client_id": principal.client_id,
                "client_secret": secret,
            }
        )

    async def _seed(self, request: Request) -> JSONResponse:
        """Upload a folder to a container that everyone can read, and create the account if need be."""
        body = await request.json()
        account, container, prefix = body["account"], body["container"], body["prefix"]
        create_storage_account(self._composition.store, account)
        await self._composition.blobs.publish_container(account, container)
        names = await self._composition.blobs.upload(Path(body["folder"]), account, container, prefix)
        return JSONResponse(names)

    async def _create_workspace(self, request: Request) -> JSONResponse:
        body, account = await request.json(), self._composition.accounts.hand_out()
        name = body["name"]
        document = await self._composition.workspaces.create(name, account, body["reads"])
        return JSONResponse({"name": name, "id": document["id"], "storage_account": account})

    async def _run_template(self, request: Request) -> JSONResponse:
        body = await request.json()
        return JSONResponse(await self._composition.snapshots.run(body["snapshot"], body["parameters"]))

    async def _start_site(self, request: Request) -> JSONResponse:
        body = await request.json()
        site = await self._composition.subscribed_apps.start(
            SiteSpec(**{**body, "app_dir": Path(body["app_dir"])})
        )
        return JSONResponse(_description(site))

    async def _stop_site(self, request: Request) -> JSONResponse:
        await self._composition.subscribed_apps.stop(request.path_params["name"])
        return JSONResponse({})

    async def _restart_site(self, request: Request) -> JSONResponse:
        site = self._composition.sites.get(request.path_params["name"])
        await site.restart()
        return JSONResponse(_description(site))

    async def _kill_site(self, request: Request) -> JSONResponse:
        return JSONResponse(_description(await self._composition.sites.kill(request.path_params["name"])))

    async def _fire(self, request: Request) -> JSONResponse:
        await self._composition.sites.get(request.path_params["name"]).fire(request.path_params["function"])
        return JSONResponse({})


def _description(site: Any) -> dict[str, Any]:
    return {**site.status(), "key": site.keys.default, "event_grid_key": site.keys.event_grid}


class _Guard:
    """A check of the secret header. A caller must send the token from tidepool.json."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        header = default_resources.CONTROL_HEADER.encode()
        token = next((value for name, value in scope["headers"] if name == header), b"")
        refused = JSONResponse(
            {"error": {"code": "Unauthorized", "message": "The token of the control API is wrong."}}, 401
        )
        await (self._app if token == self._token else refused)(scope, receive, send)


async def _refuse(_: Request, error: Exception) -> Response:
    if isinstance(error, AzureError):
        return error.response()
    return JSONResponse({"error": {"code": "BadRequest", "message": str(error)}}, 400)
