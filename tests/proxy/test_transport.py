"""The transport by itself: bytes that must not be sent, and what httpx makes of it."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import AsyncIterator

import httpx
import pytest

from ruleproxy.proxy.failures import UnsendableRequest, failure_of
from ruleproxy.proxy.transport import SocketTransport
from support.recording_upstream import recording_upstream


@pytest.fixture
async def transport() -> AsyncIterator[SocketTransport]:
    transport = SocketTransport()
    yield transport
    await transport.aclose()


@pytest.mark.parametrize(
    "headers",
    [
        [(b"X", b"a\r\nHost: evil.example")],
        [(b"X", b"a\nb")],
        [(b"X", b"a\rb")],
        [(b"X", b"a\x00b")],
        [(b"X: 1\r\nY", b"2")],
    ],
)
async def test_a_header_cannot_break_out_of_its_line(
    transport: SocketTransport, headers: list[tuple[bytes, bytes]]
) -> None:
    """Whatever a rule writes: refused before a byte goes out."""
    with recording_upstream() as upstream:
        request = httpx.Request("GET", upstream.url, headers=headers, stream=httpx.ByteStream(b""))
        with pytest.raises(UnsendableRequest, match="line break"):
            await transport.handle_async_request(request)
    assert upstream.connections == 0


@pytest.mark.parametrize("target", [b"/a b", b"/ HTTP/1.1\r\nX: y", b"/\x00", b"/\x7f"])
async def test_a_target_cannot_break_out_of_its_line(transport: SocketTransport, target: bytes) -> None:
    """The same for the request line."""
    request = httpx.Request("GET", "http://127.0.0.1:1", extensions={"target": target})
    with pytest.raises(UnsendableRequest, match="target"):
        await transport.handle_async_request(request)


async def test_it_is_a_transport_for_httpx(transport: SocketTransport) -> None:
    """httpx's own client works over it."""
    with recording_upstream() as upstream:
        async with httpx.AsyncClient(transport=transport) as client:
            response = await client.post(upstream.url + "/x?a=b", content=b"abc")
    assert response.text == "ok"
    assert upstream.requests[0].body == b"abc"


async def test_a_reset_without_tls_is_no_failure_of_tls(transport: SocketTransport) -> None:
    """Whether it comes while the connection is made or behind the request: `reset`, and told in the same words."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        resetting = threading.Thread(target=_reset_all, args=(listener, 20))
        resetting.start()
        for _ in range(20):
            request = httpx.Request(
                "POST", f"http://127.0.0.1:{listener.getsockname()[1]}", stream=httpx.ByteStream(b"")
            )
            with pytest.raises(httpx.ReadError, match="reset the connection before an answer") as raised:
                await transport.handle_async_request(request)
            assert failure_of(raised.value).kind == "reset"
        resetting.join()


def _reset_all(listener: socket.socket, times: int) -> None:
    for _ in range(times):
        connection, _ = listener.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
