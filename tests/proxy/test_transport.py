"""The transport by itself: TLS, bytes that must not be sent, and errors that name the upstream."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from ruleproxy.proxy.failures import TlsFailed, UnsendableRequest, failure_of
from ruleproxy.proxy.transport import SocketTransport, TransportLimits
from support.recording_upstream import OK, Pause, recording_upstream


@pytest.fixture
async def transport() -> AsyncIterator[SocketTransport]:
    transport = SocketTransport()
    yield transport
    await transport.aclose()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that is its own authority, and a server's context with it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=up -addext subjectAltName=IP:127.0.0.1"
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([openssl, *command.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", context


async def ask(transport: SocketTransport, url: str) -> bytes:
    response = await transport.handle_async_request(httpx.Request("GET", url))
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return b"".join([piece async for piece in response.stream])


async def test_tls_needs_a_trusted_certificate(authority: tuple[Path, ssl.SSLContext]) -> None:
    """Unknown authorities are refused as kind `tls`; a CA file adds one; the connection is used again."""
    ca_file, context = authority
    strict, trusting = SocketTransport(), SocketTransport(ca_file=ca_file)
    with recording_upstream(tls=context) as upstream:
        url = f"https://{upstream.place}/"
        with pytest.raises(TlsFailed, match=f"certificate of {upstream.place} is not trusted") as caught:
            await ask(strict, url)
        assert failure_of(caught.value).kind == "tls"
        assert await ask(trusting, url) == b"ok"
        assert await ask(trusting, url) == b"ok"
        assert [request.connection for request in upstream.requests] == [1, 1]
    await trusting.aclose()


async def test_a_server_without_tls_is_told(transport: SocketTransport) -> None:
    """https to a plain port."""
    with recording_upstream((OK,)) as upstream:
        listener_answers = f"https://{upstream.place}/"
        with pytest.raises((TlsFailed, httpx.ConnectTimeout)) as caught:
            await ask(SocketTransport(TransportLimits(connect=1)), listener_answers)
    assert upstream.place in str(caught.value)


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


async def test_silence_counts_from_the_last_byte() -> None:
    """A slow answer whose pauses are shorter than the limit is fine, though it takes longer as a whole."""
    transport = SocketTransport(TransportLimits(silence=1.0))
    script = (Pause(0.6), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", Pause(0.6), b"o", Pause(0.6), b"k")
    with recording_upstream(script) as upstream:
        assert await ask(transport, upstream.url) == b"ok"
    await transport.aclose()


async def test_silence_within_the_body_fails() -> None:
    """ReadTimeout, of kind `timeout`."""
    transport = SocketTransport(TransportLimits(silence=0.2))
    script = (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", Pause(5))
    with recording_upstream(script) as upstream, pytest.raises(httpx.ReadTimeout, match=upstream.place) as caught:
        await ask(transport, upstream.url)
    assert failure_of(caught.value).kind == "timeout"


async def test_it_is_a_transport_for_httpx(transport: SocketTransport) -> None:
    """httpx's own client works over it."""
    with recording_upstream() as upstream:
        async with httpx.AsyncClient(transport=transport) as client:
            response = await client.post(upstream.url + "/x?a=b", content=b"abc")
    assert response.text == "ok"
    assert upstream.requests[0].body == b"abc"
