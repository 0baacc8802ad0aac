"""Asking over a transport in a test."""

from __future__ import annotations

import httpx

from ruleproxy.proxy.transport import SocketTransport


async def ask(
    transport: SocketTransport,
    url: str,
    *,
    method: str = "GET",
    target: bytes = b"/",
    upstream: str = "",
    silence: float | None = None,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> tuple[int, bytes]:
    """The status and the whole body of an answer."""
    extensions = {"target": target, "upstream": upstream, "silence": silence}
    sent = [(b"Host", httpx.URL(url).netloc), *(headers or [])]
    request = httpx.Request(method, url, headers=sent, stream=httpx.ByteStream(b""), extensions=extensions)
    response = await transport.handle_async_request(request)
    assert isinstance(response.stream, httpx.AsyncByteStream)
    try:
        return response.status_code, b"".join([piece async for piece in response.stream])
    finally:
        await response.aclose()
