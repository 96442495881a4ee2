"""The HTTP transport below Azure's SDKs. Its import is slow: import it where a client is made."""

import requests
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter


class ServiceTransport(RequestsTransport):  # type: ignore[misc] # azure-core imports the class late
    """A transport with time-outs, with a connection for each thread, and with short pauses.

    `connections` is the number of connections to one host that stay open, for so many `hosts`. More
    connections are opened if threads need them, and closed after one request. Several clients may use the
    transport: a client that is closed leaves it open.
    """

    def __init__(
        self,
        *,
        connection_timeout: float,
        read_timeout: float,
        hosts: int,
        connections: int,
        longest_pause_s: float,
    ) -> None:
        session = requests.Session()
        session.mount("https://", HTTPAdapter(pool_connections=hosts, pool_maxsize=connections))
        super().__init__(
            session=session,
            session_owner=False,
            connection_timeout=connection_timeout,
            read_timeout=read_timeout,
        )
        self._longest_pause_s = longest_pause_s

    def sleep(self, duration: float) -> None:
        """Pause before a retry, or before the next look at an operation.

        Azure's Retry-After may ask for minutes: the worker comes back then, and no thread waits.
        """
        super().sleep(min(duration, self._longest_pause_s))
