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

Upstreams that answer twice: what comes behind the end of an answer ends its connection, but what comes behind the next
request on it is that one's answer, to all appearances, and every client after it would be given the one before's. Such
an upstream mostly says both at once, so a connection rests for a moment before it is used again.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from types import MappingProxyType

import httpx

from ruleproxy.messages.message import Headers
from ruleproxy.proxy.connecting import Connector, Origin
from ruleproxy.proxy.failures import UnsendableRequest
from ruleproxy.proxy.routes import DEFAULT_ROUTE, NO_ROUTES, Patience, Route, Routes
from ruleproxy.proxy.tls import TlsContexts
from ruleproxy.proxy.upstream_connection import UpstreamConnection

_IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"))
_TARGET = re.compile(rb"[\x21-\x7e\x80-\xff]+")
_METHOD = re.compile(r"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")
_DEFAULT_PORTS = {b"http": 80, b"https": 443}
_NO_ENVIRONMENT: Mapping[str, str] = MappingProxyType({})


class SocketTransport(httpx.AsyncBaseTransport):
    """Sends requests over pooled connections.

    The request extensions `upstream` (a name in `routes`; without one the default route) and `silence` (seconds of
    silence, in place of the route's) say how. A pooled connection rests for `settle` seconds at least, `rest` at
    most: uvicorn and Node.js close theirs after 5. `environment` is where OpenSSL's and Node's variables are looked
    up.
    """

    def __init__(
        self,
        routes: Routes = NO_ROUTES,
        *,
        environment: Mapping[str, str] = _NO_ENVIRONMENT,
        rest: float = 4.0,
        settle: float = 0.01,
    ) -> None:
        self._routes = routes
        self._rest = rest
        self._settle = settle
        contexts: dict[object, TlsContexts] = {}
        for route in (DEFAULT_ROUTE, *routes.values()):
            if route.trust not in contexts:
                contexts[route.trust] = TlsContexts(route.trust, environment)
        self._contexts = contexts
        self._connectors: dict[str, Connector] = {}
        self._resting: defaultdict[Origin, list[UpstreamConnection]] = defaultdict(list)

    def check(self, upstreams: Iterable[tuple[str, str]]) -> None:
        """Read every certificate that is named, and find the proxy for each origin (`name, scheme://host[:port]`).

        Raises `BadTrust` of `ruleproxy.proxy.tls` and `BadProxy` of `ruleproxy.proxy.forward_proxies`.
        """
        for contexts in self._contexts.values():
            contexts.context()
        for name, origin in upstreams:
            url = httpx.URL(origin)
            port = url.port or _DEFAULT_PORTS[url.raw_scheme]
            self._routes.get(name, DEFAULT_ROUTE).proxies.find(url.scheme, url.host, port)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; its answer's body is still to be read. Raises as `ruleproxy.proxy.failures` lists."""
        url = request.url
        extensions = request.extensions
        name: str = extensions.get("upstream", "")
        route = self._routes.get(name, DEFAULT_ROUTE)
        patience = route.patience
        if (seconds := extensions.get("silence")) is not None:
            patience = patience.limited(seconds)
        deadline = asyncio.get_running_loop().time() + patience.total
        origin = Origin(name, url.raw_scheme, url.raw_host, url.port or _DEFAULT_PORTS[url.raw_scheme])
        target: bytes = extensions.get("target") or url.raw_path
        body = b"".join([part async for part in request.stream])  # type: ignore[union-attr]
        method = request.method
        connector = self._find_connector(name, route)
        head = _write_head(method, *connector.address(origin, target, request.headers.raw))
        connection = self._take(origin)
        if connection is not None:
            try:
                return await self._ask(connection, origin, method, head, body, patience, deadline)
            except httpx.ReadError:
                if method not in _IDEMPOTENT:
                    raise
        connection = await connector.connect(origin, self._forget, patience, deadline)
        return await self._ask(connection, origin, method, head, body, patience, deadline)

    async def aclose(self) -> None:
        """Close the resting connections."""
        for connections in self._resting.values():
            for connection in list(connections):
                connection.abort()
        self._resting.clear()

    def _find_connector(self, name: str, route: Route) -> Connector:
        connector = self._connectors.get(name)
        if connector is None:
            connector = self._connectors[name] = Connector(route.proxies, self._contexts[route.trust])
        return connector

    async def _ask(
        self,
        connection: UpstreamConnection,
        origin: Origin,
        method: str,
        head: bytes,
        body: bytes,
        patience: Patience,
        deadline: float,
    ) -> httpx.Response:
        try:
            answer = await connection.ask(method, head, body, patience, deadline)
        except BaseException:
            # Also when the client went away: the upstream must not work on for nobody.
            connection.finish()
            connection.abort()
            raise
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(self, connection, origin))

    def _take(self, origin: Origin) -> UpstreamConnection | None:
        resting = self._resting[origin]
        settled = asyncio.get_running_loop().time() - self._settle
        for index in range(len(resting) - 1, -1, -1):
            connection = resting[index]
            if connection.resting_since > settled:
                continue
            del resting[index]
            if connection.idle_timer is not None:
                connection.idle_timer.cancel()
                connection.idle_timer = None
            if connection.is_quiet():
                return connection
            connection.abort()
        return None

    def put_back(self, connection: UpstreamConnection, origin: Origin) -> None:
        """Let a connection rest whose answer has ended where its bytes did."""
        self._resting[origin].append(connection)
        loop = asyncio.get_running_loop()
        connection.resting_since = loop.time()
        connection.idle_timer = loop.call_later(self._rest, connection.abort)

    def _forget(self, connection: UpstreamConnection) -> None:
        for resting in self._resting.values():
            if connection in resting:
                resting.remove(connection)


class _Body(httpx.AsyncByteStream):
    __slots__ = ("_connection", "_origin", "_transport")

    def __init__(self, transport: SocketTransport, connection: UpstreamConnection, origin: Origin) -> None:
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
