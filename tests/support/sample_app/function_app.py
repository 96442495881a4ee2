"""A functions app that has one of everything that Tidepool's host calls. It notes what it saw in a file."""

import json
import logging
import os
import time
from pathlib import Path
from typing import List  # noqa: UP035 - the worker does not take list[str] for an output

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
NOTES = Path(os.environ.get("NOTES", os.devnull))


def note(**facts: object) -> None:
    with NOTES.open("a") as file:
        file.write(json.dumps(facts) + "\n")


@app.event_grid_trigger(arg_name="event")
def arrived(event: func.EventGridEvent, context: func.Context) -> None:
    logging.info("arrived %s", event.subject)
    note(function=context.function_name, id=event.id, subject=event.subject, type=event.event_type)
    if event.subject == "/poison":
        raise ValueError("this event cannot be understood")


@app.event_grid_trigger(arg_name="event")
def nothing(event: func.EventGridEvent) -> None:
    pass


@app.event_grid_trigger(arg_name="event")
async def cloud(event: func.CloudEvent) -> None:
    note(function="cloud", kind=type(event).__name__, source=event.source, data=event.get_json())


@app.queue_trigger(arg_name="msg", queue_name="%WORK_QUEUE%", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="done", queue_name="done", connection="AzureWebJobsStorage")
def work(msg: func.QueueMessage, done: func.Out[str]) -> None:
    body = msg.get_body().decode()
    note(function="work", body=body, dequeue_count=msg.dequeue_count, id=msg.id)
    if body == "fail":
        raise RuntimeError("as asked")
    if body == "hang once" and msg.dequeue_count == 1:
        time.sleep(60)
    done.set(f"done {body}")


@app.queue_trigger(arg_name="msg", queue_name="broken-poison", connection="AzureWebJobsStorage")
def broken(msg: func.QueueMessage) -> None:
    note(function="broken", dequeue_count=msg.dequeue_count)
    raise RuntimeError("this message fails each time")


@app.timer_trigger(arg_name="timer", schedule="%SCHEDULE%")
def tick(timer: func.TimerRequest) -> None:
    note(function="tick", past_due=timer.past_due)


@app.route("hello/{name}", methods=["GET", "POST"])
def hello(req: func.HttpRequest) -> func.HttpResponse:
    body = {"name": req.route_params["name"], "params": dict(req.params), "body": req.get_body().decode()}
    return func.HttpResponse(json.dumps(body), mimetype="application/json", headers={"x-seen": "yes"})


@app.route("hello/world", auth_level=func.AuthLevel.ANONYMOUS)
def hello_world(req: func.HttpRequest) -> str:
    return "hello, world"


@app.route("things/{id:int}", auth_level=func.AuthLevel.ANONYMOUS)
def thing(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"thing {req.route_params['id']}")


@app.route("silent", auth_level=func.AuthLevel.ANONYMOUS)
def silent(req: func.HttpRequest) -> func.HttpResponse:
    return None  # type: ignore[return-value]


@app.route("boom", auth_level=func.AuthLevel.ANONYMOUS)
def boom(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("boom")


@app.route("admin-only", auth_level=func.AuthLevel.ADMIN)
def admin_only(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("yes")


@app.route("enqueue", auth_level=func.AuthLevel.ANONYMOUS)
@app.queue_output(arg_name="out", queue_name="work", connection="AzureWebJobsStorage")
def enqueue(req: func.HttpRequest, out: func.Out[List[str]]) -> func.HttpResponse:  # noqa: UP006
    out.set(req.get_body().decode().split(","))
    return func.HttpResponse(status_code=202)


async def asgi(scope, receive, send):  # type: ignore[no-untyped-def]
    body = json.dumps({"path": scope["path"], "query": scope["query_string"].decode()}).encode()
    headers = [(b"content-type", b"application/json"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@app.route("asgi/{*path}", auth_level=func.AuthLevel.ANONYMOUS)
async def through_asgi(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return await func.AsgiMiddleware(asgi).handle_async(req, context)
