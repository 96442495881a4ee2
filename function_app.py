"""Every trigger of the service, with the call that it makes."""

import asyncio
import gc
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import azure.functions as func

sys.path.insert(
    0, str(Path(__file__).parent / "src")
)  # Functions adds only the root folder to the import path, and adds it as the last entry

os.environ.setdefault("TIDEGATE_APP_ROOT", str(Path(__file__).parent))  # for a wheel, which is elsewhere

from tidegate import log
from tidegate.bootstrap import service

# Azure's SDKs are imported at their first use. With the usual thresholds, the garbage collector takes a fifth
# of the time of these imports.
gc.set_threshold(50_000, 20, 20)
log.keep_invocations()

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
STORAGE = "AzureWebJobsStorage"


# With the type `str`, a function gets the event as JSON. The library's own event types refuse some events,
# and these events would be lost.
@app.event_grid_trigger(arg_name="event")
def blob_arrived(event: str) -> None:
    service().inbox.accept(event)


@app.event_grid_trigger(arg_name="event")
def run_completed(event: str) -> None:
    service().inbox.accept(event)


@app.event_grid_trigger(arg_name="event")
def run_status_changed(event: str) -> None:
    service().inbox.accept(event)


@app.event_grid_trigger(arg_name="event")
def model_registered(event: str) -> None:
    service().inbox.accept(event)


@app.event_grid_trigger(arg_name="event")
def model_deployed(event: str) -> None:
    service().inbox.accept(event)


@app.event_grid_trigger(arg_name="event")
def data_drifted(event: str) -> None:
    service().inbox.accept(event)


@app.queue_trigger(arg_name="message", queue_name="tidegate-work", connection=STORAGE)
def work(message: str) -> None:
    service().worker.carry_out(message)


@app.queue_trigger(arg_name="message", queue_name="tidegate-work-poison", connection=STORAGE)
def work_poison(message: str) -> None:
    service().worker.give_up(message)


@app.timer_trigger(arg_name="timer", schedule="0 */5 * * * *")
def reconcile(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host passes it
    service().inbox.tick()


# Load balancers and availability tests have no key. The answer needs no storage and no valid configuration.
@app.route(route="api/health/live", methods=["GET", "HEAD"], auth_level=func.AuthLevel.ANONYMOUS)
def live(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the host passes it
    return func.HttpResponse('{"status": "live"}', mimetype="application/json")


@app.route(route="api/{*path}")
async def http(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    with log.invocation(context.thread_local_storage, context.invocation_id):
        # The import of FastAPI takes half a second, in which the event loop must go on.
        asgi = await asyncio.to_thread(_asgi)
        return await asgi.handle_async(req, context)  # type: ignore[no-any-return]


# Azure lets every request pass here: the pages ask for a signed-in person with a role.
@app.route(route="{*path}", auth_level=func.AuthLevel.ANONYMOUS)
async def web(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    with log.invocation(context.thread_local_storage, context.invocation_id):
        pages = await asyncio.to_thread(_pages)
        return await pages.handle_async(req, context)  # type: ignore[no-any-return]


@cache
def _asgi() -> Any:
    from tidegate.api.app import create_app  # events must not wait for the import of FastAPI

    return func.AsgiMiddleware(create_app(service))  # type: ignore[no-untyped-call]


@cache
def _pages() -> Any:
    from tidegate.pages.app import create_pages

    return func.AsgiMiddleware(create_pages(service))  # type: ignore[no-untyped-call]
