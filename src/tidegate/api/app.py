"""The HTTP API: the app with all its routes, and the health of the service.

The Functions host checks the function key before it calls the app. Modules on the event path must not import
this one, because FastAPI would lengthen their cold start.
"""

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from pydantic import BaseModel, Field
from starlette.middleware.base import RequestResponseEndpoint

from tidegate.api import (
    approvals,
    backfills,
    costs,
    docs_page,
    explain,
    failures,
    jobs,
    members,
    partitions,
    pauses,
    status,
)
from tidegate.api import models as model_api
from tidegate.api.access import FUNCTION_KEY
from tidegate.api.body_limit import TOO_LARGE, is_too_large
from tidegate.api.problems import Problem, Responses, answer, documented, handle_problems
from tidegate.bootstrap import Service
from tidegate.config.loader import missing_files
from tidegate.domain.activities.notification_channels import failing_channels
from tidegate.errors import ConfigError, RefusedError, TidegateError

_DESCRIPTION = """Tidegate scores the files of each partition and reconciles the predictions with them.
This API shows what happened to partitions, jobs and models. People can also send requests: score a partition
again, judge or approve a model version, go back to the previous champion, replay a failure, pause a feed.
Send the function key in the header `x-functions-key`."""


class ChannelHealth(BaseModel):
    """A notification channel that did not accept its last messages."""

    name: str = Field(description="Its place in tidegate.yml: `notify[0] (slack)`.")
    since: datetime
    failures: int = Field(description="How many messages in a row it did not accept.")
    problem: str


class Health(BaseModel):
    """The response of a healthy service."""

    status: str
    feeds: list[str]
    configuration: str
    poison_messages: int = Field(description="Messages that crashed the service, approximately.")
    dead_letters: int = Field(description="Deliveries that Event Grid gave up. At most 1000 are counted.")
    failures: int = Field(description="Failed work that waits for a person.")
    delayed: int = Field(description="Pieces of work that are retried.")
    failing_channels: list[ChannelHealth] = Field(description="Notification channels that fail now.")


_EVERYWHERE: Responses = {
    401: {"description": "Not authorized: the function key is missing or wrong"},
    **documented(413, 422),
}
router = APIRouter(prefix="/api", dependencies=[Depends(FUNCTION_KEY)])


def create_app(service: Callable[[], Service]) -> FastAPI:
    """Return the ASGI app.

    `service` is called for each request, so that a bad environment leads to a 503 response with the reason.
    """
    app = FastAPI(
        title="Tidegate",
        version="1",
        description=_DESCRIPTION,
        openapi_url="/api/openapi.json",
        responses=_EVERYWHERE,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # the address of a redirect would begin with the header Host
    )
    app.state.service = service
    app.middleware("http")(_limit_body)
    app.include_router(router)
    app.include_router(partitions.router)
    app.include_router(backfills.router)
    app.include_router(jobs.router)
    app.include_router(model_api.router)
    app.include_router(approvals.router)
    app.include_router(members.router)
    app.include_router(failures.router)
    app.include_router(pauses.router)
    app.include_router(status.router)
    app.include_router(explain.router)
    app.include_router(costs.router)
    app.include_router(docs_page.router, prefix="/api")
    handle_problems(app)
    return app


async def _limit_body(request: Request, call_next: RequestResponseEndpoint) -> Response:
    if await is_too_large(request):
        return answer(Problem(title="Too large", status=413, detail=TOO_LARGE))
    return await call_next(request)


@router.get("/health", summary="Check the service", responses=documented(503))
def health(request: Request) -> Health:
    """Check that the configuration is valid, that its files are there, and that the storage can be read.

    The response counts what is stuck. If a check fails, the response is 503 with the reason.
    """
    try:
        service: Service = request.app.state.service()
        config = service.config()
        failures, delays = service.replays.failures(replayed=False), service.ledger.delays()
        failing = list(failing_channels(config.notify, service.ledger.channels()))
        undelivered = service.undelivered.count()
    except ConfigError:
        raise
    except TidegateError as error:
        raise RefusedError(503, "Storage is not available", str(error)) from error
    if missing := missing_files(config, service.settings.config_file.parent):
        raise RefusedError(503, "A file is missing", "; ".join(missing))
    return Health(
        status="ok",
        feeds=list(config.feeds),
        configuration=config.digest,
        poison_messages=undelivered.poison_messages,
        dead_letters=undelivered.dead_letters,
        failures=len(failures),
        delayed=sum(delay.chain is not None for delay in delays),
        failing_channels=[ChannelHealth(**vars(channel)) for channel in failing],
    )
