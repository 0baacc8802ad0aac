"""The client side of the proxy: httpx's transport interface, straight over the event loop's sockets.

Neither of the ready-made engines passes every line of what a proxy owes its clients. httpcore pools a
connection with unread bytes and rewrites targets. aiohttp can be told to leave targets, headers and cookies
alone, but a whole answer that arrives on an idle connection is handed to the next request, and part of one is
invisible to its pool. Here a connection knows where an answer ended, and that is what makes it reusable.

The exact bytes of a request target travel in the request extension `target`, as in httpx's own transport.
Headers go out in the order, spelling and repetition given, and nothing is added. Answers carry the headers
and the (still encoded) bytes that came.

Re-sending: a request that found a pooled connection closed under it is sent once more on a fresh one if its
method is idempotent (RFC 9110 9.2.2). A POST is not: the upstream may have begun, and tokens cost money. It is
rare, because an end that has reached this machine is seen before a connection is used again, and because
connections rest for a shorter time than common servers keep them.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import httpx

from ruleproxy.messages.message import Headers
from ruleproxy.proxy.failures import UnsendableRequest, connect_error
from ruleproxy.proxy.upstream_connection import UpstreamConnection

_IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"))
_TARGET = re.compile(rb"[\x21-\x7e\x80-\xff]+")
_METHOD = re.compile(r"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")
_DEFAULT_PORTS = {b"http": 80, b"https": 443}


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Times in seconds. A pooled connection rests for `rest`: uvicorn and Node.js close theirs after 5."""

    connect: float = 10.0
    silence: float = 600.0
    rest: float = 4.0


class _Origin(NamedTuple):
    scheme: bytes
    host: bytes
    port: int

    @property
    def place(self) -> str:
        host = self.host.decode("ascii")
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


class SocketTransport(httpx.AsyncBaseTransport):
    """Sends requests over pooled connections. `ca_file` adds certificate authorities to the usual ones."""

    def __init__(self, limits: TransportLimits | None = None, *, ca_file: Path | None = None) -> None:
        self._limits = limits or TransportLimits()
        self._ca_file = ca_file
        self._tls: ssl.SSLContext | None = None
        self._resting: defaultdict[_Origin, list[UpstreamConnection]] = defaultdict(list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; its answer's body is still to be read. Raises as `ruleproxy.proxy.failures` lists."""
        url = request.url
        origin = _Origin(url.raw_scheme, url.raw_host, url.port or _DEFAULT_PORTS[url.raw_scheme])
        target: bytes = request.extensions.get("target") or url.raw_path
        body = b"".join([part async for part in request.stream])  # type: ignore[union-attr]
        method = request.method
        head = _write_head(method, target, request.headers.raw)
        connection = self._take(origin)
        if connection is not None:
            try:
                return await self._ask(connection, origin, method, head, body)
            except httpx.ReadError:
                if method not in _IDEMPOTENT:
                    raise
        connection = await self._connect(origin)
        return await self._ask(connection, origin, method, head, body)

    async def aclose(self) -> None:
        """Close the resting connections."""
        for connections in self._resting.values():
            for connection in list(connections):
                connection.abort()
        self._resting.clear()

    async def _ask(
        self, connection: UpstreamConnection, origin: _Origin, method: str, head: bytes, body: bytes
    ) -> httpx.Response:
        try:
            answer = await connection.ask(method, head, body, limit=self._limits.silence)
        except BaseException:
            # Also when the client went away: the upstream must not work on for nobody.
            connection.finish()
            connection.abort()
            raise
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(self, connection, origin))

    def _take(self, origin: _Origin) -> UpstreamConnection | None:
        resting = self._resting[origin]
        while resting:
            connection = resting.pop()
            if connection.idle_timer is not None:
                connection.idle_timer.cancel()
                connection.idle_timer = None
            if connection.is_quiet():
                return connection
            connection.abort()
        return None

    def put_back(self, connection: UpstreamConnection, origin: _Origin) -> None:
        """Let a connection rest whose answer has ended where its bytes did."""
        self._resting[origin].append(connection)
        loop = asyncio.get_running_loop()
        connection.idle_timer = loop.call_later(self._limits.rest, connection.abort)

    def _forget(self, connection: UpstreamConnection) -> None:
        for resting in self._resting.values():
            if connection in resting:
                resting.remove(connection)

    async def _connect(self, origin: _Origin) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        place = origin.place
        host = origin.host.decode("ascii")
        tls = self._tls_context() if origin.scheme == b"https" else None
        try:
            async with asyncio.timeout(self._limits.connect):
                _, connection = await loop.create_connection(
                    lambda: UpstreamConnection(place, self._forget),
                    host,
                    origin.port,
                    ssl=tls,
                    server_hostname=host if tls else None,
                )
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"cannot connect to {place} within {self._limits.connect:g} s") from error
        except OSError as error:
            raise connect_error(place, error) from error
        return connection

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            context = httpx.create_ssl_context()
            # A company's own authority is usually known to the machine only.
            context.load_default_certs()
            if self._ca_file is not None:
                context.load_verify_locations(self._ca_file)
            context.set_alpn_protocols(["http/1.1"])
            self._tls = context
        return self._tls


class _Body(httpx.AsyncByteStream):
    __slots__ = ("_connection", "_origin", "_transport")

    def __init__(self, transport: SocketTransport, connection: UpstreamConnection, origin: _Origin) -> None:
        self._transport = transport
        self._connection: UpstreamConnection | None = connection
        self._origin = origin

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        connection = self._connection
        if connection is None:
            raise StopAsyncIteration
        piece = await connection.next_piece()
        if piece is None:
            self._release(connection)
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        if self._connection is not None:
            self._release(self._connection)

    def _release(self, connection: UpstreamConnection) -> None:
        self._connection = None
        if connection.finish():
            self._transport.put_back(connection, self._origin)


def _write_head(method: str, target: bytes, headers: Headers) -> bytes:
    if _METHOD.fullmatch(method) is None:
        raise UnsendableRequest("the method is no token")
    if _TARGET.fullmatch(target) is None:
        raise UnsendableRequest("the request target holds a space or a control byte")
    lines = [b"%s %s HTTP/1.1" % (method.encode("ascii"), target)]
    lines += [b"%s: %s" % line for line in headers]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    # One count over the whole head finds every header that would break out of its line.
    breaks = len(lines) + 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\x00" in head:
        raise UnsendableRequest("a header holds a line break or a NUL")
    return head
