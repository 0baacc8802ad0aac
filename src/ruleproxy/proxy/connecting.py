"""Opening connections to upstreams: straight, or through a forward proxy, with or without TLS.

Through a proxy, `https` upstreams are reached by a tunnel (CONNECT, RFC 9110 9.3.6) and `http` ones by asking for the
whole URL (absolute form, RFC 9112 3.2.2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import httpx

from ruleproxy.messages.message import Headers
from ruleproxy.proxy.failures import connect_error
from ruleproxy.proxy.forward_proxies import BadProxy, ForwardProxies, ForwardProxy, describe_refusal
from ruleproxy.proxy.response_reader import BadResponse, ResponseReader
from ruleproxy.proxy.routes import Patience
from ruleproxy.proxy.tls import BadTrust, TlsContexts
from ruleproxy.proxy.upstream_connection import UpstreamConnection


class Origin(NamedTuple):
    """Where a connection leads, and for which upstream (by name): others never use it."""

    upstream: str
    scheme: bytes
    host: bytes
    port: int

    @property
    def place(self) -> str:
        """`host:port`, for messages."""
        host = self.host.decode("ascii")
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


class Connector:
    """Opens the connections of one route."""

    def __init__(self, proxies: ForwardProxies, contexts: TlsContexts) -> None:
        self._contexts = contexts
        self._proxies = proxies
        self._found: dict[Origin, ForwardProxy | None] = {}

    def address(self, origin: Origin, target: bytes, headers: Headers) -> tuple[bytes, Headers]:
        """Target and headers as they are written to whom the connection leads. Raises httpx.ProxyError."""
        proxy = self._find_proxy(origin)
        if proxy is None or origin.scheme == b"https":
            return target, headers
        # What a client says to a proxy is not for this one, which has credentials of its own or none.
        headers = [line for line in headers if line[0].lower() != b"proxy-authorization"]
        if proxy.authorization is not None:
            headers.append((b"Proxy-Authorization", proxy.authorization))
        return b"http://" + origin.place.encode("ascii").removesuffix(b":80") + target, headers

    async def connect(
        self,
        origin: Origin,
        on_close: Callable[[UpstreamConnection], None],
        patience: Patience,
        deadline: float,
    ) -> UpstreamConnection:
        """An open connection. Raises httpx.ConnectError and its kin: see `ruleproxy.proxy.failures`."""
        proxy = self._find_proxy(origin)
        place = origin.place
        through = "" if proxy is None else f" through the proxy {proxy.place}"
        left = deadline - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(patience.connect, left)):
                connection = UpstreamConnection(place, on_close)
                if proxy is None:
                    await self._open(
                        connection, origin.host.decode("ascii"), origin.port, tls=origin.scheme == b"https"
                    )
                elif origin.scheme == b"http":
                    connection.proxy = proxy
                    await self._reach(connection, proxy)
                else:
                    await self._tunnel(connection, origin, proxy)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(
                f"cannot connect to {place}{through} within {patience.connect:g} s (timeouts.connect)"
            ) from error
        except BadTrust as error:
            raise httpx.ConnectError(f"cannot connect to {place}: {error}") from error
        except OSError as error:
            raise connect_error(place, error, secure=origin.scheme == b"https") from error
        return connection

    def _find_proxy(self, origin: Origin) -> ForwardProxy | None:
        try:
            return self._found[origin]
        except KeyError:
            pass
        try:
            proxy = self._proxies.find(origin.scheme.decode("ascii"), origin.host.decode("ascii"), origin.port)
        except BadProxy as error:
            raise httpx.ProxyError(f"there is no way to {origin.place}: {error}") from None
        self._found[origin] = proxy
        return proxy

    async def _open(self, connection: asyncio.Protocol, host: str, port: int, *, tls: bool) -> asyncio.Transport:
        context = self._contexts.context() if tls else None
        made, _ = await asyncio.get_running_loop().create_connection(
            lambda: connection, host, port, ssl=context, server_hostname=host if tls else None
        )
        return made

    async def _reach(self, connection: asyncio.Protocol, proxy: ForwardProxy) -> asyncio.Transport:
        try:
            return await self._open(connection, proxy.host, proxy.port, tls=proxy.secure)
        except OSError as error:
            raise connect_error(f"the proxy {proxy.place}", error, secure=proxy.secure) from error

    async def _tunnel(self, connection: UpstreamConnection, origin: Origin, proxy: ForwardProxy) -> None:
        entrance = _TunnelEntrance()
        transport = await self._reach(entrance, proxy)
        place = origin.place.encode("ascii")
        lines = [b"CONNECT %s HTTP/1.1" % place, b"Host: %s" % place]
        if proxy.authorization is not None:
            lines.append(b"Proxy-Authorization: %s" % proxy.authorization)
        transport.write(b"\r\n".join(lines) + b"\r\n\r\n")
        try:
            problem = await entrance.opened
            if problem is not None:
                raise httpx.ProxyError(f"the proxy {proxy.place} opened no way to {origin.place}: {problem}")
            loop = asyncio.get_running_loop()
            context = self._contexts.context()
            host = origin.host.decode("ascii")
            secured = await loop.start_tls(transport, connection, context, server_hostname=host)
            assert secured is not None
            connection.connection_made(secured)
        except BaseException:
            transport.abort()
            raise


class _TunnelEntrance(asyncio.Protocol):
    """Reads a proxy's answer to CONNECT. `opened` is None, or says why there is no tunnel."""

    def __init__(self) -> None:
        self._reader = ResponseReader("CONNECT")
        self.opened: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Take bytes: the event loop's call."""
        try:
            self._reader.feed(data)
        except BadResponse as error:
            self._settle(f"it did not answer in HTTP/1.1: {error}")
            return
        head = self._reader.head
        if head is None:
            return
        if not 200 <= head.status < 300:
            self._settle(describe_refusal(head.status))
        elif self._reader.excess:
            # An upstream speaks only after its client did: these bytes come from somebody else.
            self._settle("it sent bytes of its own into the tunnel")
        else:
            self._settle(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of the connection: the event loop's call."""
        self._settle("it closed the connection" if exc is None else "it reset the connection")

    def _settle(self, problem: str | None) -> None:
        if not self.opened.done():
            self.opened.set_result(problem)
