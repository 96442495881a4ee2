"""Every trigger of the service on one screen, and nothing else. Events become commands; commands get carried out."""

import sys
from functools import cache
from pathlib import Path
from typing import Any

import azure.functions as func

sys.path.insert(0, str(Path(__file__).parent / "src"))  # Functions puts only the root on the path, and last

from tidegate import wiring  # noqa: E402

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
service = cache(wiring.build)  # at the first call: bad settings must not leave an app without functions
STORAGE = "AzureWebJobsStorage"


# `str` parameters get the JSON as it came; the library's own event types refuse some events before we see them.
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
def reconcile(timer: func.TimerRequest) -> None:
    service().worker.reconcile()


@app.route(route="api/{*path}")
async def http(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return await _asgi().handle_async(req, context)  # type: ignore[no-any-return]


@cache
def _asgi() -> Any:
    from tidegate.api import create_app  # FastAPI is no concern of events

    return func.AsgiMiddleware(create_app(service()))
