"""How every client connects to Azure: time-outs, retries and the size of the connection pool.

A command whose call fails is sent again later by the worker. So the clients give up soon, because a call that
waits occupies one of the few threads of the Functions worker. The SDKs' own default is to wait 300 seconds.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegate.cloud.transport import ServiceTransport

# The app setting PYTHON_THREADPOOL_THREAD_COUNT. host.json hands out fewer queue messages at a time, so that
# threads remain for events and for the timer.
THREADS = 32
HOSTS = 32  # storage accounts, workspaces, endpoints and Azure's own services
CONNECTION_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 20.0
LONGEST_PAUSE_S = 10.0
RETRIES = 1
# A retry is useful if the other side has closed an idle connection. These are options of azure-core.
_RETRIES = {
    "retry_total": RETRIES,
    "retry_connect": RETRIES,
    "retry_read": RETRIES,
    "retry_status": RETRIES,
    "retry_backoff_factor": 0.2,
}


def import_azure_core() -> None:
    """Import the parts of azure.core that all SDKs use, before threads import SDKs at the same time.

    The parts import each other in a circle. Two threads that begin at different ends of it fail with an
    ImportError, or stop each other.
    """
    import azure.core.pipeline.policies
    import azure.core.pipeline.transport
    import azure.core.rest  # noqa: F401


def client_options(
    read_timeout_s: float = READ_TIMEOUT_S, *, connection_timeout_s: float = CONNECTION_TIMEOUT_S
) -> dict[str, Any]:
    """Return the keyword arguments for a client of an Azure SDK.

    Clients with the same time-outs share their connections. The ledger alone has a client for each table, and
    would open as many connections to one host.
    """
    return {"transport": _transport(connection_timeout_s, read_timeout_s), **_RETRIES}


@cache
def _transport(connection_timeout_s: float, read_timeout_s: float) -> "ServiceTransport":
    from tidegate.cloud.transport import ServiceTransport

    return ServiceTransport(
        connection_timeout=connection_timeout_s,
        read_timeout=read_timeout_s,
        hosts=HOSTS,
        connections=THREADS,
        longest_pause_s=LONGEST_PAUSE_S,
    )


def request_options() -> dict[str, Any]:
    """Return the keyword arguments for a request of a client that ignores those of `client_options`.

    Such a client has the SDK's own transport, whose pauses are as long as Retry-After says. So it does not
    repeat a request that Azure answered.
    """
    timeouts = {"connection_timeout": CONNECTION_TIMEOUT_S, "read_timeout": READ_TIMEOUT_S}
    return {**_RETRIES, **timeouts, "retry_status": 0}


def retry_policy() -> Any:
    """Return the retry policy of a pipeline that is made from single policies."""
    from azure.core.pipeline.policies import RetryPolicy

    return RetryPolicy(**_RETRIES)
