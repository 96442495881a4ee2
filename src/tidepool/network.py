"""The network between programs and Tidepool: certificates, the CONNECT proxy and environment variables."""

import asyncio
import re
import socket
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext, SSLError
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tidepool.default_resources import DISCORD_HOST, LOCATION, MAILBOX_HOST, SLACK_HOST, TEAMS_HOSTS

# All hosts of Azure that Tidepool emulates. The certificate and the proxy both use this list.
HOSTS = (
    "management.azure.com",
    "login.microsoftonline.com",
    "graph.microsoft.com",
    "*.blob.core.windows.net",
    "*.queue.core.windows.net",
    "*.table.core.windows.net",
    "*.api.azureml.ms",
    "*.experiments.azureml.net",
    f"*.{LOCATION}-1.eventgrid.azure.net",
    f"*.{LOCATION}.inference.ml.azure.com",
    MAILBOX_HOST,
    SLACK_HOST,
    DISCORD_HOST,
    TEAMS_HOSTS,
)
_EMULATED = re.compile("|".join(re.escape(host).replace(r"\*", "[^.]+") for host in HOSTS), re.IGNORECASE)
_QUICK_ACK = getattr(socket, "TCP_QUICKACK", None)


class Authority:
    """The CA of a Tidepool and the certificate of all its hosts, kept over restarts."""

    def __init__(self, folder: Path) -> None:
        self.authority = folder / "authority.pem"
        self.certificate = folder / "certificate.pem"
        self.key = folder / "key.pem"
        self.hosts = folder / "hosts.txt"
        self.wgetrc = folder / "wgetrc"  # wget reads no environment variable with the CA
        if not self.hosts.exists() or self.hosts.read_text() != "\n".join(HOSTS):
            self._make(folder)
        self.wgetrc.write_text(f"ca_certificate = {self.authority.absolute()}\n")

    def context(self) -> SSLContext:
        context = SSLContext(PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def _make(self, folder: Path) -> None:
        import trustme

        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        authority = trustme.CA(organization_name="Tidepool")
        leaf = authority.issue_cert("127.0.0.1", "localhost", *HOSTS)
        self.key.touch(mode=0o600)
        leaf.private_key_pem.write_to_path(self.key)
        self.certificate.write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
        self.authority.write_bytes(authority.cert_pem.bytes())
        self.hosts.write_text("\n".join(HOSTS))


def environment(
    *, proxy_port: int, authority: Authority, identity_url: str, identity_header: str
) -> dict[str, str]:
    """Return the environment variables with which unmodified SDKs use Tidepool.

    Each proxy variable is set in upper and in lower case, because urllib and requests prefer lower case.
    """
    proxy, direct = f"http://127.0.0.1:{proxy_port}", "127.0.0.1,localhost"
    # This is the only CA that programs need, because the proxy refuses all other hosts.
    authorities = str(authority.authority)
    return {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NO_PROXY": direct,
        "no_proxy": direct,
        "REQUESTS_CA_BUNDLE": authorities,
        "SSL_CERT_FILE": authorities,
        "CURL_CA_BUNDLE": authorities,
        "WGETRC": str(authority.wgetrc.absolute()),
        "IDENTITY_ENDPOINT": identity_url,
        "IDENTITY_HEADER": identity_header,
    }


async def listen_http(app: ASGIApp) -> tuple[asyncio.Server, int]:
    """Serve an ASGI app in plain HTTP on 127.0.0.1, and return the listener and its port."""
    config, state = _http_config(app), ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HttpToolsProtocol(config, state, {}), "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


class Proxy:
    """The CONNECT proxy.

    Tunnels to emulated hosts end in this process: it terminates TLS and passes requests to the gateway.
    Each listener has an `origin`, the name of the owner of its port, in `scope["state"]["origin"]`. The
    connection is in `scope["state"]["connection"]`, for faults that cut the connection.
    """

    def __init__(self, *, gateway: ASGIApp, context: SSLContext) -> None:
        self._config = _http_config(gateway)
        self._context = context
        self._state = ServerState()
        self._listeners: dict[int, asyncio.Server] = {}

    async def listen(self, origin: str) -> int:
        """Open a listener for `origin` and return its port."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Tunnel(partial(self._enter, origin)), "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        self._listeners[port] = server
        return port

    def close(self, ports: Iterable[int] | None = None) -> None:
        """Close the listeners of `ports`, or all."""
        for port in list(self._listeners) if ports is None else ports:
            self._listeners.pop(port).close()

    async def _enter(self, origin: str, transport: asyncio.Transport) -> None:
        """Start TLS and HTTP on an accepted tunnel."""
        connection = _Connection(self._config, self._state, {"origin": origin})
        connection.app_state["connection"] = connection
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(transport, connection, self._context, server_side=True)
        except (OSError, SSLError):
            transport.abort()
            return
        if secured is not None:
            connection.connection_made(secured)


class _Tunnel(asyncio.Protocol):
    """The first request on a proxy connection. Only CONNECT to an emulated host is accepted."""

    def __init__(self, enter: Callable[[asyncio.Transport], Coroutine[Any, Any, None]]) -> None:
        self._enter = enter
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._head += data
        if b"\r\n\r\n" not in self._head:
            return
        method, target = self._head.split(b" ", 2)[:2]
        host = _host(target.decode("latin-1"))
        if method == b"CONNECT" and _EMULATED.fullmatch(host):
            self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._entering = asyncio.ensure_future(self._enter(self._transport))
        else:
            self._transport.write(
                _refusal(
                    f"Tidepool does not emulate {host} (to leave Tidepool: unset HTTPS_PROXY https_proxy). "
                    "Programs in Tidepool have no internet."
                )
            )
            self._transport.close()


class _Connection(HttpToolsProtocol):
    """uvicorn's HTTP protocol on a tunnel, with immediate TCP acknowledgements.

    urllib3 leaves Nagle's algorithm on when it uses a proxy. A delayed acknowledgement then costs 40 ms for
    each request with a body.
    """

    def __init__(self, config: uvicorn.Config, state: ServerState, app_state: dict[str, object]) -> None:
        super().__init__(config, state, app_state)
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        early = self._early.copy()
        self._early.clear()
        self._socket = transport.get_extra_info("socket")
        super().connection_made(transport)
        for data in early:
            self.data_received(data)

    def data_received(self, data: bytes) -> None:
        if self.transport is None:  # start_tls may deliver the first bytes before it returns
            self._early.append(data)
            return
        if _QUICK_ACK is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
        super().data_received(data)

    def abort(self) -> None:
        """Cut the connection without a response."""
        self.transport.abort()


def _http_config(app: ASGIApp) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=3600,
    )
    config.load()
    return config


def _host(target: str) -> str:
    """Return the host of `host:443` or of `http://host/path`."""
    bare = target.partition("://")[2] or target
    return bare.partition("/")[0].rpartition(":")[0] or bare.partition("/")[0]


def _refusal(reason: str) -> bytes:
    body = reason.encode("latin-1", "replace") + b"\n"
    head = f"HTTP/1.1 403 {reason}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode("latin-1", "replace") + body
